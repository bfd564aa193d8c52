"""`PairCollector`: which of two clips is better? asked in rounds for every seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback import sampling
from core_jax.feedback.collecting import (
    Collected,
    Collector,
    CollectorSetup,
    Draw,
    Labels,
    clip_of,
    clip_room,
    counters,
)
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.feedback.rounds import Labelling
from core_jax.reward_models.preference import Preferences, interpolate_scores
from core_jax.training.state import SeedState
from core_jax.training.train import Train


def empty_labels(seeds: int, config: FeedbackConfig, env: envs.TaskEnv) -> Labels:
    """Room for every label of a run: arrays [S, M, ...], two clips of H steps a label."""
    shape = (seeds, config.labels, 2, config.clip_length)
    return {
        **clip_room(shape, env),
        "importance": np.zeros(shape, np.float32),  # zeros: no scores
        "preference": np.zeros((seeds, config.labels), np.float32),
        **counters(seeds),
    }


def clip_sampler(
    config: FeedbackConfig, envs_: int, source: Any = None
) -> Callable[[SeedState, jax.Array], replay.Transition]:
    """A pure function that draws the clips of one round from a seed's replay.

    Args:
        config: how many, how long, from which steps, by which rule.
        envs_: environments stepped side by side.
        source: the fitted source (`NetworkSource`) that `disagreement` and `entropy` ask about.

    Returns:
        `(seed, key) -> Transition [2 * labels_per_round, H, ...]`; clips 2i and 2i + 1 are a pair.
    """
    pairs, rule = config.labels_per_round, config.pairs
    count, window = sampling.pool_size(rule, pairs), config.window // envs_
    age = sampling.RECENT * window if rule == "recent" else None

    def draw(seed: SeedState, key: jax.Array) -> replay.Transition:
        pool = replay.sample_clips(seed.replay, key, count, config.clip_length, window, age)

        def members_returns() -> jax.Array:  # [E, C]
            every = source.input.every
            frames = source.input.frames(pool.next_obs[:, ::every], pool.snapshot[:, ::every])
            return every * jnp.sum(source.model.members(seed.sources[source.name], frames), axis=-1)

        fitted = seed.weights[source.name] > 0 if source is not None else jnp.bool_(False)
        key = jax.random.fold_in(key, 1)
        return sampling.choose(rule, pool, members_returns, fitted, key, pairs)

    return draw


class PairCollector(Collector[Pair, PairLabel]):
    """Preferences between clips, of all seeds.

    Args:
        setup: see there.
        train: the run's functions.
        draw: jitted over seeds, from `clip_sampler`.
        labelling: takes rounds to the teacher.
        store: the run's labels on disk.
    """

    query_type, label_type = Pair, PairLabel

    def __init__(
        self,
        setup: CollectorSetup,
        train: Train,
        draw: Draw,
        labelling: Labelling,
        store: LabelStore,
    ):
        labels = empty_labels(setup.seeds, setup.config, train.env)
        super().__init__(setup, labels, draw, labelling, store)

    def query(self, drawn: replay.Transition, s: int, i: int, index: int) -> Pair:
        """Clips 2i and 2i + 1."""
        a, b = (clip_of(drawn, (s, j)) for j in (2 * i, 2 * i + 1))
        seed = self.setup.first_seed + s
        return Pair(a, b, self.setup.instruction, seed=seed, round=index)

    def worth_asking(self, query: Pair) -> bool:
        """Nobody can tell two clips apart that look the same."""
        return bool(np.abs(query.a.next_obs - query.b.next_obs).max() > 1e-6)

    def keep(self, s: int, row: int, query: Pair, label: PairLabel) -> None:
        """Writes a preference and its clips into a row of a seed."""
        labels, length = self.labels, self.setup.config.clip_length
        sides = ((query.a, label.scores_a), (query.b, label.scores_b))
        for side, (clip, scores) in enumerate(sides):
            for name in ("next_obs", "snapshot", "action", "target"):
                labels[name][s, row, side] = getattr(clip, name)
            if scores and self.setup.importance:
                labels["importance"][s, row, side] = interpolate_scores(np.array(scores), length)
        labels["preference"][s, row] = label.preference

    def preferences(self) -> Preferences:
        """All labels for a fit; frames are (next_obs, snapshot) [S, M, H, ...]."""
        labels, importance = self.labels, self.labels["importance"]
        side = lambda i: tuple(jnp.asarray(labels[k][:, :, i]) for k in ("next_obs", "snapshot"))
        return Preferences(
            frames_a=side(0),  # pyright: ignore[reportArgumentType]
            frames_b=side(1),  # pyright: ignore[reportArgumentType]
            target=jnp.asarray(labels["preference"]),
            importance_a=jnp.asarray(importance[:, :, 0]),
            importance_b=jnp.asarray(importance[:, :, 1]),
        )


__all__ = [
    "Collected",
    "CollectorSetup",
    "Labels",
    "PairCollector",
    "clip_of",
    "clip_sampler",
    "empty_labels",
]
