"""Scripted teachers: B-Pref's simulated humans (Lee et al. 2021), answering from ground truth.

Let R be a clip's summed ground-truth reward. The teacher weighs step t by gamma^(H-1-t), prefers
the larger sum (beta < 0) or draws from softmax(beta R), errs with a given probability, abstains
when both clips are poor (skip) and calls near ties equal. Thresholds are eps * m with
m = H * mean ground-truth reward per step of recent experience; the released code multiplies by
eps twice after the first round, this does what its paper says.

Per-frame scores, which CoRe asks a vision-language model for, are the ground-truth progress at
the shown frames with noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.models.base import Answer, Question
from reward_models.preference import shown_frames

Kind = Literal["oracle", "mistake", "noisy", "skip", "myopic", "equal"]

# kind -> (beta, gamma, mistake, skip, equal); beta < 0 is perfectly rational.
PRESETS: dict[str, tuple[float, float, float, float, float]] = {
    "oracle": (-1.0, 1.0, 0.0, 0.0, 0.0),
    "mistake": (-1.0, 1.0, 0.1, 0.0, 0.0),
    "noisy": (1.0, 1.0, 0.0, 0.0, 0.0),
    "skip": (-1.0, 1.0, 0.0, 0.1, 0.0),
    "myopic": (-1.0, 0.9, 0.0, 0.0, 0.0),
    "equal": (-1.0, 1.0, 0.0, 0.0, 0.1),
}


@dataclasses.dataclass(frozen=True)
class ScriptedConfig:
    """A simulated human. Fields left at None take the kind's value."""

    kind: Kind = "oracle"
    beta: float | None = None
    """Rationality of a stochastic choice; negative: always the larger sum."""
    gamma: float | None = None
    """Discount towards the clip's start: below 1 is myopic."""
    mistake: float | None = None
    """Probability of a flipped answer."""
    skip: float | None = None
    """Abstains if both sums are below this part of the recent average."""
    equal: float | None = None
    """Calls a pair equal if the sums differ by less than this part of the recent average."""
    abstain: float = 0.0
    """Probability of no answer at all."""
    score_noise: float = 0.05
    """Standard deviation of the noise on per-frame scores."""

    def parameters(self) -> tuple[float, float, float, float, float]:
        """(beta, gamma, mistake, skip, equal), the kind's values where none is given."""
        given = (self.beta, self.gamma, self.mistake, self.skip, self.equal)
        preset = PRESETS[self.kind]
        return tuple(p if g is None else g for g, p in zip(given, preset, strict=True))


class ScriptedTeacher:
    """Answers from ground truth. Each question has its own random stream, so that the answer
    does not depend on what else was asked, nor on whether the run was resumed."""

    def __init__(self, config: ScriptedConfig, seed: int = 0, frames_shown: int = 3):
        self.config = config
        self.seed = seed
        self.frames_shown = frames_shown
        self.name = f"scripted-{config.kind}"

    def ask(self, questions: Sequence[Question], context: float | None = None) -> list[Answer]:
        """Answers each question.

        Args:
            questions: pairs of clips.
            context: mean ground-truth reward per step of recent experience, for the thresholds
                of `skip` and `equal`; 0 if unknown.
        """
        return [self._answer(q, 0.0 if context is None else context) for q in questions]

    def _answer(self, question: Question, mean_reward: float) -> Answer:
        beta, gamma, mistake, skip, equal = self.config.parameters()
        rng = np.random.default_rng([self.seed, int(question.key()[:12], 16)])
        length = len(question.a.dense)
        scores = [self._scores(clip.progress, rng) for clip in (question.a, question.b)]
        margin = mean_reward * length
        sum_a, sum_b = float(question.a.dense.sum()), float(question.b.dense.sum())
        poor = skip > 0 and max(sum_a, sum_b) <= skip * margin
        if rng.random() < self.config.abstain or poor:
            return Answer(None, *scores, reason="abstains")
        weights = gamma ** np.arange(length - 1, -1, -1)
        return_a = float((weights * question.a.dense).sum())
        return_b = float((weights * question.b.dense).sum())
        if beta > 0:
            prefers_b = rng.random() < 1.0 / (1.0 + np.exp(-beta * (return_b - return_a)))
        else:
            prefers_b = return_b > return_a
        if rng.random() < mistake:
            prefers_b = not prefers_b
        reason = f"return {return_a:.3f} for A, {return_b:.3f} for B"
        if abs(sum_a - sum_b) < equal * margin:
            return Answer(0.5, *scores, reason=reason)
        return Answer(float(prefers_b), *scores, reason=reason)

    def _scores(self, progress: np.ndarray, rng: np.random.Generator) -> tuple[float, ...]:
        shown = progress[shown_frames(len(progress), self.frames_shown)]
        noisy = shown + self.config.score_noise * rng.standard_normal(len(shown))
        return tuple(float(x) for x in np.clip(noisy, 0.0, 1.0))
