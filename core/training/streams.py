"""Random streams of the host's decisions: each purpose has its own, indexed by round or step.

A resumed run draws what the uninterrupted run would, because a draw depends on its purpose and
index alone and not on what was drawn before.
"""

from __future__ import annotations

import enum

import jax
import jax.numpy as jnp


class Stream(enum.IntEnum):
    """What random numbers are for; the value is the stream's offset."""

    QUERIES = 1_000_000
    FIT = 2_000_000
    EVALUATION = 3_000_000
    TRIALS = 5_000_000
    FINAL_EVALUATION = 7_000_000


def seed_keys(first_seed: int, seeds: int) -> jax.Array:
    """One key per seed [S]: seed i is the same run whichever seeds run beside it."""
    return jax.vmap(jax.random.key)(first_seed + jnp.arange(seeds))


def stream_keys(first_seed: int, seeds: int, stream: Stream, index: int) -> jax.Array:
    """One key per seed [S] for the index-th draw of a stream."""
    keys = seed_keys(first_seed, seeds)
    return jax.vmap(jax.random.fold_in, (0, None))(keys, int(stream) + index)
