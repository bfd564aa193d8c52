"""The parts of a CoRe run, its phase, and its checkpoint; `algorithm.py` says what they do when."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_jax.methods.base import BaseRun, Context, FitCall
from core_jax.methods.code import read_reward
from core_jax.methods.core.config import CoreConfig
from core_jax.methods.core.formal import FormalRewards
from core_jax.methods.core.residual import COLUMN, RESIDUAL, ResidualReward, residual_source
from core_jax.methods.preferences import make_collector
from core_jax.methods.trials import Trials, trial_steps
from core_jax.methods.written import FORMAL
from core_jax.training.programs import Program
from core_jax.training.train import Train
from core_jax.writing.rewards import WrittenRewards
from core_jax.writing.writer import Candidate, RewardWriter, reward_compiler


class Phase(enum.StrEnum):
    """What the policy is trained on."""

    CHOOSING = "choosing the formal reward"
    FORMAL = "formal reward"
    RESIDUAL = "residual reward"
    BOTH = "formal + residual reward"


class CoreParts(BaseRun):
    """What a run of CoRe consists of.

    Attributes:
        formal: the formal rewards; None without (`--no-frm`).
        collector: the labels.
        residual: the residual reward; None without (`--no-rrm`).
        trials: short trainings of candidates; None unless they choose the formal reward.
        candidates: for the first formal reward, until it is chosen.
    """

    def __init__(self, config: CoreConfig, context: Context, train: Train):
        self.config, self.context, self.train = config, context, train
        self.formal = _formal(config, context) if config.frm else None
        source = residual_source(train) if config.rrm else None
        self.collector = make_collector(context, train, config.feedback, source, config.importance)
        parts = (config, context, train, self.collector, self.formal)
        self.residual = ResidualReward(*parts) if config.rrm else None
        by_trials = config.frm and config.formal.file is None and not config.selects_by_labels
        self.trials = _trials(config, context) if by_trials else None
        self.candidates: list[Candidate] = []

    @property
    def chosen(self) -> bool:
        """Whether the formal reward has been chosen."""
        return self.formal is not None and self.formal.written.current[0] is not None

    @property
    def phase(self) -> str:
        """What the policy is trained on now."""
        if self.formal is None:
            return Phase.RESIDUAL
        if not self.chosen:
            return Phase.CHOOSING
        fitted = self.residual is not None and int(self.collector.labels["fits"]) > 0
        return Phase.BOTH if fitted else Phase.FORMAL

    def programs(self) -> Mapping[str, list[Program]]:
        """The formal reward of each seed; before it is chosen, but once its labels are asked for,
        the first candidate that compiles."""
        if self.formal is None:
            return {}
        current: list[Program] = list(self.formal.written.current)
        if not self.chosen and self.collector.rounds:
            first: Program = next(c.reward for c in self.candidates if c.reward)
            current = [first] * self.context.seeds
        return {FORMAL: current}

    def row(self) -> dict[str, Any]:
        """Labels asked for so far."""
        waited = round(self.collector.labelling.waited, 2)
        return {"labels": self.collector.asked, "label_wait_seconds": waited}

    def summary(self) -> dict[str, Any]:
        """Labels, and the steps spent on trials."""
        steps = self.trials.env_steps if self.trials else 0
        return {"labels": self.collector.asked, "trial_steps": steps}

    def problem(self) -> Exception | None:
        """What stopped the teacher for good."""
        return self.collector.labelling.problem

    def arrays(self) -> dict[str, Any]:
        """The labels."""
        return {"labels": self.collector.labels}

    def state(self) -> dict[str, Any]:
        """Rounds under way, the formal rewards, and how often each reward was right."""
        formal = self.formal.state() if self.formal else None
        residual = self.residual.state() if self.residual else []
        return {"pending": self.collector.state(), "formal": formal, "residual": residual}

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        self.collector.restore(arrays["labels"], state["pending"])
        # Checkpoints of earlier versions have no "residual": its weight was fixed.
        if self.residual is not None and state.get("residual"):
            self.residual.restore(state["residual"])
        if self.formal is not None:
            self.formal.restore(state["formal"])
            if not self.chosen:
                self.candidates = self.formal.first_candidates()

    def fit_call(self) -> FitCall | None:
        """The residual reward's fit to all labels."""
        if self.residual is None:
            return None
        return self.residual.fit_call()

    def close(self) -> None:
        """Stops sending queries; waits for replies on their way, which are paid for."""
        self.collector.labelling.close()


def read_file(path: Path, formal: FormalRewards) -> None:
    """Every seed uses the reward in a file.

    Raises:
        ValueError: it cannot be read or compiled.
    """
    chosen = Candidate(0, read_reward(path, formal.compile))
    for s in range(formal.written.seeds):
        formal.written.select(s, chosen, [chosen], 0, f"Given as {path.name}")


def _formal(config: CoreConfig, context: Context) -> FormalRewards:
    compile_reward = reward_compiler("core", context.env)
    folder = context.folder / "rewards"
    written = WrittenRewards(context.seeds, context.seed, compile_reward, folder, context.title)
    writer = None
    if config.formal.file is None:
        writer = RewardWriter(compile_reward, context.chat_model("core"), config.formal.attempts)
    return FormalRewards(
        config.formal,
        context.env.spec,
        context.training.chunk,
        config.feedback.labels_per_round,
        written,
        writer,
        compile_reward,
    )


def _trials(config: CoreConfig, context: Context) -> Trials:
    steps = trial_steps(config.formal.trial_fraction, context.training)
    width = context.seeds * config.formal.candidates
    path = context.folder / "rewards" / "trials.json"
    return Trials(context, COLUMN, width, steps, path)


__all__ = ["COLUMN", "FORMAL", "RESIDUAL", "CoreParts", "Phase", "read_file"]
