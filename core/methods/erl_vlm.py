"""ERL-VLM (Luu et al., ICML 2025): a reward learned from ratings of single pictures.

The loop is PEBBLE's (`exploration`). In each round a vision-language model gives each of 50
pictures one of a few classes, such as bad, average, good; R is fitted to all ratings by
`core_jax.reward_models.rating`: class boundaries from the shares of the classes in a batch, mean
absolute error, rarer classes weighted up, batches with their share of each class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from core_jax import envs
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.single_collector import RatingCollector, empty_ratings, single_sampler
from core_jax.methods.base import Context
from core_jax.methods.exploration import ExploringMethod, ExploringRun
from core_jax.methods.preferences import collector_setup
from core_jax.prompts.preference import RATINGS
from core_jax.reward_models.rating import RatingConfig, Ratings, make_rating
from core_jax.training.config import TrainingConfig
from core_jax.training.reward_input import (
    InputKind,
    NetworkSource,
    PixelConfig,
    make_input,
    pixel_fit,
)
from core_jax.training.train import Train


@dataclasses.dataclass(frozen=True)
class ERLVLMConfig:
    """ERL-VLM."""

    reward_input: InputKind = "pixels"
    """What the reward reads: the picture (the paper), or what it shows, as numbers."""
    classes: Annotated[int, Ge(min(RATINGS)), Le(max(RATINGS))] = 3
    """Number of classes of a rating."""
    released_code: bool = False
    """Do as the released code where results depend on it: a question without a usable answer counts
    as the lowest class; a lowest class that is absent from a batch takes up all rewards; a batch
    without every class counts less."""
    unsupervised_steps: Annotated[int, Ge(0)] = 9_000
    """Environment steps of exploration by state entropy, after the random ones."""
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    reward: RatingConfig = dataclasses.field(default_factory=RatingConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)


class ERLVLM(ExploringMethod):
    """Reward from ratings of single pictures."""

    name: ClassVar[str] = "erl_vlm"
    summary: ClassVar[str] = "reward learned from ratings of single pictures"
    config: ClassVar[type] = ERLVLMConfig
    column: ClassVar[str] = "rating"

    def presets(self, config: ERLVLMConfig, task: str) -> Mapping[str, Any]:
        """The released schedules: 50 ratings every 5,000 steps on Meta-World."""
        pixels = pixel_fit("reward", 1) if config.reward_input == "pixels" else {}
        return {**_PICTURES, **pixels, **_SCHEDULES.get(task, _META_WORLD)}

    def unused(self, config: ERLVLMConfig) -> Mapping[str, str]:
        """What is for preferences only."""
        pairs = "ratings are asked for, not preferences"
        names = ("feedback.pairs", "feedback.denoise", "feedback.rime", "reward.importance_weight")
        teachers = (
            "vlm.question", "vlm.ratings", "vlm.both_orders", "vlm.shuffle", "scripted.equal",
            "scripted.gamma", "scripted.order_bias", "scripted.both_orders",
        )  # fmt: skip
        return {**super().unused(config), **dict.fromkeys((*names, *teachers), pairs)}

    def learned_source(
        self, config: ERLVLMConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> NetworkSource:
        """The reward that is learned from ratings."""
        batch, hidden = training.render_batch, config.reward.hidden
        frames = make_input(config.reward_input, env, config.pixels, hidden, batch)
        model = make_rating(config.reward, config.classes, frames.network, config.released_code)
        return NetworkSource(self.column, model, frames, batch)

    def collector(self, config: ERLVLMConfig, context: Context, train: Train) -> RatingCollector:
        """Asks for ratings of clips."""
        sampler = single_sampler(config.feedback, context.training.envs)
        return RatingCollector(
            collector_setup(context, config.feedback),
            config.classes,
            config.released_code,
            train.env,
            train.over_seeds(sampler, "clips"),
            context.labelling(config.feedback.frames_shown),
            context.store,
        )

    def empty_arrays(
        self, config: ERLVLMConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """Room for the ratings."""
        return {"labels": empty_ratings(training.seeds, config.feedback, env)}

    def start(self, config: ERLVLMConfig, context: Context, train: Train) -> ERLVLMRun:
        """Starts a run."""
        collector = self.collector(config, context, train)
        return ERLVLMRun(config, self.weights(config), context, train, collector)


class ERLVLMRun(ExploringRun):
    """ERL-VLM during one run."""

    def labels_to_fit(self) -> Ratings:
        """All ratings."""
        assert isinstance(self.collector, RatingCollector)
        return self.collector.ratings()


# A rating is about how near the task is to being done, which is what progress says; the dense
# reward of some tasks has no fixed range that could be cut into classes.
_PICTURES = {"random_steps": 1_000, "feedback.clip_length": 1, "feedback.frames_shown": 1,
             "scripted.judge": "progress"}  # fmt: skip
_META_WORLD = {"feedback.labels": 10_000, "feedback.labels_per_round": 50,
               "feedback.round_every": 5_000, "reward.epochs": 10}  # fmt: skip
_ROPE = {"feedback.labels": 900, "feedback.labels_per_round": 50, "feedback.round_every": 5_000,
         "pixels.every": 1, "reward.epochs": 30}  # fmt: skip
_CLOTH = {"feedback.labels": 750, "feedback.labels_per_round": 50, "feedback.round_every": 1_000,
          "pixels.every": 1, "reward.epochs": 25, "unsupervised_steps": 300,
          "random_steps": 300}  # fmt: skip
_SCHEDULES: dict[str, dict[str, Any]] = {
    "soccer": {**_META_WORLD, "classes": 2},
    "sweep-into": {**_META_WORLD, "classes": 2},
    "flatten-rope": _ROPE,
    "pass-water": _ROPE,
    "fold-cloth": _CLOTH,
}
