"""PEBBLE (Lee et al., ICML 2021): a reward learned from preferences between clips of behaviour.

The loop is `exploration`'s. A teacher is asked which of two clips of 50 steps is better. The first
round's pairs are uniform; later ones are those over which the ensemble disagrees the most, out of
ten times as many.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from core_jax.feedback.config import FeedbackConfig
from core_jax.methods.exploration import ExploringMethod
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.training.reward_input import InputKind, PixelConfig, pixel_fit


@dataclasses.dataclass(frozen=True)
class PebbleConfig:
    """PEBBLE."""

    reward_input: InputKind = "state"
    """What the reward reads: what a picture shows, as numbers, or the picture."""
    unsupervised_steps: Annotated[int, Ge(0)] = 9_000
    """Environment steps of exploration by state entropy, after the random ones."""
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    reward: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)


class Pebble(ExploringMethod):
    """Reward from preferences between clips."""

    name: ClassVar[str] = "pebble"
    summary: ClassVar[str] = "reward learned from preferences between clips"
    config: ClassVar[type] = PebbleConfig

    def presets(self, config: PebbleConfig, task: str) -> Mapping[str, Any]:
        """B-Pref's schedule on Meta-World: 50 pairs every 5,000 steps."""
        schedule = _SCHEDULES.get(task, _META_WORLD)
        length = schedule["feedback.clip_length"]
        shown = next(n for n in (5, 3, 1) if length % n == 0)
        pixels = pixel_fit("reward", shown) if config.reward_input == "pixels" else {}
        return {**_CLIPS, **pixels, **schedule}


_CLIPS = {"random_steps": 1_000, "feedback.pairs": "disagreement", "reward.importance_weight": 0.0,
          "reward.batch_size": 128}  # fmt: skip
# B-Pref's limit, 10,000, is for a million steps; room for labels that are never asked costs memory.
_META_WORLD = {"feedback.labels": 2_000, "feedback.labels_per_round": 50,
               "feedback.round_every": 5_000, "feedback.clip_length": 50,
               "reward.epochs": 10}  # fmt: skip
_ROPE = {"feedback.labels": 2_000, "feedback.labels_per_round": 100, "feedback.round_every": 5_000,
         "feedback.clip_length": 10, "pixels.every": 1, "reward.epochs": 30}  # fmt: skip
_SCHEDULES: dict[str, dict[str, Any]] = {
    "peg-insert-side": {**_META_WORLD, "feedback.labels": 3_000},
    "flatten-rope": {**_ROPE, "feedback.window": 4_000},  # a hundred episodes
    "pass-water": {**_ROPE, "feedback.window": 7_500},
    "fold-cloth": {
        "feedback.labels": 500, "feedback.labels_per_round": 50, "feedback.round_every": 1_000,
        "feedback.clip_length": 3, "feedback.window": 300, "pixels.every": 1, "reward.epochs": 25,
        "unsupervised_steps": 300, "random_steps": 300,
    },
}  # fmt: skip
