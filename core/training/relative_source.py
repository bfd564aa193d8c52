"""The relative reward of VLM-AR3L as a `RewardSource`: each frame against one some steps before it,
within its episode, wherever it is scored: in a new block, in all of replay, in a recorded episode.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.agents.replay import ReplayState
from core_jax.reward_models.fitting import EnsembleState
from core_jax.reward_models.relative import RelativeConfig, RelativeModel, order_gate
from core_jax.reward_models.source import Columns, Metrics
from core_jax.training.reward_input import (
    FramedLabels,
    RewardInput,
    interpolate,
    interpolate_ring,
)


@dataclasses.dataclass(frozen=True)
class RelativeSource:
    """Rewards 1, 0 and -1 in one column.

    Of pictures, every few steps one is read: the reward in between is interpolated, and the lag
    rounded to a number of them. Groups below are the steps up to and including one that is read.

    Attributes:
        name: of the source and of its column.
        config: lag and threshold.
        model: the classifiers.
        input: what they read.
        render_batch: most frames read at once when all of replay is scored.
    """

    name: str
    config: RelativeConfig
    model: RelativeModel
    input: RewardInput
    render_batch: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)

    @property
    def compiler_options(self) -> dict[str, bool | int] | None:
        """Rendering's, where the frames are pictures."""
        return self.input.compiler_options

    @property
    def lag(self) -> int:
        """Groups from a frame back to the one that it is compared with."""
        return max(1, round(self.config.lag / self.input.every))

    def init(self, key: jax.Array, example: Any) -> EnsembleState:
        """Fresh classifiers."""
        return self.model.init(key, self.input.frames(example.next_obs, example.snapshot))

    def score(
        self, state: EnsembleState, steps: Any, ring: ReplayState | None = None
    ) -> tuple[Columns, Metrics]:
        """Rewards `[T, N]` of steps that follow what is in `ring`."""
        every, before = self.input.every, self.lag + 1
        obs, snapshot = (x[every - 1 :: every] for x in (steps.next_obs, steps.snapshot))
        if ring is None:
            before, last_cut = 1, jnp.ones_like(steps.cut[0])
            obs, snapshot = (jnp.concatenate([x[:1], x]) for x in (obs, snapshot))
            past_fresh = jnp.ones((1, *steps.cut.shape[1:]), bool)
        else:
            ages = ring.size // every - before + jnp.arange(before)
            (past_obs, past_snapshot, fresh), valid = self._groups(ring, ages)
            obs = jnp.concatenate([past_obs, obs])
            snapshot = jnp.concatenate([past_snapshot, snapshot])
            past_fresh = fresh | ~valid[:, None]
            newest = ring.data.cut[(ring.cursor - 1) % ring.data.cut.shape[0]]
            last_cut = jnp.where(ring.size > 0, newest, 1.0)
        fresh = jnp.concatenate([past_fresh, _fresh(steps.cut, last_cut[None], every)])
        values = self._values(state, obs, snapshot, fresh, self.lag)
        known = _continues(steps.cut, last_cut[None], every)
        columns = interpolate(values[before:], values[before - 1 : -1], known, steps.cut)
        return {self.name: columns}, {}

    def rescore(self, state: EnsembleState, ring: ReplayState) -> Columns:
        """Rewards of all that is in replay, `[rows, N]`; rows never filled hold anything."""
        every = self.input.every
        rows, envs_ = ring.data.cut.shape
        groups, filled, before = rows // every, ring.size // every, self.lag
        at_once = min(max(2 * before, self.render_batch // envs_), groups)

        def read_window(i: jax.Array, read: jax.Array) -> jax.Array:
            # The last window is moved back to end with what is filled.
            start = jnp.maximum(jnp.minimum(i * at_once, filled - at_once), 0)
            ages = start - before + jnp.arange(before + at_once)
            (obs, snapshot, fresh), valid = self._groups(ring, ages)
            values = self._values(state, obs, snapshot, fresh | ~valid[:, None], before)[before:]
            place = self._place(ring, ages[before:])
            return read.at[jnp.where(valid[before:], place, groups)].set(values, mode="drop")

        read = ring.data.rewards[self.name][every - 1 :: every]
        read = jax.lax.fori_loop(0, (filled + at_once - 1) // at_once, read_window, read)
        return {self.name: interpolate_ring(read, ring, every) if every > 1 else read}

    def score_episode(self, state: EnsembleState, steps: Any) -> Columns:
        """Rewards `[T]` of one episode; every frame is read."""
        obs, snapshot = (x[:, None] for x in (steps.next_obs, steps.snapshot))
        fresh = (jnp.arange(obs.shape[0]) == 0)[:, None]
        return {self.name: self._values(state, obs, snapshot, fresh, self.config.lag)[:, 0]}

    def fit(
        self, state: EnsembleState, labels: FramedLabels, count: jax.Array, key: jax.Array
    ) -> tuple[EnsembleState, Metrics]:
        """Fits to preferences in which (next_obs, snapshot) stand for the frames."""
        return self.model.fit(state, labels.with_frames(self.input.frames), count, key)

    def standardise(self, state: EnsembleState, steps: Any) -> EnsembleState:
        """The state with the mean and spread of some steps' frames, where frames are scaled."""
        if not self.input.scaled:
            return state
        return self.model.standardise(state, self.input.frames(steps.next_obs, steps.snapshot))

    def _values(
        self,
        state: EnsembleState,
        obs: jax.Array,
        snapshot: jax.Array,
        fresh: jax.Array,
        lag: int,
    ) -> jax.Array:
        """Rewards [G, N] of frames in the order of time, each against the one `lag` before it, or
        the first of its episode.

        Args:
            state: the classifiers.
            obs, snapshot: of the frames [G, N, ...].
            fresh: whether a frame's episode is another one than that of the frame before [G, N].
            lag: in frames.
        """
        vectors = self.model.embed(state, self.input.frames(obs, snapshot))  # [E, G, N, D]
        index = jnp.arange(fresh.shape[0])[:, None]
        first = jax.lax.cummax(jnp.where(fresh, index, 0), axis=0)
        earlier = vectors[:, jnp.maximum(index - lag, first), jnp.arange(fresh.shape[1])]
        forward = self.model.second_is_better(state, earlier, vectors)
        backward = self.model.second_is_better(state, vectors, earlier)
        return order_gate(forward, backward, self.config.threshold)

    def _groups(
        self, ring: ReplayState, ages: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
        """Frames (next_obs, snapshot) and `fresh` of groups by age, 0 the oldest; and which exist
        [G]."""
        data, every = ring.data, self.input.every
        rows = data.cut.shape[0]
        place = self._place(ring, ages)
        ends = place * every + every - 1
        inside = place[:, None] * every + jnp.arange(-1, every - 1)  # the rows before each row
        fresh = jnp.any(data.cut[inside % rows] > 0, axis=1) | (ages <= 0)[:, None]
        valid = (ages >= 0) & (ages < ring.size // every)
        return (data.next_obs[ends], data.snapshot[ends], fresh), valid

    def _place(self, ring: ReplayState, ages: jax.Array) -> jax.Array:
        """Where groups lie in the ring."""
        every = self.input.every
        groups = ring.data.cut.shape[0] // every
        return (ring.cursor // every - ring.size // every + ages) % groups


def _fresh(cut: jax.Array, before: jax.Array, every: int) -> jax.Array:
    """Whether each group ends in another episode than the group before [G, N]; `before` [1, N] is
    the cut of the step before the first."""
    previous = jnp.concatenate([before, cut[:-1]])
    return jnp.any(previous.reshape(-1, every, cut.shape[1]) > 0, axis=1)


def _continues(cut: jax.Array, before: jax.Array, every: int) -> jax.Array:
    """Whether each group begins in the episode in which the group before ended [G, N]."""
    return jnp.concatenate([before, cut[every - 1 : -1 : every]]) == 0
