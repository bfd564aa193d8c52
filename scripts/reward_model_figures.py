"""A reward model's figures on episodes that it was not trained on, for `train_reward_model.py`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core_jax import envs
from core_jax.reward_models.large_reward import metrics, network, trained
from core_jax.reward_models.large_reward.examples import TIE
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.visual import judged
from core_jax.visual.frames import FrameRenderer

HELD_OUT = 5  # of this many episodes one is not trained on
SKILLS = (0.55, 0.75)  # deficits of skill that are not trained on
SIZE = network.SIZE
Figures = dict[str, float | None]  # None where a quantity is not defined


def split(frames: GradedFrames) -> dict[str, np.ndarray]:
    """Numbers of the episodes that are trained on, and of those that are not: because of their
    skill or, of all other skills, because of their reset."""
    number = np.arange(frames.episodes)
    skills = (frames.deficit >= SKILLS[0]) & (frames.deficit < SKILLS[1])
    resets = (number % HELD_OUT == 0) & ~skills
    return {
        "trained": number[~skills & ~resets],
        "resets": number[resets],
        "skills": number[skills],
    }


def held_out(
    judge: trained.TrainedJudge, task: str, frames: GradedFrames, protocol: str
) -> dict[str, Any]:
    """Figures on what was not trained on, beside those of a constant slope over time and of ground
    truth."""
    parts = split(frames)
    resets = frames.of(parts["resets"])
    found = {name: figures(judge, frames.of(parts[name]), task) for name in ("resets", "skills")}
    env = envs.make(task, protocol)
    if env.spec.camera is not None:
        camera = moved(env.spec.camera)
        picture = renderer_of(env, camera).render(resets.snapshot)
        found["camera"] = figures(judge, dataclasses.replace(resets, picture=picture), task, camera)
    found["slope"] = _scores(resets.step / resets.step.max(), resets)
    found["truth"] = _scores(resets.progress, resets)
    return found


def figures(
    judge: trained.TrainedJudge,
    frames: GradedFrames,
    task: str,
    camera: envs.Camera | None = None,
) -> Figures:
    """What a model's three answers are worth on some frames of a task."""
    spec, goal = envs.spec(task), goal_picture(task, camera)
    progress = judged.ask(judge, "progress", frames, spec, goal).value
    chance = judged.ask(judge, "completion", frames, spec, goal).value
    pairs = np.random.default_rng(0).integers(len(frames.step), size=(2, 1_000))
    gap = frames.progress[pairs[1]] - frames.progress[pairs[0]]
    pairs, gap = pairs[:, np.abs(gap) > TIE], gap[np.abs(gap) > TIE]
    compared = judged.compare(judge, frames, pairs, spec, goal).value
    near = metrics.near_misses(frames.progress, frames.success)
    rate = lambda rows: float(np.mean(rows)) if len(rows) else float("nan")
    found = _scores(progress, frames) | {
        "completion_auc": metrics.area_under_curve(chance, frames.success),
        "completion_ece": metrics.calibration_error(chance, frames.success),
        "comparison_accuracy": rate((compared > 0) == (gap > 0)),
        "near_misses": int(near.sum()),
        "near_misses_done": rate(chance[near] >= 0.5),
        "near_misses_progress_1": rate(progress[near] >= 0.95),
        "near_misses_further_than_done": _beaten(judge, frames, near, spec, goal),
    }
    return _rounded(found)


def moved(camera: Any) -> envs.Camera:
    """A camera 8 cm to the side of another and 5 cm above it, which looks the same way."""
    x, y, z = camera.pos
    return dataclasses.replace(camera, pos=(x + 0.08, y, z + 0.05))


def _beaten(
    judge: Any, frames: GradedFrames, near: np.ndarray, spec: envs.TaskSpec, goal: np.ndarray
) -> float:
    """Share of pairs of a near miss and a finished frame in which the near miss is called
    further."""
    misses, done = np.flatnonzero(near), np.flatnonzero(frames.success > 0)
    if not len(misses) or not len(done):
        return float("nan")
    rng = np.random.default_rng(1)
    pairs = np.stack([rng.choice(done, 300), rng.choice(misses, 300)])
    return float(np.mean(judged.compare(judge, frames, pairs, spec, goal).value > 0))


def _scores(values: np.ndarray, frames: GradedFrames) -> Figures:
    """How near some values are to progress."""
    tau, rho = metrics.rank_correlations(values, frames.progress)
    found = {
        "mae": metrics.mean_absolute_error(values, frames.progress),
        "acc_02": metrics.accuracy_within(values, frames.progress),
        "kendall": tau,
        "spearman": rho,
    }
    return _rounded(found)


def _rounded(found: Mapping[str, float | None]) -> Figures:
    return {name: None if x is None or math.isnan(x) else round(x, 3) for name, x in found.items()}


def goal_picture(task: str, camera: envs.Camera | None = None) -> np.ndarray:
    """The picture of a task's goal."""
    key = task, camera
    if key not in _GOALS:
        env = envs.make(task, "random")
        _GOALS[key] = renderer_of(env, camera).render(np.array([env.spec.goal]))[0]
    return _GOALS[key]


_GOALS: dict[tuple[str, envs.Camera | None], np.ndarray] = {}


def renderer_of(env: envs.TaskEnv, camera: envs.Camera | None = None) -> FrameRenderer:
    return FrameRenderer(env, SIZE, True, False, 1, 16, camera)
