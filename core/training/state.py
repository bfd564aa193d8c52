"""What training carries from step to step: the state of every seed, as one pytree."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from flax import struct

from core_jax.agents import replay


class SeedState(struct.PyTreeNode):
    """Everything that one seed carries: learner, replay, environments, reward sources, keys.

    Inside a `TrainState` every leaf has a leading seed axis S.
    """

    key: jax.Array
    env_state: Any  # brax State, leading axis N
    carry: Any  # what the learner carries between actions, such as correlated noise [N, A]
    learner: Any
    replay: replay.ReplayState
    sources: dict[str, Any]  # state of each reward source, by its name
    weights: dict[str, jax.Array]  # weight of each reward column
    # Settings of the learner that differ between seeds, by field; empty unless the run is a sweep.
    values: dict[str, jax.Array] = struct.field(default_factory=dict)
    # What watchers of episodes remember [N, B], by column (core_jax.training.watching).
    memory: dict[str, jax.Array] = struct.field(default_factory=dict)


class TrainState(struct.PyTreeNode):
    """All seeds. `seeds` leaves have a leading axis S; `env_steps` counts one seed's steps."""

    seeds: SeedState
    env_steps: jax.Array  # [] int32


class EpisodeRecord(NamedTuple):
    """What is kept of an evaluation's first episode, `[T, ...]`; fields as a transition's."""

    next_obs: jax.Array
    action: jax.Array
    target: jax.Array
    snapshot: jax.Array
    truth: replay.Truth
    cut: jax.Array
