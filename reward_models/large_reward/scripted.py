"""Ground truth with errors, behind the interface of a large reward model."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval

from core_jax.reward_models.large_reward.judge import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judgements,
)

Share = Annotated[float, Interval(ge=0, le=1)]


@dataclasses.dataclass(frozen=True)
class ScriptedJudgeConfig:
    """How often, and how much, ground truth is disturbed."""

    noise: Annotated[float, Ge(0)] = 0.0
    """Standard deviation of a frame's error in progress."""
    mistake: Share = 0.0
    """Probability that a completion or a comparison is the opposite."""
    abstain: Share = 0.0
    """Probability of no answer."""
    fail: Share = 0.0
    """Probability of a failed request."""


@dataclasses.dataclass(frozen=True)
class ScriptedJudge:
    """Reads the ground truth of frames.

    A frame's error belongs to the frame and the question, however often it is asked, so a resumed
    run repeats it. Comparison is by the disturbed progress, so that it agrees with progress; equal
    frames are 0.

    Attributes:
        config: the errors.
        seed: of the errors.
    """

    config: ScriptedJudgeConfig = ScriptedJudgeConfig()
    seed: int = 0

    name: str = "scripted"
    sees: bool = False
    size: int = 64

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Ground-truth progress with noise."""
        del instruction, start, goal
        return self._judged(self._perceived(frames), _keys(frames), 0)

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Ground-truth success, sometimes the opposite."""
        del instruction, start, goal
        success, keys = _given(frames.success, "success"), _keys(frames)
        wrong = self._draws(keys, 1)[:, 2] < self.config.mistake
        return self._judged(np.where(wrong, 1.0 - success, success), keys, 1)

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """The sign of the difference in progress, sometimes the opposite."""
        del instruction, start, goal
        keys = _keys(a) * np.uint64(31) + _keys(b)
        sign = np.sign(self._perceived(b) - self._perceived(a))
        wrong = self._draws(keys, 2)[:, 2] < self.config.mistake
        return self._judged(np.where(wrong, -sign, sign), keys, 2)

    def _perceived(self, frames: Frames) -> np.ndarray:
        progress = _given(frames.progress, "progress")
        if not self.config.noise:
            return progress
        rngs = [np.random.default_rng([self.seed, int(k)]) for k in _keys(frames)]
        error = np.array([rng.standard_normal() for rng in rngs])
        return np.clip(progress + self.config.noise * error, 0.0, 1.0)

    def _judged(self, value: np.ndarray, keys: np.ndarray, question: int) -> Judgements:
        draws, config = self._draws(keys, question), self.config
        status = np.where(draws[:, 0] < config.abstain, ABSTAINED, ANSWERED)
        status = np.where(draws[:, 1] < config.fail, FAILED, status).astype(np.int8)
        known = status == ANSWERED
        return Judgements(
            np.where(known, value, np.nan).astype(np.float32),
            np.where(known, 1.0, np.nan).astype(np.float32),
            status,
        )

    def _draws(self, keys: np.ndarray, question: int) -> np.ndarray:
        """Three uniform numbers for each question [B, 3]."""
        if not (self.config.mistake or self.config.abstain or self.config.fail):
            return np.ones((len(keys), 3))
        rng = lambda key: np.random.default_rng([self.seed, 1 + question, int(key)])
        return np.array([rng(key).random(3) for key in keys]).reshape(-1, 3)


def _given(values: np.ndarray | None, what: str) -> np.ndarray:
    if values is None:
        raise ValueError(f"a scripted judge needs the frames' {what}")
    return np.asarray(values, np.float64)


def _keys(frames: Frames) -> np.ndarray:
    if frames.key is None:
        return np.arange(len(frames), dtype=np.uint64)
    return frames.key.astype(np.uint64)
