"""Random streams of the host's decisions: each purpose has its own, indexed by round or step.

A resumed run draws what the uninterrupted run would, because a draw depends on its purpose and
index alone and not on what was drawn before.
"""

from __future__ import annotations

import enum

import jax
import jax.numpy as jnp


class Stream(enum.IntEnum):
    """What random numbers are for; part of a run's identity, so a value is never reused."""

    QUERIES = 1
    FIT = 2
    EVALUATION = 3
    TRIALS = 4
    FINAL_EVALUATION = 5
    DEMONSTRATIONS = 6
    ORACLE = 20
    ADAPTERS = 21


def seed_keys(first_seed: int, seeds: int) -> jax.Array:
    """One key per seed [S]: seed i is the same run whichever seeds run beside it."""
    return jax.vmap(jax.random.key)(first_seed + jnp.arange(seeds))


def in_stream(keys: jax.Array, stream: Stream, index: int = 0) -> jax.Array:
    """Keys [S] for the index-th draw of a stream. The stream and the index are folded in one after
    the other, so that no index of one stream meets another's."""
    fold = jax.vmap(jax.random.fold_in, (0, None))
    return fold(fold(keys, int(stream)), index)


def stream_keys(first_seed: int, seeds: int, stream: Stream, index: int) -> jax.Array:
    """One key per seed [S] for the index-th draw of a stream."""
    return in_stream(seed_keys(first_seed, seeds), stream, index)
