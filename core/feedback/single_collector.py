"""`RatingCollector`: how good is one clip? asked in rounds for every seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback.collecting import (
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
from core_jax.feedback.queries import Single, SingleLabel
from core_jax.feedback.rounds import Labelling
from core_jax.reward_models.rating import Ratings
from core_jax.training.state import SeedState


def empty_ratings(seeds: int, config: FeedbackConfig, env: envs.TaskEnv) -> Labels:
    """Room for every rating of a run: arrays [S, M, ...], one clip of H steps a label."""
    clips = clip_room((seeds, config.labels, config.clip_length), env)
    return {
        **{name: clips[name] for name in ("next_obs", "snapshot")},
        "rating": np.zeros((seeds, config.labels), np.int32),
        **counters(seeds),
    }


def single_sampler(
    config: FeedbackConfig, envs_: int
) -> Callable[[SeedState, jax.Array], replay.Transition]:
    """A pure function `(seed, key) -> Transition [labels_per_round, H, ...]` that draws the clips
    of one round from a seed's replay, uniformly."""
    window = config.window // envs_

    def draw(seed: SeedState, key: jax.Array) -> replay.Transition:
        count, length = config.labels_per_round, config.clip_length
        return replay.sample_clips(seed.replay, key, count, length, window)

    return draw


class RatingCollector(Collector[Single, SingleLabel]):
    """Ratings of clips, of all seeds.

    Args:
        setup: see there.
        classes: of a rating.
        lowest_if_unsure: keep an abstention as the lowest class.
        env: one world.
        draw: jitted over seeds, from `single_sampler`.
        labelling: takes rounds to the teacher.
        store: the run's labels on disk.
    """

    query_type, label_type = Single, SingleLabel

    def __init__(
        self,
        setup: CollectorSetup,
        classes: int,
        lowest_if_unsure: bool,
        env: envs.TaskEnv,
        draw: Draw,
        labelling: Labelling,
        store: LabelStore,
    ):
        labels = empty_ratings(setup.seeds, setup.config, env)
        super().__init__(setup, labels, draw, labelling, store)
        self._classes, self._lowest_if_unsure = classes, lowest_if_unsure

    def query(self, drawn: Any, s: int, i: int, index: int) -> Single:
        """Clip i."""
        seed, clip = self.setup.first_seed + s, clip_of(drawn, (s, i))
        return Single(clip, "rating", self._classes, self.setup.instruction, seed, index)

    def usable(self, label: SingleLabel) -> bool:
        """Abstentions are not, unless they stand for the lowest class."""
        return label.decided or self._lowest_if_unsure

    def keep(self, s: int, row: int, query: Single, label: SingleLabel) -> None:
        """Writes a rating and its clip into a row of a seed."""
        for name in ("next_obs", "snapshot"):
            self.labels[name][s, row] = getattr(query.clip, name)
        self.labels["rating"][s, row] = 0 if label.value is None else int(label.value)

    def ratings(self) -> Ratings:
        """All labels for a fit; frames are (next_obs, snapshot) [S, M, H, ...]."""
        frames = tuple(jnp.asarray(self.labels[k]) for k in ("next_obs", "snapshot"))
        rating = jnp.asarray(self.labels["rating"])
        return Ratings(frames, rating)  # pyright: ignore[reportArgumentType]
