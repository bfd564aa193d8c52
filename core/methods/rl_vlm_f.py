"""RL-VLM-F (Wang et al., ICML 2024): a reward learned from preferences between single pictures.

The loop is PEBBLE's (`exploration`): explore by state entropy, then, round after round, ask which
of two pictures is nearer to the goal, in two stages (the pictures are described, then compared by
the description alone); drop "cannot tell"; fit R to all labels and relabel replay; from the first
fit on train on R alone, with fresh critics.
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
class RLVLMFConfig:
    """RL-VLM-F."""

    reward_input: InputKind = "pixels"
    """What the reward reads: the picture (the paper), or what it shows, as numbers."""
    unsupervised_steps: Annotated[int, Ge(0)] = 9_000
    """Environment steps of exploration by state entropy, after the random ones."""
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    reward: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)


class RLVLMF(ExploringMethod):
    """Reward from preferences between single pictures."""

    name: ClassVar[str] = "rl_vlm_f"
    summary: ClassVar[str] = "reward learned from preferences between single pictures"
    config: ClassVar[type] = RLVLMFConfig

    def presets(self, config: RLVLMFConfig, task: str) -> Mapping[str, Any]:
        """The released schedules: 40 pairs every 4,000 steps on Meta-World."""
        return picture_presets(config.reward_input, task)


def picture_presets(reward_input: InputKind, task: str) -> dict[str, Any]:
    """Schedules of RL-VLM-F, which other methods that ask about pairs of pictures share."""
    pixels = pixel_fit("reward", 1) if reward_input == "pixels" else {}
    return {**_PICTURES, **pixels, **_SCHEDULES.get(task, _META_WORLD)}


_PICTURES = {"random_steps": 1_000, "feedback.clip_length": 1, "feedback.frames_shown": 1,
             "vlm.question": "rl_vlm_f", "reward.importance_weight": 0.0,
             "reward.batch_size": 64}  # fmt: skip
_META_WORLD = {"feedback.labels": 20_000, "feedback.labels_per_round": 40,
               "feedback.round_every": 4_000, "reward.epochs": 10}  # fmt: skip
_ROPE = {"feedback.labels": 12_000, "feedback.labels_per_round": 100, "pixels.every": 1,
         "feedback.round_every": 5_000, "reward.epochs": 30}  # fmt: skip
_CLOTH = {"feedback.labels": 500, "feedback.labels_per_round": 50, "pixels.every": 1,
          "feedback.round_every": 1_000, "reward.epochs": 25, "unsupervised_steps": 300,
          "random_steps": 300}  # fmt: skip
_SCHEDULES: dict[str, dict[str, Any]] = {
    "soccer": {**_META_WORLD, "reward.epochs": 5},
    "flatten-rope": _ROPE,
    "pass-water": _ROPE,
    "fold-cloth": _CLOTH,
}
