"""Eureka (Ma et al., ICLR 2024): ask for rewards, train with each, reflect on the best, ask again.

An iteration asks for K candidates, trains those that compile side by side and takes the one with
the highest ground-truth fitness; the next asks for better ones, showing that reward and how its
components moved. The policy is trained with the best reward of all iterations. As in the paper
there is one search for all seeds, and a candidate is trained once.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from core_jax import envs
from core_jax.methods.base import Context
from core_jax.methods.trials import Trials, check_trial, trial_steps
from core_jax.methods.written import COLUMN, WrittenMethod, WrittenRun
from core_jax.prompts import eureka as prompts
from core_jax.prompts.formal import statistics_table
from core_jax.training.config import TrainingConfig
from core_jax.training.train import Train
from core_jax.writing.writer import Candidate, NoReward


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Eureka's search. The paper trains 16 candidates in each of 5 iterations, all as long as the
    final policy."""

    iterations: Annotated[int, Ge(1)] = 2
    """Number of rounds of candidates; from the second on by a reflection on the best."""
    candidates: Annotated[int, Ge(1)] = 8
    """Replies asked for in an iteration, and trained side by side."""
    trial_fraction: Annotated[float, Gt(0), Le(1)] = 0.1
    """Length of a candidate's training, as a part of `steps`."""
    attempts: Annotated[int, Ge(1)] = 3
    """Number of attempts while no reply compiles."""


@dataclasses.dataclass(frozen=True)
class EurekaConfig:
    """Eureka."""

    eureka: SearchConfig = dataclasses.field(default_factory=SearchConfig)


class Eureka(WrittenMethod):
    """Formal reward found by training candidates and reflecting on the best."""

    name: ClassVar[str] = "eureka"
    summary: ClassVar[str] = "formal reward found by training candidates, reflecting on the best"
    config: ClassVar[type] = EurekaConfig

    def prompt_kind(self) -> str:
        """Its own."""
        return "eureka"

    def check(self, config: EurekaConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """A trial is long enough to learn something."""
        del spec
        check_trial("eureka.trial_fraction", config.eureka.trial_fraction, training)

    def parallel_seeds(self, config: EurekaConfig, training: TrainingConfig) -> int:
        """The candidates of an iteration."""
        return max(training.seeds, config.eureka.candidates)

    def start(self, config: EurekaConfig, context: Context, train: Train) -> EurekaRun:
        """Starts a run."""
        del train
        return EurekaRun(config.eureka, context)


class EurekaRun(WrittenRun):
    """Eureka during one run."""

    def __init__(self, config: SearchConfig, context: Context):
        super().__init__(context, "eureka", config.attempts)
        self._config = config
        self._steps = trial_steps(config.trial_fraction, context.training)
        path = context.folder / "rewards" / "trials.json"
        self.trials = Trials(context, COLUMN, config.candidates, self._steps, path)

    def begin(self) -> None:
        """Searches, and takes the best reward for every seed.

        Raises:
            NoReward: the first iteration brought no reward that compiles. A later one ends the
                search.
        """
        context, written, config = self.context, self.written, self._config
        spec, statistics, parent = context.env.spec, None, None
        messages = prompts.initial_messages(spec)
        leaders: list[tuple[float, Candidate, str]] = []  # of each iteration, with its file
        for iteration in range(config.iterations):
            try:
                candidates = self.writer.proposals(messages, config.candidates)
            except NoReward:
                if not leaders:
                    raise
                reason = "No candidate compiles, so the search ends"
                written.record(None, 0, f"iteration {iteration} fails", [], reason=reason)
                context.note(f"  iteration {iteration}: {reason}")
                break
            usable = [(c, r) for c in candidates if (r := c.reward)]
            results = self.trials.run([r for _, r in usable], [context.seed] * len(usable))
            files = {}
            for (c, reward), trial in zip(usable, results, strict=True):
                remark = f"iteration {iteration}, candidate {c.index}: fitness {trial.fitness:.4f}"
                name = f"iteration{iteration}_candidate{c.index:02d}.py"
                files[c.index] = written.history.keep(name, reward.source, remark)
            first = int(np.argmax([t.fitness for t in results]))
            (chosen, reward), trial = usable[first], results[first]
            scores = {str(c.index): round(t.fitness, 4)
                      for (c, _), t in zip(usable, results, strict=True)}  # fmt: skip
            written.record(
                None, 0, f"leads iteration {iteration}", candidates, chosen=chosen.index,
                by="fitness", scores=scores, statistics=statistics, file=files[chosen.index],
                reason=f"Highest fitness of {len(candidates)} candidates", parent=parent,
            )  # fmt: skip
            parent = files[chosen.index]
            leaders.append((trial.fitness, chosen, parent))
            context.note(f"  iteration {iteration}: {parent}, fitness {trial.fitness:.4f}")
            statistics = statistics_table(trial.statistics)
            messages = prompts.feedback_messages(spec, reward.source, self._steps, trial.statistics)
        best, candidate, file = max(leaders, key=lambda leader: leader[0])
        for s in range(context.seeds):
            reason = f"{file} has the highest fitness of all, {best:.4f}"
            written.select(s, candidate, [], 0, reason)
        context.note(f"  the policy is trained with {file}")

    def summary(self) -> dict[str, Any]:
        """Steps spent on trials."""
        return {"trial_steps": self.trials.env_steps}
