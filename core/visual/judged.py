"""Graded episodes as a judge sees them, and what it says of them."""

from __future__ import annotations

import hashlib

import numpy as np

from core_jax import envs
from core_jax.reward_models.large_reward import Frames, Judge, Judgements
from core_jax.reward_models.large_reward.graded import GradedFrames


def as_frames(graded: GradedFrames) -> Frames:
    """All of them as a batch of questions."""
    content = np.ascontiguousarray(graded.snapshot, np.float32)
    keys = [
        int.from_bytes(hashlib.sha256(x.tobytes()).digest()[:8], "little") >> 1 for x in content
    ]
    return Frames(graded.picture, graded.progress, graded.success, np.array(keys, np.int64))


def goal_frames(picture: np.ndarray, count: int) -> Frames:
    """A picture of the finished task, `count` times."""
    ones = np.ones(count)
    return Frames(np.repeat(picture[None], count, axis=0), ones, ones, np.zeros(count, np.int64))


def ask(
    judge: Judge, question: str, graded: GradedFrames, spec: envs.TaskSpec, goal: np.ndarray | None
) -> Judgements:
    """Progress or completion of every frame, with the first frame of its episode as the start."""
    frames = as_frames(graded)
    goals = None if goal is None else goal_frames(goal, len(frames))
    start = frames.take(graded.firsts())
    return getattr(judge, question)(frames, spec.instruction, start, goals)


def compare(
    judge: Judge,
    graded: GradedFrames,
    pairs: np.ndarray,
    spec: envs.TaskSpec,
    goal: np.ndarray | None,
) -> Judgements:
    """Comparison of pairs of frames [2, P]; the start is that of the second frame's episode."""
    frames = as_frames(graded)
    goals = None if goal is None else goal_frames(goal, pairs.shape[1])
    a, b = (frames.take(rows) for rows in pairs)
    return judge.comparison(a, b, spec.instruction, frames.take(graded.firsts()[pairs[1]]), goals)
