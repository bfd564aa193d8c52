"""CoRe's algorithm (Ni, Lu, Cai; ICML 2026), from the first candidates to refinement.

    ask a language model for candidates of the formal reward F
    choose one, by agreement with a first round of labels or by a short training of each
    train on F; then, round after round:
        ask a teacher which of two clips is better, and for scores of their frames
        fit the residual reward R to all labels; from the first fit on train on (1-a) F + a R
        at some steps ask for a better F, and accept it by its agreement with labels
        after an evaluation roll an accepted F back if training with it got worse

Each line is a trigger below; `formal.py` and `residual.py` have the details.
"""

from __future__ import annotations

import jax
import numpy as np

from core_jax.methods.core.parts import FORMAL, CoreParts, read_file
from core_jax.methods.triggers import (
    AfterEvaluation,
    Arrived,
    At,
    Boundary,
    EachChunk,
    Every,
    OnArrival,
    Trigger,
)


class CoreRun(CoreParts):
    """CoRe during one run."""

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is done when, in this order."""
        config, training, feedback = self.config, self.context.training, self.config.feedback
        first = max(training.random_steps, training.chunk)
        schedule: list[tuple[bool, Trigger]] = [
            (config.frm, EachChunk(self.observe)),
            (config.selects_by_labels, At((first,), self.ask_to_choose)),
            (config.asks, Every(feedback.round_every, self.ask, start=feedback.first_round)),
            (config.asks, EachChunk(self.collect)),
            (config.selects_by_labels, OnArrival(self.choose)),
            (config.rrm, OnArrival(self.fit)),
            (config.refines, At(config.formal.refine_at, self.refine)),
            (config.refines, AfterEvaluation(self.judge)),
        ]
        return tuple(trigger for used, trigger in schedule if used)

    def begin(self) -> None:
        """Asks for candidates; without labels to choose by, chooses one."""
        if self.formal is None:
            return
        if self.config.formal.file is not None:
            read_file(self.config.formal.file, self.formal)
            return
        self.candidates = self.formal.first_candidates()
        if self.trials is not None:
            scores = self.trials.success_of(self.candidates, self.context.seed, self.context.seeds)
            for event in self.formal.select(self.candidates, scores, 0, "gt_score"):
                self.context.note(f"  {event}")

    def observe(self, at: Boundary) -> None:
        """Keeps the statistics that the language model is told about the reward in use."""
        if self.formal is not None:
            zeros = [0.0] * self.context.seeds
            by_success = self.config.formal.select == "gt_score"
            score = at.row["step_success"] if by_success else at.row["rewards"].get("residual")
            self.formal.written.observe(at.row, score or zeros)

    def ask_to_choose(self, at: Boundary) -> None:
        """Asks the first round, whose labels choose among the candidates."""
        if not self.collector.rounds:
            self.collector.ask(at.seeds, at.env_steps, fits=False)
            self.rescore_formal(at)

    def ask(self, at: Boundary) -> None:
        """Asks a round, until all labels are spent."""
        if not self.collector.exhausted:
            self.collector.ask(at.seeds, at.env_steps, fits=self.config.rrm)

    def collect(self, at: Boundary) -> None:
        """Keeps the labels that have arrived."""
        collected = self.collector.collect(at.env_steps)
        at.row.update(collected.row)
        at.events += collected.events
        if collected.answered or collected.fits:
            at.arrived = Arrived(collected.answered, collected.fits)

    def choose(self, at: Boundary) -> None:
        """Each seed takes the candidate that agrees with most of its labels."""
        if self.formal is None or self.chosen or not (at.arrived and at.arrived.answered):
            return
        labels, seeds = self.collector.labels, range(self.context.seeds)
        scores = np.stack([self.formal.agreements(self.candidates, labels, s) for s in seeds])
        at.events += self.formal.select(self.candidates, scores, at.env_steps, "label_agreement")
        self.rescore_formal(at)

    def fit(self, at: Boundary) -> None:
        """Fits the residual reward; its first fit switches it on."""
        if self.residual is None or not (at.arrived and at.arrived.fits):
            return
        if not self.collector.complete:
            return
        at.seeds, metrics = self.residual.fit(at.seeds)
        at.row.update(jax.device_get(metrics))

    def refine(self, at: Boundary) -> None:
        """Asks for a better formal reward; accepts it if labels allow (`formal.accept`)."""
        if self.formal is None or not self.chosen:
            return
        before, labels = list(self.formal.written.current), self.collector.labels
        for s in range(self.context.seeds):
            at.events.append(self.formal.refine(s, labels, at.env_steps))
        if self.formal.written.current != before:
            self.rescore_formal(at)

    def judge(self, at: Boundary) -> None:
        """Rolls refined rewards back if training with them got worse."""
        if self.formal is None or not self.chosen:
            return
        before, labels = list(self.formal.written.current), self.collector.labels
        for s, success in enumerate(at.evaluation["success"]):
            event = self.formal.judge(s, labels, at.env_steps, success)
            at.events += [event] if event else []
        if self.formal.written.current != before:
            self.rescore_formal(at)

    def rescore_formal(self, at: Boundary) -> None:
        """Scores all of replay with the formal rewards in use."""
        at.seeds = self.train.rescore_programs(at.seeds, FORMAL, self.programs()[FORMAL])
