"""VLM-AR3L (2026): an absolute and a relative reward, both learned from the same preferences
between single pictures.

The loop is PEBBLE's (`exploration`), the questions and the absolute reward are RL-VLM-F's. The
relative reward is a classifier of two pictures (`core_jax.reward_models.relative`): each picture
is compared with the one 16 steps before, in both orders, and gives +1 or -1 only where both answers
agree. The reward is half the sum of the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from core_jax import envs
from core_jax.feedback.config import FeedbackConfig
from core_jax.methods.exploration import ExploringMethod
from core_jax.methods.learned_reward import FittedSource
from core_jax.methods.rl_vlm_f import picture_presets
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.reward_models.relative import RelativeConfig, make_relative
from core_jax.training.config import TrainingConfig
from core_jax.training.relative_source import RelativeSource
from core_jax.training.reward_input import InputKind, PixelConfig, make_input, pixel_fit

ABSOLUTE, RELATIVE = "absolute", "relative"


@dataclasses.dataclass(frozen=True)
class VLMAR3LConfig:
    """VLM-AR3L."""

    reward_input: InputKind = "pixels"
    """What both rewards read: the picture (the paper), or what it shows, as numbers."""
    relative_weight: Annotated[float, Ge(0), Le(1)] = 0.5
    """Weight of the relative reward; the absolute one has the rest."""
    unsupervised_steps: Annotated[int, Ge(0)] = 9_000
    """Environment steps of exploration by state entropy, after the random ones."""
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    reward: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    relative: RelativeConfig = dataclasses.field(default_factory=RelativeConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)


class VLMAR3L(ExploringMethod):
    """Absolute and relative reward from preferences between single pictures."""

    name: ClassVar[str] = "vlm_ar3l"
    summary: ClassVar[str] = "absolute and relative reward from preferences between pictures"
    config: ClassVar[type] = VLMAR3LConfig
    column: ClassVar[str] = ABSOLUTE

    def presets(self, config: VLMAR3LConfig, task: str) -> Mapping[str, Any]:
        """RL-VLM-F's schedules, for both rewards."""
        found = picture_presets(config.reward_input, task)
        relative = pixel_fit("relative", 1) if config.reward_input == "pixels" else {}
        both = {f"relative.{name}": found[f"reward.{name}"] for name in ("epochs", "batch_size")}
        return {**found, **relative, **both, "scripted.judge": "progress"}

    def unused(self, config: VLMAR3LConfig) -> Mapping[str, str]:
        """Hidden layers of what reads pictures."""
        found = super().unused(config)
        if config.reward_input == "pixels":
            found = {**found, "relative.hidden": "--reward-input pixels: the network is a CNN"}
        return found

    def learned_sources(
        self, config: VLMAR3LConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> tuple[FittedSource, ...]:
        """The absolute and the relative reward."""
        own, batch = config.relative, training.render_batch
        frames = make_input(
            config.reward_input, env, config.pixels, own.hidden, batch, own.embedding
        )
        model = make_relative(own, frames.network, config.feedback.label_filter)
        relative = RelativeSource(RELATIVE, own, model, frames, batch)
        return self.learned_source(config, training, env), relative

    def weights(self, config: VLMAR3LConfig) -> dict[str, float]:
        """The two parts of the reward."""
        return {ABSOLUTE: 1.0 - config.relative_weight, RELATIVE: config.relative_weight}
