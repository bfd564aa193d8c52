"""What the stages of training need to know, each stage its part alone.

Parts are values: two runs whose parts are equal share a stage's traces and compiled programs
(`core_jax.training.jitted`), whatever else they differ in.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from core_jax import envs
from core_jax.agents.learner import Learner
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.reward_models.source import HostSource, RewardSource, columns_of
from core_jax.training.config import TrainingConfig
from core_jax.training.programs import ProgramColumn
from core_jax.training.watching import WatchedColumn


@dataclasses.dataclass(frozen=True)
class Rewards:
    """Where a run's reward comes from.

    Attributes:
        weights: initial weight of each column that is part of the reward.
        sources: scored on the device, inside jit.
        programs: columns that code fills, one program for each seed.
        hosts: scored outside of the device.
        watched: columns that watch episodes through pictures, one watcher for each seed.
    """

    weights: Mapping[str, float]
    sources: tuple[RewardSource, ...] = ()
    programs: tuple[ProgramColumn, ...] = ()
    hosts: tuple[HostSource, ...] = ()
    watched: tuple[WatchedColumn, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every reward column.

        Raises:
            ValueError: two of them have the same name.
        """
        return columns_of((*self.programs, *self.sources, *self.hosts, *self.watched))


@dataclasses.dataclass(frozen=True)
class Acting:
    """What collecting depends on.

    Attributes:
        env: one world.
        learner: what acts.
        count: worlds side by side.
        rollout: vector steps.
        episode_steps: after which an episode is cut; None for the task's horizon.
        dense_scale: factor of the benchmark's dense reward.
        watched: whether the snapshots before each step are kept.
    """

    env: envs.TaskEnv
    learner: Learner
    count: int
    rollout: int
    episode_steps: int | None
    dense_scale: float
    watched: bool = False

    @functools.cached_property
    def worlds(self) -> TrainingWrapper:
        """The worlds, vectorised with resets."""
        return TrainingWrapper(self.env, self.episode_steps or self.env.spec.horizon, stagger=True)


@dataclasses.dataclass(frozen=True)
class Playing:
    """What an evaluation depends on.

    Attributes:
        env: one world; evaluations are played in its nominal physics.
        learner: whose policy plays.
        episodes: how many.
        dense_scale: factor of the benchmark's dense reward.
    """

    env: envs.TaskEnv
    learner: Learner
    episodes: int
    dense_scale: float


@dataclasses.dataclass(frozen=True)
class Hindsight:
    """What other goals need.

    Attributes:
        spec: of the task.
        sources: of every reward column.
        dense_scale: factor of the benchmark's dense reward.
    """

    spec: envs.TaskSpec
    sources: tuple[RewardSource, ...]
    dense_scale: float


@dataclasses.dataclass(frozen=True)
class Learning:
    """What updates of an off-policy learner depend on.

    Attributes:
        learner: what is updated.
        hindsight: None where goals are not replaced.
    """

    learner: Learner
    hindsight: Hindsight | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that does not change during a run.

    Attributes:
        config: sizes and schedule.
        env: one world.
        learner: what acts and is updated.
        sources: device reward sources.
        columns: every reward column, also those that programs and host sources fill.
        weights: column and initial weight, of those columns that are part of the reward.
        watched: those columns that watch episodes.
    """

    config: TrainingConfig
    env: envs.TaskEnv
    learner: Learner
    sources: tuple[RewardSource, ...]
    columns: tuple[str, ...]
    weights: tuple[tuple[str, float], ...]
    watched: tuple[WatchedColumn, ...] = ()

    @functools.cached_property
    def acting(self) -> Acting:
        """The part of `collect`."""
        c = self.config
        sizes = (c.envs, c.rollout, c.episode_steps, c.dense_scale)
        return Acting(self.env, self.learner, *sizes, watched=bool(self.watched))

    @functools.cached_property
    def playing(self) -> Playing:
        """The part of `evaluate`."""
        config = self.config
        return Playing(self.env, self.learner, config.eval_episodes, config.dense_scale)

    @functools.cached_property
    def learning(self) -> Learning:
        """The part of `learn`."""
        if not getattr(self.learner.config, "hindsight", 0.0):
            return Learning(self.learner)
        replaced = Hindsight(self.env.spec, self.sources, self.config.dense_scale)
        return Learning(self.learner, replaced)
