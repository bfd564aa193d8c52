"""What methods share whose whole reward is one program written by a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core_jax import envs
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.methods.triggers import Boundary, EachChunk, Trigger
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.programs import Program, ProgramColumn
from core_jax.writing.rewards import WrittenRewards
from core_jax.writing.writer import RewardWriter, reward_compiler

FORMAL = "formal"
# Only CoRe's prompt asks for [-1, 1]; this limit keeps a runaway reward from overflowing the
# critics.
COLUMN = ProgramColumn(FORMAL, limit=100.0)


class WrittenMethod(BaseMethod):
    """One program column is the whole reward."""

    def asks_writer(self, config: Any) -> bool:
        """Yes."""
        del config
        return True

    def rewards(self, config: Any, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """The program column."""
        del config, training, env
        return Rewards({FORMAL: 1.0}, programs=(COLUMN,))


class WrittenRun(BaseRun):
    """The reward is written before training and stays.

    Args:
        context: the run's.
        kind: whose prompts and calling convention: eureka or text2reward.
        attempts: how often a question is repeated while no reply compiles.
    """

    def __init__(self, context: Context, kind: str, attempts: int):
        compile_reward = reward_compiler(kind, context.env)
        self.context = context
        self.written = WrittenRewards(
            context.seeds, context.seed, compile_reward, context.folder / "rewards", context.title
        )
        self.writer = RewardWriter(compile_reward, context.chat_model(kind), attempts)

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """Statistics are kept at every boundary."""
        return (EachChunk(self.observe),)

    def observe(self, at: Boundary) -> None:
        """Keeps the components' statistics."""
        self.written.observe(at.row, [0.0] * self.context.seeds)

    def programs(self) -> Mapping[str, list[Program]]:
        """The program of each seed."""
        return {FORMAL: list(self.written.current)}

    def state(self) -> dict[str, Any]:
        """The rewards and their history."""
        return self.written.state()

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        del arrays
        self.written.restore(state)
