"""The formal reward module: propose, select, refine, take back (CoRe, section on the FRM).

The first reward is chosen among candidates, by agreement with a first round of labels or, as the
paper does, by ground-truth success after a short training of each, all side by side. Later a
candidate replaces the reward in use only if it agrees with strictly more of all labels so far, and
goes again if what is learned with it gets worse (`core/rollback.py`). Each seed has its own labels
and so its own reward and history.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.envs import TaskEnv
from core_jax.methods.core import rollback
from core_jax.models.base import ChatModel
from core_jax.prompts import formal as prompts
from core_jax.reward_models.formal import FormalReward
from core_jax.runs.config import Config
from core_jax.training.rewards import batch_function, values_at_once
from core_jax.writing.history import RewardBook
from core_jax.writing.writer import Author, Candidate


class FormalModule:
    """The formal reward of each seed, its history, and the model that writes new ones."""

    def __init__(self, config: Config, env: TaskEnv, model: ChatModel, folder: Path):
        self._config, self._spec = config, env.spec
        self.author = Author(config, env, model)
        self.book = RewardBook(folder, f"{config.method} on {config.task} ({config.protocol})")
        self.current: list[FormalReward | None] = [None] * config.seeds
        # Per seed, since its reward was last accepted: name -> one value per chunk.
        self.statistics: list[dict[str, list[float]]] = [{} for _ in range(config.seeds)]
        self._files: list[str | None] = [None] * config.seeds  # what `current` is called
        self._watch = [rollback.Watch() for _ in range(config.seeds)]

    @property
    def history(self) -> list[dict[str, Any]]:
        """The entries of `history.json`."""
        return self.book.entries

    def first_candidates(self) -> list[Candidate]:
        """Candidates for the first reward."""
        messages = prompts.initial_messages(self._spec)
        return self.author.proposals(messages, self._config.formal.candidates)

    def select(
        self, candidates: Sequence[Candidate], scores: np.ndarray, env_steps: int, by: str
    ) -> list[str]:
        """Each seed takes its best candidate, the first of equals.

        Args:
            scores: [S, K], -inf for a candidate that was refused.
            by: what the scores are, for the record.
        """
        events = []
        for s in range(self._config.seeds):
            best = candidates[int(np.argmax(scores[s]))]
            reason = f"Highest {by} of {len(candidates)} candidates"
            shown = _shown(candidates, scores[s])
            self.take(s, best, candidates, env_steps, reason, scores=shown, by=by)
            score = shown[str(best.index)]
            events.append(f"seed {self._seed(s)}: candidate {best.index} selected, {by} {score}")
        return events

    def refine(self, labels: dict[str, np.ndarray], env_steps: int) -> list[str]:
        """Looks for a better reward for each seed; the reward in use stays unless one is found.

        Args:
            labels: as kept by the residual module.
        """
        return [self._refine(s, labels, env_steps) for s in range(self._config.seeds)]

    def judge(
        self, labels: dict[str, np.ndarray], env_steps: int, success: Sequence[float]
    ) -> list[str]:
        """After an evaluation: takes back refined rewards that made things worse.

        Args:
            labels: as kept by the residual module.
            success: of the evaluation, per seed; read under `gt_score` alone.
        """
        truth = self._config.formal.select == "gt_score"
        seen = success if truth else [0.0] * self._config.seeds
        events = [self._judge(s, labels, env_steps, seen[s]) for s in range(self._config.seeds)]
        return [event for event in events if event]

    def agreements(
        self, candidates: Sequence[Candidate], labels: dict[str, np.ndarray], s: int
    ) -> np.ndarray:
        """Agreement of each candidate with seed s's labels [K], -inf where it was refused."""
        scores = np.full(len(candidates), -np.inf)
        compiled = [i for i, c in enumerate(candidates) if c.reward]
        if compiled:
            rewards = [candidates[i].reward for i in compiled]
            values = values_at_once(rewards, self._spec.formal_view, _inputs(labels, s))
            scores[compiled] = [_agreement(value, labels, s) for value in np.asarray(values)]
        return scores

    def agreement(
        self, reward: FormalReward, labels: dict[str, np.ndarray], s: int, first: int = 0
    ) -> float:
        """Part of seed s's decided labels, from the `first` on, on which the summed reward prefers
        the same clip."""
        value, _ = batch_function(reward, self._spec.formal_view)(*_inputs(labels, s))
        return _agreement(np.asarray(value), labels, s, first)

    def observe(self, row: dict[str, Any]) -> None:
        """Adds a chunk's component means (and the score beside them) to the statistics."""
        score = "step_success" if self._config.formal.select == "gt_score" else "residual"
        for s, means in enumerate(row["components"]):
            series = self.statistics[s]
            for name, value in {"score": row[score][s], **means}.items():
                if name != "nonfinite":
                    series.setdefault(name, []).append(float(value))

    def take(
        self, s: int, chosen: Candidate, candidates: Sequence[Candidate], env_steps: int,
        reason: str, **more: Any,
    ) -> None:  # fmt: skip
        """Seed s begins with a candidate.

        Args:
            candidates: among which it was chosen, for the record.
            more: for the record, as in `RewardBook.record`.
        """
        self._use(s, chosen.reward, env_steps, f"candidate {chosen.index}: {reason}")
        self.record(s, env_steps, "selected", candidates, chosen=chosen.index, reason=reason,
                    file=self._files[s], **more)  # fmt: skip

    def record(
        self, s: int | None, env_steps: int, event: str, candidates: Sequence[Candidate],
        **more: Any,
    ) -> None:  # fmt: skip
        """Adds to the history what happened to seed s, or to all seeds (None)."""
        refused = {str(c.index): c.problem for c in candidates if c.reward is None}
        seed = None if s is None else self._seed(s)
        self.book.record(seed, env_steps, event, **more, refused=refused)

    def state(self) -> dict[str, Any]:
        """JSON-able, for a checkpoint."""
        return {
            "current": [r.source if r else None for r in self.current],
            "history": self.history,
            "statistics": self.statistics,
            "files": self._files,
            "watch": [dataclasses.asdict(watch) for watch in self._watch],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over a checkpoint's state and rewrites the rewards folder from it."""
        self.current = [self.author.compile(s) if s else None for s in state["current"]]
        self.statistics, self._files = state["statistics"], state["files"]
        self._watch = [rollback.from_json(watch) for watch in state["watch"]]
        self.book.restore(state["history"])

    def _refine(self, s: int, labels: dict[str, np.ndarray], env_steps: int) -> str:
        config, parent, file = self._config.formal, self.current[s], self._files[s]
        held, told = self.agreement(parent, labels, s), self.statistics[s]
        since = len(next(iter(told.values()), ())) * self._config.chunk
        messages = prompts.feedback_messages(self._spec, parent.source, since, told)
        shared = {"before": held, "by": "agreement", "parent": file,
                  "statistics": prompts.statistics_table(told)}  # fmt: skip
        seen: list[Candidate] = []
        scores = np.zeros(0)
        for attempt in range(config.attempts):
            candidates = self.author.propose(messages, config.candidates, attempt, seen)
            if not candidates:
                break
            candidates = [self._untried(c, s) for c in candidates]
            seen += candidates
            scores = np.append(scores, self.agreements(candidates, labels, s))
            best = int(np.argmax(scores))
            if scores[best] > held:
                chosen, agreement = seen[best], float(scores[best])
                reason = f"Agrees with {agreement:.1%} of labels, the one before {held:.1%}"
                self._use(s, chosen.reward, env_steps, f"refinement {chosen.index}: {reason}")
                count = int(labels["count"][s])
                self._watch[s] = rollback.accepted(
                    self._watch[s], parent.source, file, env_steps, count
                )
                self.record(s, env_steps, "accepted", seen, **shared, file=self._files[s],
                             chosen=chosen.index, agreement=agreement, reason=reason,
                             scores=_shown(seen, scores))  # fmt: skip
                return f"seed {self._seed(s)}: formal reward {chosen.index} accepted. {reason}"
        reason = f"None of {len(seen)} candidates agrees with more than {held:.1%} of labels"
        self.record(s, env_steps, "kept", seen, **shared, reason=reason,
                     scores=_shown(seen, scores))  # fmt: skip
        return f"seed {self._seed(s)}: formal reward kept. {reason}"

    def _judge(
        self, s: int, labels: dict[str, np.ndarray], env_steps: int, success: float
    ) -> str | None:
        config = self._config
        self._watch[s], ended = rollback.evaluated(self._watch[s], env_steps, success)
        if ended is None:
            return None
        parent, margin = self.author.compile(ended.parent), config.formal.rollback_margin
        if config.formal.select == "gt_score":
            reason = rollback.success_verdict(ended.before, self._watch[s].best, margin)
        else:
            both = [self.agreement(r, labels, s, ended.labels) for r in (parent, self.current[s])]
            newer, least = int(labels["count"][s]) - ended.labels, config.feedback.labels_per_round
            reason = rollback.agreement_verdict(*both, newer, least, margin)
        if reason is None:
            return None
        refined, file = self.current[s].source, self._files[s]
        self._use(s, parent, env_steps, f"the reward of {ended.file} again: {reason}")
        self._watch[s] = rollback.taken_back(self._watch[s], refined, ended)
        self.record(s, env_steps, "rolled back", [], reason=reason, parent=file,
                     file=self._files[s])  # fmt: skip
        return f"seed {self._seed(s)}: formal reward rolled back. {reason}"

    def _untried(self, candidate: Candidate, s: int) -> Candidate:
        """The candidate, refused if it was taken back from this seed before."""
        if candidate.reward and candidate.reward.source in self._watch[s].taken_back:
            return Candidate(candidate.index, None, "was taken back before")
        return candidate

    def _use(self, s: int, reward: FormalReward, env_steps: int, remark: str) -> None:
        self.current[s] = reward
        self.statistics[s] = {}
        name = f"seed{self._seed(s)}_step{env_steps:09d}.py"
        remark = f"in use from environment step {env_steps}; {remark}"
        self._files[s] = self.book.keep(name, reward.source, remark)

    def _seed(self, s: int) -> int:
        return self._config.seed + s


def _inputs(labels: dict[str, np.ndarray], s: int) -> tuple[Any, ...]:
    """What rewards are evaluated on, of every label of seed s [M, 2, H, ...]."""
    return tuple(jnp.asarray(labels[k][s]) for k in ("next_obs", "action", "target"))


def _agreement(value: np.ndarray, labels: dict[str, np.ndarray], s: int, first: int = 0) -> float:
    """Part of the decided labels, from the `first` on, whose clip with the larger sum of values
    [M, 2, H] is the preferred one."""
    given = slice(first, labels["count"][s])
    total = value.astype(np.float64).sum(-1)[given]
    preference = labels["preference"][s, given]
    decided = preference != 0.5
    if not decided.any():
        return 0.0
    right = (total[:, 1] > total[:, 0]) == (preference > 0.5)
    return float(right[decided].mean())


def _shown(candidates: Sequence[Candidate], scores: Sequence[float]) -> dict[str, float | None]:
    """Scores by candidate, None where it was refused."""
    return {
        str(c.index): round(float(x), 4) if np.isfinite(x) else None
        for c, x in zip(candidates, scores, strict=True)
    }
