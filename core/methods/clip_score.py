"""CLIP score: the reward is how well the picture fits the caption of the task when it is done.

r = 2 cos(picture, caption) - 1, with a frozen image-text model (the baseline of RL-VLM-F, Wang et
al. 2024, and of CoRe's table; Rocamonde et al. 2024 study such rewards). Nothing is learned but the
policy, and nobody is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from core_jax import envs
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.prompts.captions import goal_caption
from core_jax.training.config import TrainingConfig
from core_jax.training.embedding import (
    CaptionScore,
    EmbeddingConfig,
    check_embedding,
    make_embedder,
)
from core_jax.training.plan import Rewards
from core_jax.training.train import Train

COLUMN = "clip_score"


@dataclasses.dataclass(frozen=True)
class ClipScoreConfig:
    """CLIP score."""

    clip: EmbeddingConfig = dataclasses.field(default_factory=EmbeddingConfig)


class ClipScore(BaseMethod):
    """Reward from the similarity of picture and caption."""

    name: ClassVar[str] = "clip_score"
    summary: ClassVar[str] = "similarity of the picture and a caption of the finished task"
    config: ClassVar[type] = ClipScoreConfig

    def presets(self, config: ClipScoreConfig, task: str) -> Mapping[str, Any]:
        """Every step of SoftGym's short episodes is looked at."""
        return {"clip.every": 1} if task in envs.names("softgym") else {}

    def check(self, config: ClipScoreConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There are weights, and pictures."""
        check_embedding(config.clip, spec)
        if training.rollout % config.clip.every:
            raise ValueError(
                f"clip.every ({config.clip.every}) must divide rollout ({training.rollout})"
            )

    def rewards(
        self, config: ClipScoreConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> Rewards:
        """The score alone."""
        embedder = make_embedder(env, config.clip)
        caption = config.clip.caption or goal_caption(env.spec.name, env.spec.instruction)
        score = CaptionScore(COLUMN, embedder, embedder.caption(caption), config.clip.every)
        return Rewards({COLUMN: 1.0}, hosts=(score,))

    def start(self, config: ClipScoreConfig, context: Context, train: Train) -> ClipScoreRun:
        """Starts a run."""
        caption = config.clip.caption or goal_caption(
            context.env.spec.name, context.env.spec.instruction
        )
        return ClipScoreRun(embedding_name(train), caption)


class ClipScoreRun(BaseRun):
    """CLIP score during one run."""

    def __init__(self, model: str, caption: str):
        self._model, self._caption = model, caption

    def summary(self) -> dict[str, Any]:
        """Which model compared the pictures with what."""
        return {"embedding": self._model, "caption": self._caption}


def embedding_name(train: Train) -> str:
    """Name of the image-text model in use."""
    [score] = [h for h in train.rewards.hosts if isinstance(h, CaptionScore)]
    return score.embedder.model.name
