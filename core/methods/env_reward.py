"""`Env Dense` and `Env Sparse` in CoRe's table: the benchmark's own reward, no questions asked."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from core_jax import envs
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.reward_models.source import GroundTruth
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.train import Train


@dataclasses.dataclass(frozen=True)
class EnvRewardConfig:
    """No settings."""


class _EnvReward(BaseMethod):
    config: ClassVar[type] = EnvRewardConfig
    source: ClassVar[GroundTruth]

    def rewards(self, config: Any, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """One column of ground truth."""
        del config, training, env
        return Rewards({self.source.column: 1.0}, (self.source,))

    def start(self, config: Any, context: Context, train: Train) -> BaseRun:
        """Nothing happens during the run."""
        del config, context, train
        return BaseRun()


class EnvDense(_EnvReward):
    """The benchmark's hand-written dense reward."""

    name: ClassVar[str] = "env_dense"
    summary: ClassVar[str] = "the benchmark's dense reward"
    source: ClassVar[GroundTruth] = GroundTruth("dense", "dense")


class EnvSparse(_EnvReward):
    """The benchmark's success signal."""

    name: ClassVar[str] = "env_sparse"
    summary: ClassVar[str] = "the benchmark's success signal"
    source: ClassVar[GroundTruth] = GroundTruth("success", "sparse")
