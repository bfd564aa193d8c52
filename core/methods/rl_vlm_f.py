"""RL-VLM-F (Wang et al., ICML 2024): a reward learned from preferences between single pictures.

explore by state entropy, an intrinsic reward (PEBBLE's unsupervised phase, Lee et al. 2021)
then, round after round: ask which of two pictures is nearer to the goal, in two stages (the
pictures are described, then compared by the description alone); drop "cannot tell"; fit R to
all labels and relabel replay; from the first fit on train on R alone, with fresh critics
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from core_jax import envs
from core_jax.feedback.config import FeedbackConfig
from core_jax.methods.base import Context
from core_jax.methods.preferences import (
    LearnedReward,
    PreferenceMethod,
    PreferenceRun,
    make_collector,
    rescore_every,
)
from core_jax.methods.triggers import Boundary, EachChunk, Every, OnArrival, Trigger
from core_jax.reward_models.entropy import StateEntropy
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.training.config import TrainingConfig
from core_jax.training.reward_input import InputKind, NetworkSource, PixelConfig, pixel_fit
from core_jax.training.state import SeedState
from core_jax.training.train import Rewards, Train

REWARD, ENTROPY = "preference", "entropy"


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


class RLVLMF(PreferenceMethod):
    """Reward from preferences between single pictures."""

    name: ClassVar[str] = "rl_vlm_f"
    summary: ClassVar[str] = "reward learned from preferences between single pictures"
    config: ClassVar[type] = RLVLMFConfig
    column: ClassVar[str] = REWARD

    def presets(self, config: RLVLMFConfig, task: str) -> Mapping[str, Any]:
        """The released schedules: 40 pairs every 4,000 steps on Meta-World."""
        pixels = pixel_fit("reward", 1) if config.reward_input == "pixels" else {}
        return {**_PICTURES, **pixels, **_SCHEDULES.get(task, _META_WORLD)}

    def unused(self, config: RLVLMFConfig) -> Mapping[str, str]:
        """No scores are asked for, and the first round has its own rule."""
        return {
            **super().unused(config),
            "feedback.first_round": "the first round follows --unsupervised-steps",
            "reward.importance_weight": "no scores are asked for",
        }

    def rewards(self, config: RLVLMFConfig, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """State entropy, then the learned reward alone."""
        rows = -(-(config.unsupervised_steps + training.random_steps) // training.envs)
        entropy = StateEntropy(ENTROPY, window=max(1, rows))
        learned = self.learned_source(config, training, env)
        return Rewards({ENTROPY: 1.0, REWARD: 0.0}, (learned, entropy))

    def start(self, config: RLVLMFConfig, context: Context, train: Train) -> RLVLMFRun:
        """Starts a run."""
        return RLVLMFRun(config, context, train)


class RLVLMFRun(PreferenceRun):
    """RL-VLM-F during one run."""

    def __init__(self, config: RLVLMFConfig, context: Context, train: Train):
        learned, entropy = train.plan.sources
        assert isinstance(learned, NetworkSource) and isinstance(entropy, StateEntropy)
        weights = {ENTROPY: 0.0, REWARD: 1.0}
        updates, every = config.feedback.critic_updates, rescore_every(config)
        reward = LearnedReward(train, learned, context.seed, weights, updates, every)
        collector = make_collector(context, train, config.feedback, learned, importance=False)
        super().__init__(context, collector, reward)
        self._config, self._train, self._entropy = config, train, entropy
        self._normalise = train.over_seeds(self._normalise_one, "normalise", donate=True)

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is done when, in this order."""
        first = self.context.training.random_steps + self._config.unsupervised_steps
        return (
            EachChunk(self.explore),
            Every(self._config.feedback.round_every, self.ask, start=first),
            EachChunk(self.collect),
            OnArrival(self.fit),
        )

    @property
    def phase(self) -> str:
        """What the policy is trained on now."""
        return "learned reward" if self.fitted else "state entropy"

    def explore(self, at: Boundary) -> None:
        """Scores the states seen so far by each other."""
        if not self.fitted:
            at.seeds = self._train.rescore(self._normalise(at.seeds), ENTROPY)

    def _normalise_one(self, seed: SeedState) -> SeedState:
        scale = self._entropy.scale(seed.replay)
        return seed.replace(sources={**seed.sources, ENTROPY: scale})


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
