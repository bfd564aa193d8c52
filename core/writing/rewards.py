"""`WrittenRewards`: the reward program that each seed uses, how it came about, and how it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.reward_models.formal import FormalReward
from core_jax.writing.history import RewardHistory
from core_jax.writing.writer import Candidate


class WrittenRewards:
    """Each seed has its own labels and so its own reward and history.

    Args:
        seeds: number of seeds.
        first_seed: number of the first.
        compile: source -> program, to restore checkpoints.
        folder: the run's `rewards/`.
        title: of the run.

    Attributes:
        current: the program in use, per seed.
        files: the name of its file, per seed.
        statistics: since it came into use, per seed: series name -> one value per chunk.
        history: the account in `rewards/`.
    """

    def __init__(
        self,
        seeds: int,
        first_seed: int,
        compile: Callable[[str], FormalReward],
        folder: Path,
        title: str,
    ):
        self.seeds, self._first_seed, self._compile = seeds, first_seed, compile
        self.history = RewardHistory(folder, title)
        self.current: list[FormalReward | None] = [None] * seeds
        self.files: list[str | None] = [None] * seeds
        self.statistics: list[dict[str, list[float]]] = [{} for _ in range(seeds)]

    def seed(self, s: int) -> int:
        """The number of the seed at a place on the seed axis."""
        return self._first_seed + s

    def reward(self, s: int) -> FormalReward:
        """The program that seed s uses.

        Raises:
            ValueError: none has been chosen yet.
        """
        found = self.current[s]
        if found is None:
            raise ValueError(f"seed {self.seed(s)} has no formal reward yet")
        return found

    def use(self, s: int, reward: FormalReward, env_steps: int, remark: str) -> None:
        """Seed s uses a program from now on; its statistics begin anew."""
        self.current[s] = reward
        self.statistics[s] = {}
        name = f"seed{self.seed(s)}_step{env_steps:09d}.py"
        remark = f"in use from environment step {env_steps}; {remark}"
        self.files[s] = self.history.keep(name, reward.source, remark)

    def select(
        self,
        s: int,
        chosen: Candidate,
        candidates: Sequence[Candidate],
        env_steps: int,
        reason: str,
        **more: Any,
    ) -> None:
        """Seed s begins with a candidate.

        Args:
            s: place on the seed axis.
            chosen: compiled.
            candidates: among which it was chosen, for the history.
            env_steps: now.
            reason: why, for the history.
            more: for the history, as in `RewardHistory.record`.
        """
        assert chosen.reward is not None
        self.use(s, chosen.reward, env_steps, f"candidate {chosen.index}: {reason}")
        more |= {"chosen": chosen.index, "reason": reason, "file": self.files[s]}
        self.record(s, env_steps, "selected", candidates, **more)

    def record(
        self,
        s: int | None,
        env_steps: int,
        event: str,
        candidates: Sequence[Candidate],
        **more: Any,
    ) -> None:
        """Adds to the history what happened to seed s, or to all seeds (None)."""
        refused = {str(c.index): c.problem for c in candidates if c.reward is None}
        seed = None if s is None else self.seed(s)
        self.history.record(seed, env_steps, event, **more, refused=refused)

    def observe(self, row: Mapping[str, Any], score: Sequence[float]) -> None:
        """Adds a chunk's component means, and the score beside them, to the statistics.

        Args:
            row: of metrics, on the host.
            score: what the language model is told as `score`, per seed.
        """
        for s, means in enumerate(row["components"]):
            for name, value in {"score": score[s], **means}.items():
                if name != "nonfinite":
                    self.statistics[s].setdefault(name, []).append(float(value))

    def state(self) -> dict[str, Any]:
        """JSON-able, for a checkpoint."""
        return {
            "current": [r.source if r else None for r in self.current],
            "history": self.history.entries,
            "texts": self.history.texts,
            "statistics": self.statistics,
            "files": self.files,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint's state and writes the rewards folder anew from it."""
        self.current = [self._compile(s) if s else None for s in state["current"]]
        self.statistics, self.files = state["statistics"], state["files"]
        self.history.restore(state["history"], state.get("texts", {}))


def shown_scores(
    candidates: Sequence[Candidate], scores: Sequence[float] | np.ndarray
) -> dict[str, float | None]:
    """Scores by candidate, None where it was refused."""
    return {
        str(c.index): round(float(x), 4) if np.isfinite(x) else None
        for c, x in zip(candidates, scores, strict=True)
    }
