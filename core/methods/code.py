"""A reward of one's own: code in a file (or already compiled) is the whole reward."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from core_jax import envs
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.methods.triggers import Boundary, EachChunk, Trigger
from core_jax.methods.written import COLUMN, FORMAL
from core_jax.reward_models.formal import FormalReward, RewardError, extract_code
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.programs import Program
from core_jax.training.train import Train
from core_jax.writing.rewards import WrittenRewards
from core_jax.writing.writer import Candidate, reward_compiler


@dataclasses.dataclass(frozen=True)
class CodeFile:
    """Where the reward is."""

    file: Path | None = None
    """File with a function `compute_reward(observation, action, target_pos)` that returns the
    reward and a dict of its components."""


@dataclasses.dataclass(frozen=True)
class CodeConfig:
    """A reward of one's own."""

    formal: CodeFile = dataclasses.field(default_factory=CodeFile)


class HasCode(Protocol):
    """Settings with a file of reward code among them."""

    @property
    def formal(self) -> CodeFile: ...


class Code(BaseMethod):
    """The reward in a file."""

    name: ClassVar[str] = "code"
    summary: ClassVar[str] = "reward code of your own (--formal.file)"
    config: ClassVar[type] = CodeConfig

    def check(self, config: CodeConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There is a file."""
        if config.formal.file is None:
            raise ValueError("method code needs --formal.file: the reward to train on")
        check_file(config.formal.file)

    def rewards(self, config: CodeConfig, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """The program column."""
        del config, training, env
        return Rewards({FORMAL: 1.0}, programs=(COLUMN,))

    def start(self, config: CodeConfig, context: Context, train: Train) -> CodeRun:
        """Starts a run."""
        del train
        return CodeRun(config, context)


class CodeRun(BaseRun):
    """A reward of one's own during one run."""

    def __init__(self, config: HasCode, context: Context):
        self._config, self._context = config, context
        compile_reward = reward_compiler("core", context.env)
        folder = context.folder / "rewards"
        self.written = WrittenRewards(
            context.seeds, context.seed, compile_reward, folder, context.title
        )
        self._reward = read_reward(config.formal.file, compile_reward)

    def begin(self) -> None:
        """Every seed uses the reward."""
        chosen = Candidate(0, self._reward)
        reason = f"Given as {self._config.formal.file}"
        for s in range(self._context.seeds):
            self.written.select(s, chosen, [chosen], 0, reason)

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """Statistics are kept at every boundary."""
        return (EachChunk(self.observe),)

    def observe(self, at: Boundary) -> None:
        """Keeps the components' statistics."""
        self.written.observe(at.row, at.row["step_success"])

    def programs(self) -> Mapping[str, list[Program]]:
        """The reward of each seed."""
        return {FORMAL: list(self.written.current)}

    def state(self) -> dict[str, Any]:
        """The reward and its history."""
        return self.written.state()

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        del arrays
        self.written.restore(state)


def check_file(path: Path | None) -> None:
    """Raises a ValueError if a file is named that does not exist."""
    if path is not None and not path.is_file():
        raise ValueError(f"--formal.file {path}: there is no such file")


def read_reward(path: Path | None, compile_reward: Any) -> FormalReward:
    """The reward in a file.

    Args:
        path: a Python file, or a reply with a fenced block.
        compile_reward: source -> program.

    Raises:
        ValueError: it cannot be read or compiled.
    """
    if path is None:
        raise ValueError("no file with a reward was given")
    try:
        return compile_reward(extract_code(path.read_text()))
    except OSError as error:
        raise ValueError(f"--formal.file {path}: {error.strerror}") from error
    except RewardError as error:
        raise ValueError(f"--formal.file {path}: {error}") from error
