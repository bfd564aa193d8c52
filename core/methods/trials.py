"""Short trainings of candidate rewards, judged by ground truth: what CoRe's `gt_score` selects a
first reward by, and what Eureka searches with.

A candidate is one more lane of the same vmapped program, not one more run: all of them are trained
side by side, from the same start and with the same random numbers. The program is compiled for one
number of lanes and used for every group of candidates; lanes to spare repeat the last one. Results
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

from core_jax.reward_models.formal import FormalReward
from core_jax.runs import run_folder
from core_jax.runs.config import Config
from core_jax.training.state import Train
from core_jax.training.train import make_train
from core_jax.writing.writer import Candidate

_STRETCHES = 10  # of a trial, that its fitness is the best of


class Trial(NamedTuple):
    """What came of a candidate; JSON-able.

    Both numbers are ground truth, a thousandth of the mean progress added to tell equals apart.
    """

    success: float
    """Mean success of the training's episodes, the unfinished ones as they stand (CoRe's score)."""
    fitness: float
    """Highest share of steps in success of any tenth of the training (as Eureka's: the best that
    the training ever was)."""
    statistics: dict[str, list[float]]
    """One value per chunk: `score`, the share of steps in success, then each component's mean."""


class Trials:
    """Trains candidates, and remembers what came of them."""

    def __init__(
        self, config: Config, lanes: int, path: Path, say: Callable[[str], None] = lambda _: None
    ):
        """Compiles nothing yet.

        Args:
            config: the run's; `trial_steps` long is each trial.
            lanes: trained side by side.
            path: where results are kept.
            say: told what is being trained.
        """
        steps = config.trial_steps
        self._trial = dataclasses.replace(config, seeds=lanes, steps=steps, replay=steps, rrm=False)
        self._path, self._say = path, say
        self._known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.train: Train | None = None

    @property
    def env_steps(self) -> int:
        """Environment steps of all trials so far."""
        return len(self._known) * self._trial.steps

    def run(self, rewards: Sequence[FormalReward], seeds: Sequence[int]) -> list[Trial]:
        """One trial for each reward and seed.

        Args:
            rewards, seeds: of equal length; seed i starts what reward i is trained on.
        """
        jobs = {_key(r, s): (r, s) for r, s in zip(rewards, seeds, strict=True)}
        new = [key for key in jobs if key not in self._known]
        lanes = self._trial.seeds
        for first in range(0, len(new), lanes):
            group = new[first : first + lanes]
            self._say(f"training {len(group)} candidates side by side, {self._trial.steps:,} steps")
            padded = group + [group[-1]] * (lanes - len(group))
            trials = self._train_lanes(*zip(*(jobs[key] for key in padded), strict=True))
            for key, trial in zip(group, trials, strict=False):
                self._known[key] = trial._asdict()
            run_folder.write_json(self._path, self._known)
        return [Trial(**self._known[_key(r, s)]) for r, s in zip(rewards, seeds, strict=True)]

    def _train_lanes(self, rewards: Sequence[FormalReward], seeds: Sequence[int]) -> list[Trial]:
        if self.train is None:
            self.train = make_train(self._trial)
        keys = jax.vmap(jax.random.key)(np.asarray(seeds))
        state = self.train.init(jax.vmap(jax.random.fold_in, (0, None))(keys, 5_000_000))
        rows = []
        for _ in range(self._trial.steps // self._trial.chunk):
            state, row = self.train.train_chunk(state, rewards)
            rows.append(jax.device_get(row))
        env_state = state.lanes.env_state
        # Episodes that the trial's end cuts off count as they stand.
        running = np.asarray(env_state.info["episode_success"] * (1.0 - env_state.done))
        total = lambda name: sum(row[name] for row in rows)
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


def ground_truth_scores(
    config: Config, candidates: Sequence[Candidate], trials: Trials
) -> np.ndarray:
    """CoRe's score of each candidate for each seed [S, K]; -inf where it was refused."""
    compiled = [i for i, c in enumerate(candidates) if c.reward]
    jobs = [(candidates[i].reward, config.seed + s) for s in range(config.seeds) for i in compiled]
    results = trials.run(*zip(*jobs, strict=True))
    scores = np.full((config.seeds, len(candidates)), -np.inf)
    found = np.array([trial.success for trial in results])
    scores[:, compiled] = found.reshape(config.seeds, len(compiled))
    return scores


def _key(reward: FormalReward, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{reward.source}".encode()).hexdigest()


def _statistics(rows: Sequence[dict[str, Any]], lane: int) -> dict[str, list[float]]:
    series = {"score": [round(float(row["step_success"][lane]), 6) for row in rows]}
    for name in rows[0]["components"][lane]:
        if name != "nonfinite":
            series[name] = [round(float(row["components"][lane][name]), 6) for row in rows]
    return series
