"""Short trainings of candidate rewards, judged by ground truth: what CoRe's `gt_score` selects a
first reward by, and what Eureka searches with.

A candidate is one more seed of the same vmapped program, not one more run: all of them are trained
side by side, from the same start and with the same random numbers. The program is compiled for one
number of candidates and used for every group of them; places to spare repeat the last one. Results
are on disk as soon as a group is through, so a run that was killed trains no candidate twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from core_jax import files
from core_jax.methods.base import Context
from core_jax.reward_models.formal import FormalReward
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.programs import ProgramColumn
from core_jax.training.streams import Stream, in_stream
from core_jax.training.train import Train, make_train
from core_jax.writing.writer import Candidate

_STRETCHES = 10  # of a trial, that its fitness is the best of


class Trial(NamedTuple):
    """The result of a candidate's training; JSON-able.

    Both numbers are ground truth, a thousandth of the mean progress added to break ties.
    """

    success: float
    """Mean success of the training's episodes, the unfinished ones as they stand (CoRe's score)."""
    fitness: float
    """Highest share of steps in success of any tenth of the training (as Eureka's: the best that
    the training ever was)."""
    statistics: dict[str, list[float]]
    """One value per chunk: `score`, the share of steps in success, then each component's mean."""


def trial_steps(fraction: float, training: TrainingConfig) -> int:
    """Environment steps of a candidate's trial, in whole chunks."""
    return max(1, round(fraction * training.steps / training.chunk)) * training.chunk


def check_trial(flag: str, fraction: float, training: TrainingConfig) -> None:
    """Raises a ValueError if a trial ends before anything is learned."""
    steps = trial_steps(fraction, training)
    if steps <= training.random_steps:
        raise ValueError(
            f"a candidate's trial ({steps} steps) ends before anything is learned: it must be "
            f"longer than random_steps ({training.random_steps}); raise {flag} or steps"
        )


class Trials:
    """Trains candidates and keeps their results.

    Args:
        context: the run's.
        column: the reward column that candidates fill; the whole reward of a trial.
        width: candidates trained side by side.
        steps: environment steps of a trial.
        path: where results are kept.
    """

    def __init__(self, context: Context, column: ProgramColumn, width: int, steps: int, path: Path):
        self._training = dataclasses.replace(
            context.training, seeds=width, steps=steps, replay=steps
        )
        self._context, self._column, self._path = context, column, path
        self._known = _kept(path, context.note)
        self.train: Train | None = None

    @property
    def env_steps(self) -> int:
        """Environment steps of all trials so far."""
        return len(self._known) * self._training.steps

    def run(self, rewards: Sequence[FormalReward], seeds: Sequence[int]) -> list[Trial]:
        """One trial for each reward and seed.

        Args:
            rewards, seeds: of equal length; seed i is the start of reward i's training.
        """
        jobs = {_key(r, s): (r, s) for r, s in zip(rewards, seeds, strict=True)}
        new = [key for key in jobs if key not in self._known]
        width, steps = self._training.seeds, self._training.steps
        for first in range(0, len(new), width):
            group = new[first : first + width]
            self._context.note(f"training {len(group)} candidates side by side, {steps:,} steps")
            padded = group + [group[-1]] * (width - len(group))
            trials = self._train_group([jobs[key] for key in padded])
            for key, trial in zip(group, trials, strict=False):
                self._known[key] = trial._asdict()
            files.write_json(self._path, self._known)
        return [Trial(**self._known[_key(r, s)]) for r, s in zip(rewards, seeds, strict=True)]

    def success_of(
        self, candidates: Sequence[Candidate], first_seed: int, seeds: int
    ) -> np.ndarray:
        """CoRe's score of each candidate for each seed [S, K]; -inf where it was refused."""
        compiled = [i for i, c in enumerate(candidates) if c.reward]
        rewards = [r for c in candidates if (r := c.reward)] * seeds
        starts = [first_seed + s for s in range(seeds) for _ in compiled]
        results = self.run(rewards, starts)
        scores = np.full((seeds, len(candidates)), -np.inf)
        found = np.array([trial.success for trial in results])
        scores[:, compiled] = found.reshape(seeds, len(compiled))
        return scores

    def _train_group(self, jobs: Sequence[tuple[FormalReward, int]]) -> list[Trial]:
        rewards, seeds = zip(*jobs, strict=True)
        if self.train is None:
            context, name = self._context, self._column.name
            reward = Rewards({name: 1.0}, programs=(self._column,))
            self.train = make_train(self._training, context.env, context.learner, reward)
        keys = jax.vmap(jax.random.key)(np.asarray(seeds))
        state = self.train.init(in_stream(keys, Stream.TRIALS))
        rows = []
        for _ in range(self._training.steps // self._training.chunk):
            state, row = self.train.train_chunk(state, {self._column.name: rewards})
            rows.append(jax.device_get(row))
        env_state = state.seeds.env_state
        # Episodes that the trial's end cuts off count as they stand.
        running = np.asarray(env_state.info["episode_success"] * (1.0 - env_state.done))
        total = lambda name: np.sum([row[name] for row in rows], axis=0)
        success = (total("episode_successes") + running.sum(1)) / (
            total("episodes") + running.shape[1]
        )
        progress = 1e-3 * total("step_progress") / len(rows)
        return [
            Trial(
                float(success[i] + progress[i]),
                float(best_stretch([row["step_success"][i] for row in rows]) + progress[i]),
                _statistics(rows, i),
            )
            for i in range(len(rewards))
        ]


def best_stretch(shares: Sequence[float]) -> float:
    """The highest mean of any tenth of a series, or of any value of a shorter one."""
    parts = np.array_split(np.asarray(shares, np.float64), min(_STRETCHES, len(shares)))
    return max(float(part.mean()) for part in parts)


def _kept(path: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """Results in a file, by their keys. Those that cannot be read are made again."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for result in found.values():
            Trial(**result)
    except (ValueError, AttributeError, TypeError, RecursionError):
        note(f"{path} is damaged: its candidates are trained again")
        return {}
    return found


def _key(reward: FormalReward, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{reward.source}".encode()).hexdigest()


def _statistics(rows: Sequence[dict[str, Any]], place: int) -> dict[str, list[float]]:
    series = {"score": [round(float(row["step_success"][place]), 6) for row in rows]}
    for name in rows[0]["components"][place]:
        if name != "nonfinite":
            series[name] = [round(float(row["components"][place][name]), 6) for row in rows]
    return series
