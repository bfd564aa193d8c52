"""CoRe's formal reward: candidates, their agreement with labels, refinement, rollback.

Each seed has its own labels and so its own reward and history.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.feedback.collector import Labels
from core_jax.methods.core import rollback
from core_jax.methods.core.config import FormalConfig
from core_jax.prompts import formal as prompts
from core_jax.reward_models.formal import FormalReward
from core_jax.training.programs import batch_function, values_at_once
from core_jax.writing.rewards import WrittenRewards, shown_scores
from core_jax.writing.writer import Candidate, RewardWriter

_ONE_SIDED_5_PERCENT = 1.645  # standard deviations


class FormalRewards:
    """The formal reward of each seed.

    Args:
        config: how it is found and refined.
        spec: the task's.
        chunk: environment steps of one row of statistics.
        least_labels: a rollback by labels needs at least this many newer ones.
        written: the rewards in use and their history.
        writer: asks the language model; None if the reward was given as a file.
        compile: source -> program.
    """

    def __init__(
        self,
        config: FormalConfig,
        spec: envs.TaskSpec,
        chunk: int,
        least_labels: int,
        written: WrittenRewards,
        writer: RewardWriter | None,
        compile: Callable[[str], FormalReward],
    ):
        self._config, self._spec, self._chunk, self._least = config, spec, chunk, least_labels
        self.written, self._writer, self.compile = written, writer, compile
        self._watch = [rollback.Watch() for _ in range(written.seeds)]

    @property
    def writer(self) -> RewardWriter:
        """Who is asked for rewards."""
        if self._writer is None:
            raise ValueError("the formal reward was given as a file: nobody is asked for others")
        return self._writer

    def first_candidates(self) -> list[Candidate]:
        """Candidates for the first reward, refused ones included."""
        messages = prompts.initial_messages(self._spec)
        return self.writer.proposals(messages, self._config.candidates)

    def select(
        self, candidates: Sequence[Candidate], scores: np.ndarray, env_steps: int, by: str
    ) -> list[str]:
        """Each seed takes its best candidate, the first of equals.

        Args:
            candidates: K of them.
            scores: [S, K], -inf for a candidate that was refused.
            env_steps: now.
            by: what the scores are, for the record.
        """
        events = []
        for s in range(self.written.seeds):
            best = candidates[int(np.argmax(scores[s]))]
            reason = f"Highest {by} of {len(candidates)} candidates"
            shown = shown_scores(candidates, scores[s])
            self.written.select(s, best, candidates, env_steps, reason, scores=shown, by=by)
            name, score = self.written.seed(s), shown[str(best.index)]
            events.append(f"seed {name}: candidate {best.index} selected, {by} {score}")
        return events

    def agreements(self, candidates: Sequence[Candidate], labels: Labels, s: int) -> np.ndarray:
        """Agreement of each candidate with seed s's labels [K], -inf where it was refused."""
        return np.array([_share(right) for right in self._right(candidates, labels, s)])

    def agreement(self, reward: FormalReward, labels: Labels, s: int, first: int = 0) -> float:
        """Part of seed s's decided labels, from the `first` on, on which the summed reward prefers
        the same clip."""
        return _share(_right(self._values(reward, labels, s), labels, s, first))

    def returns(self, labels: Labels, s: int, limit: float) -> np.ndarray:
        """Each clip's summed reward by seed s's formal reward [M, 2]; a step's is clipped to
        [-limit, limit]."""
        values = self._values(self.written.reward(s), labels, s)
        return np.clip(values, -limit, limit).sum(-1)

    def refine(self, s: int, labels: Labels, env_steps: int) -> str:
        """Looks for a reward that agrees with more labels than seed s's; returns what happened."""
        config, written, parent = self._config, self.written, self.written.reward(s)
        file, statistics = written.files[s], written.statistics[s]
        [mine] = self._right([Candidate(0, parent)], labels, s)
        before = _share(mine)
        since = len(next(iter(statistics.values()), ())) * self._chunk
        messages = prompts.feedback_messages(self._spec, parent.source, since, statistics)
        shared = {"before": before, "by": "agreement", "parent": file,
                  "statistics": prompts.statistics_table(statistics)}  # fmt: skip
        seen: list[Candidate] = []
        right: list[np.ndarray | None] = []
        scores = np.zeros(0)
        for attempt in range(config.attempts):
            candidates = self.writer.propose(messages, config.candidates, attempt, seen)
            if not candidates:
                break
            candidates = [self._unless_known(c, s) for c in candidates]
            seen += candidates
            right += self._right(candidates, labels, s)
            scores = np.array([_share(one) for one in right])
            best = int(np.argmax(scores))
            if self._is_accepted(mine, right[best]):
                more = {**shared, "scores": shown_scores(seen, scores)}
                return self._accept(s, seen, best, float(scores[best]), labels, env_steps, more)
        enough = "more" if config.accept == "better" else "no significantly fewer"
        reason = f"None of {len(seen)} candidates agrees with {enough} than {before:.1%} of labels"
        written.record(s, env_steps, "kept", seen, **shared, reason=reason,
                       scores=shown_scores(seen, scores))  # fmt: skip
        return f"seed {written.seed(s)}: formal reward kept. {reason}"

    def judge(self, s: int, labels: Labels, env_steps: int, success: float) -> str | None:
        """After an evaluation: rolls seed s's refined reward back if it made things worse.

        Args:
            s: place on the seed axis.
            labels: all so far.
            env_steps: now.
            success: of the evaluation; read under `gt_score` alone.

        Returns:
            What happened; None if nothing did.
        """
        config, written = self._config, self.written
        by_success = config.select == "gt_score"
        success = success if by_success else 0.0
        self._watch[s], ended = rollback.evaluated(self._watch[s], env_steps, success)
        if ended is None:
            return None
        parent, refined, margin = (
            self.compile(ended.parent),
            written.reward(s),
            config.rollback_margin,
        )
        if by_success:
            reason = rollback.success_verdict(ended.before, self._watch[s].best, margin)
        else:
            before, since = (self.agreement(r, labels, s, ended.labels) for r in (parent, refined))
            newer = int(labels["count"][s]) - ended.labels
            reason = rollback.agreement_verdict(before, since, newer, self._least, margin)
        if reason is None:
            return None
        file = written.files[s]
        written.use(s, parent, env_steps, f"the reward of {ended.file} again: {reason}")
        self._watch[s] = rollback.rolled_back(self._watch[s], refined.source, ended)
        written.record(s, env_steps, "rolled back", [], reason=reason, parent=file,
                       file=written.files[s])  # fmt: skip
        return f"seed {written.seed(s)}: formal reward rolled back. {reason}"

    def state(self) -> dict[str, Any]:
        """JSON-able, for a checkpoint."""
        watch = [dataclasses.asdict(watch) for watch in self._watch]
        return {**self.written.state(), "watch": watch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint's state."""
        self.written.restore(state)
        self._watch = [rollback.from_json(watch) for watch in state["watch"]]

    def _accept(
        self, s: int, seen: list[Candidate], best: int, agreement: float, labels: Labels,
        env_steps: int, more: dict[str, Any],
    ) -> str:  # fmt: skip
        written, chosen, parent = self.written, seen[best], self.written.reward(s)
        file, reward = written.files[s], chosen.reward
        assert reward is not None and file is not None
        reason = (
            f"Agrees with {agreement:.1%} of labels, the previous one with {more['before']:.1%}"
        )
        written.use(s, reward, env_steps, f"refinement {chosen.index}: {reason}")
        count = int(labels["count"][s])
        self._watch[s] = rollback.accepted(self._watch[s], parent.source, file, env_steps, count)
        written.record(s, env_steps, "accepted", seen, **more, file=written.files[s],
                       chosen=chosen.index, agreement=agreement, reason=reason)  # fmt: skip
        return f"seed {written.seed(s)}: formal reward {chosen.index} accepted. {reason}"

    def _values(self, reward: FormalReward, labels: Labels, s: int) -> np.ndarray:
        """A reward of every step of seed s's labels [M, 2, H]."""
        value, _ = batch_function(reward, self._spec.formal_view)(*_inputs(labels, s))
        return np.asarray(value)

    def _right(
        self, candidates: Sequence[Candidate], labels: Labels, s: int
    ) -> list[np.ndarray | None]:
        """For each candidate, on which of seed s's decided labels it prefers the same clip; None
        where it was refused."""
        found: list[np.ndarray | None] = [None] * len(candidates)
        compiled = [i for i, c in enumerate(candidates) if c.reward]
        if compiled:
            programs = [r for c in candidates if (r := c.reward)]
            values = values_at_once(programs, self._spec.formal_view, _inputs(labels, s))
            for i, value in zip(compiled, np.asarray(values), strict=True):
                found[i] = _right(value, labels, s)
        return found

    def _is_accepted(self, mine: np.ndarray | None, other: np.ndarray | None) -> bool:
        """Whether a refined reward, right on `other`, takes the place of one right on `mine`."""
        if mine is None or other is None:
            return False
        lost, won = int(np.sum(mine & ~other)), int(np.sum(other & ~mine))
        if self._config.accept == "better":
            return won > lost
        return lost - won <= _ONE_SIDED_5_PERCENT * np.sqrt(lost + won)

    def _unless_known(self, candidate: Candidate, s: int) -> Candidate:
        """The candidate, refused if this seed uses it or has rolled it back before."""
        if candidate.reward and candidate.reward == self.written.reward(s):
            return Candidate(candidate.index, None, "is in use already")
        if candidate.reward and candidate.reward.source in self._watch[s].rolled_back:
            return Candidate(candidate.index, None, "was rolled back before")
        return candidate


def _inputs(labels: Labels, s: int) -> tuple[Any, ...]:
    """What rewards are evaluated on, of every label of seed s [M, 2, H, ...]."""
    return tuple(jnp.asarray(labels[k][s]) for k in ("next_obs", "action", "target"))


def _right(value: np.ndarray, labels: Labels, s: int, first: int = 0) -> np.ndarray:
    """For each decided label of seed s, from the `first` on, whether its clip with the larger sum
    of values [M, 2, H] is the preferred one."""
    given = slice(first, labels["count"][s])
    total = value.astype(np.float64).sum(-1)[given]
    preference = labels["preference"][s, given]
    return ((total[:, 1] > total[:, 0]) == (preference > 0.5))[preference != 0.5]


def _share(right: np.ndarray | None) -> float:
    """The part of labels that a reward is right on; -inf for a refused one, 0 without labels."""
    if right is None:
        return -np.inf
    return float(right.mean()) if right.size else 0.0
