"""The formal reward module: propose, select, refine (CoRe, section on the FRM).

The first reward is chosen among candidates, by agreement with a first round of labels or, as the
paper does, by ground-truth success after a short training of each, all side by side. Later a
candidate replaces the reward in use only if it agrees with strictly more of all labels so far.
Each seed has its own labels and so its own reward and history.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from core.config import Config
from core.models.base import ChatModel, Ledger, Reply
from core.prompts import formal as prompts
from core.rewards import batch_function
from reward_models.formal import FormalReward, RewardError, compile_reward, extract_code


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One reply, compiled or refused."""

    index: int
    reward: FormalReward | None
    problem: str = ""


class FormalModule:
    """The formal reward of each seed, its history, and the model that writes new ones."""

    def __init__(self, config: Config, spec: Any, model: ChatModel, folder: Path):
        self._config, self._spec, self._model, self._folder = config, spec, model, folder
        self.current: list[FormalReward | None] = [None] * config.seeds
        self.history: list[dict[str, Any]] = []
        # Per seed, since its reward was last accepted: name -> one value per chunk.
        self.statistics: list[dict[str, list[float]]] = [{} for _ in range(config.seeds)]
        # Also what a killed process paid for after its last checkpoint.
        self.tokens, self.cost_usd = model.spent() if isinstance(model, Ledger) else (0, 0.0)

    def propose(self, messages: Sequence[prompts.Message], attempt: int) -> list[Candidate]:
        """Asks the model and compiles what comes back."""
        count = self._config.formal.candidates
        candidates = []
        for i, reply in enumerate(self._model.complete(messages, count, attempt)):
            self.tokens += reply.tokens_in + reply.tokens_out
            self.cost_usd += reply.cost_usd
            candidates.append(_candidate(attempt * count + i, reply))
        return candidates

    def first_candidates(self) -> list[Candidate]:
        """Candidates for the first reward; asks again while none compiles."""
        messages = prompts.initial_messages(self._spec)
        problems = []
        for attempt in range(self._config.formal.attempts):
            candidates = self.propose(messages, attempt)
            if any(c.reward for c in candidates):
                return candidates
            problems += [c.problem for c in candidates]
        raise ValueError("no candidate for the formal reward compiles:\n" + "\n".join(problems))

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
            best = int(np.argmax(scores[s]))
            self._accept(s, candidates[best], env_steps, "initial")
            shown = [round(float(x), 4) if np.isfinite(x) else None for x in scores[s]]
            reason = f"highest {by} of {len(candidates)} candidates"
            self._record(s, env_steps, "selected", candidates, scores=shown, by=by,
                         chosen=candidates[best].index, reason=reason)  # fmt: skip
            events.append(f"seed {self._seed(s)}: candidate {best} selected, {by} {shown[best]}")
        return events

    def refine(self, labels: dict[str, np.ndarray], env_steps: int) -> list[str]:
        """Looks for a better reward for each seed; the reward in use stays unless one is found.

        Args:
            labels: as kept by the residual module.
        """
        return [self._refine(s, labels, env_steps) for s in range(self._config.seeds)]

    def agreements(
        self, candidates: Sequence[Candidate], labels: dict[str, np.ndarray], s: int
    ) -> np.ndarray:
        """Agreement of each candidate with seed s's labels [K], -inf where it was refused."""
        return np.array(
            [self.agreement(c.reward, labels, s) if c.reward else -np.inf for c in candidates]
        )

    def agreement(self, reward: FormalReward, labels: dict[str, np.ndarray], s: int) -> float:
        """Part of seed s's decided labels on which the summed reward prefers the same clip."""
        evaluate = batch_function(reward, self._spec.formal_view)
        inputs = (labels[k][s] for k in ("next_obs", "action", "target"))
        value, _ = evaluate(*(jnp.asarray(x) for x in inputs))  # [M, 2, H]
        total = np.asarray(value, np.float64).sum(-1)[: labels["count"][s]]
        preference = labels["preference"][s, : labels["count"][s]]
        decided = preference != 0.5
        if not decided.any():
            return 0.0
        right = (total[:, 1] > total[:, 0]) == (preference > 0.5)
        return float(right[decided].mean())

    def observe(self, row: dict[str, Any]) -> None:
        """Adds a chunk's component means (and the score beside them) to the statistics."""
        score = "step_success" if self._config.formal.select == "gt_score" else "residual"
        for s, means in enumerate(row["components"]):
            series = self.statistics[s]
            for name, value in {"score": row[score][s], **means}.items():
                if name != "nonfinite":
                    series.setdefault(name, []).append(float(value))

    def state(self) -> dict[str, Any]:
        """JSON-able, for a checkpoint."""
        return {
            "current": [r.source if r else None for r in self.current],
            "history": self.history,
            "statistics": self.statistics,
            "tokens": self.tokens,
            "cost_usd": self.cost_usd,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over a checkpoint's state and rewrites the rewards folder from it."""
        self.current = [compile_reward(s) if s else None for s in state["current"]]
        self.history, self.statistics = state["history"], state["statistics"]
        self.tokens = max(self.tokens, state["tokens"])
        self.cost_usd = max(self.cost_usd, state["cost_usd"])
        self._write_history()

    def _refine(self, s: int, labels: dict[str, np.ndarray], env_steps: int) -> str:
        held = self.agreement(self.current[s], labels, s)
        since = len(next(iter(self.statistics[s].values()), ())) * self._config.chunk
        messages = prompts.feedback_messages(
            self._spec, self.current[s].source, since, self.statistics[s]
        )
        seen: list[Candidate] = []
        for attempt in range(self._config.formal.attempts):
            candidates = self.propose(messages, attempt)
            if not candidates:
                break
            seen += candidates
            scores = self.agreements(candidates, labels, s)
            best = int(np.argmax(scores))
            if scores[best] > held:
                chosen = candidates[best]
                self._accept(s, chosen, env_steps, f"refinement {chosen.index}")
                reason = f"agrees with {scores[best]:.1%} of labels, the one before {held:.1%}"
                self._record(s, env_steps, "accepted", seen, chosen=chosen.index, before=held,
                             agreement=float(scores[best]), reason=reason)  # fmt: skip
                return f"seed {self._seed(s)}: formal reward {chosen.index} accepted, {reason}"
        reason = f"none of {len(seen)} candidates agrees with more than {held:.1%} of labels"
        self._record(s, env_steps, "kept", seen, before=held, reason=reason)
        return f"seed {self._seed(s)}: formal reward kept, {reason}"

    def _accept(self, s: int, candidate: Candidate, env_steps: int, origin: str) -> None:
        self.current[s] = candidate.reward
        self.statistics[s] = {}
        name = f"seed{self._seed(s)}_step{env_steps:09d}.py"
        header = f"# {origin}, in use from environment step {env_steps}\n"
        (self._folder / name).write_text(header + candidate.reward.source.strip() + "\n")

    def _record(
        self, s: int, env_steps: int, event: str, candidates: Sequence[Candidate], **more: Any
    ) -> None:
        refused = {str(c.index): c.problem for c in candidates if c.reward is None}
        entry = {"seed": self._seed(s), "env_steps": env_steps, "event": event, **more}
        self.history.append({**entry, "refused": refused})
        self._write_history()

    def _write_history(self) -> None:
        (self._folder / "history.json").write_text(json.dumps(self.history, indent=1) + "\n")

    def _seed(self, s: int) -> int:
        return self._config.seed + s


def _candidate(index: int, reply: Reply) -> Candidate:
    if reply.problem and not reply.text:
        return Candidate(index, None, reply.problem)
    try:
        return Candidate(index, compile_reward(extract_code(reply.text)))
    except RewardError as error:
        return Candidate(index, None, f"{reply.problem}; {error}" if reply.problem else str(error))
