"""Scripted teachers, answering from ground truth: B-Pref's simulated humans (Lee et al. 2021), and
one that errs as vision-language models do.

Let R be a clip's summed ground truth: the benchmark's dense reward, or the task's progress
(`judge`). The two can differ: hammer's dense reward hardly rises for a nail that is driven in by a
tilted hammer. The teacher weighs step t by gamma^(H-1-t), prefers the larger sum (beta < 0) or
draws from softmax(beta R), errs with a given probability, abstains when both clips are poor (skip)
and calls near ties equal; a rational one calls exact ties equal (by progress, which ends at 1, a
fifth to a third of a run's pairs are). Thresholds are eps * m with m = H * mean ground truth per
step of recent experience, as in the paper; the released code multiplies by eps twice after the
first round.

`vlm_like` has limited acuity. With d the clips' difference in mean ground-truth reward per step, in
units of `resolution`, a standard logistic error e that belongs to the pair (the other order has
-e), and the order bias b, it prefers B where d + e + b > 0, so that without lapses
P(B) = sigmoid(d + b): right half of the time on equal clips and nearly always on wide gaps. On top
of that `mistake` flips the answer whatever the gap (a psychometric function with lapses), and it
abstains with probability unsure * exp(-|d|). Asked again in the other order it contradicts itself
only because of b, as a model at temperature 0 does.

Per-frame scores, which CoRe asks a vision-language model for, are the ground-truth progress at
the shown frames with noise. Ratings, progress, completion and orders: see `scripted_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core_jax.feedback.queries import Label, Order, Pair, PairLabel, Query, Single
from core_jax.feedback.teachers.scripted_config import Parameters, ScriptedConfig
from core_jax.feedback.teachers.scripted_values import (
    clip_digest,
    ground_truth,
    order_clips,
    value_clip,
)
from core_jax.reward_models.preference import shown_frames


class ScriptedTeacher:
    """Answers from ground truth. Each question has its own random stream, so that the answer
    does not depend on what else was asked, nor on whether the run was resumed."""

    answers = frozenset({"pair", "rating", "progress", "completion", "order"})

    def __init__(self, config: ScriptedConfig, seed: int = 0, frames_shown: int = 3):
        self.config = config
        self.seed = seed
        self.frames_shown = frames_shown
        self.judge = config.parameters().judge
        self.name = f"scripted-{config.kind}"
        if config.judge is not None:
            self.name += f"-by-{config.judge}"

    def ask(self, queries: Sequence[Query], context: Any = None) -> list[Label]:
        """Answers each query.

        Args:
            queries: of any kind.
            context: mean ground truth per step of recent experience, for the thresholds of `skip`
                and `equal`; None if unknown.
        """
        mean_reward = 0.0 if context is None else float(context)
        return [self._label(query, mean_reward) for query in queries]

    def _label(self, query: Query, mean_reward: float) -> Label:
        if isinstance(query, Single):
            return value_clip(query, self.config, self.seed, mean_reward)
        if isinstance(query, Order):
            return order_clips(query, self.config, self.seed)
        if self.config.both_orders:
            return self._in_both_orders(query, mean_reward)
        return self._answer(query, mean_reward)

    def _in_both_orders(self, question: Pair, mean_reward: float) -> PairLabel:
        found = self._answer(question, mean_reward)
        if found.preference is None:
            return found
        back = self._answer(question._replace(a=question.b, b=question.a), mean_reward)
        if back.preference is None:
            return found._replace(preference=None, reason=back.reason)
        if found.preference != 1.0 - back.preference:
            return found._replace(preference=None, reason="the two orders disagree")
        return found

    def _answer(self, question: Pair, mean_reward: float) -> PairLabel:
        p = self.config.parameters()
        rng = np.random.default_rng([self.seed, int(question.key()[:12], 16)])
        truth_a, truth_b = (ground_truth(clip, p.judge) for clip in (question.a, question.b))
        length = len(truth_a)
        scores_a, scores_b = (self._scores(c.progress, rng) for c in (question.a, question.b))
        margin = mean_reward * length
        sum_a, sum_b = float(truth_a.sum()), float(truth_b.sum())
        poor = p.skip > 0 and max(sum_a, sum_b) <= p.skip * margin
        if rng.random() < self.config.abstain or poor:
            return PairLabel(None, scores_a, scores_b, reason="abstains")
        weights = p.gamma ** np.arange(length - 1, -1, -1)
        return_a = float((weights * truth_a).sum())
        return_b = float((weights * truth_b).sum())
        if p.resolution > 0:
            gap = (return_b - return_a) / float(weights.sum())
            preference, reason = self._perceived(question, gap, p)
            return PairLabel(preference, scores_a, scores_b, reason=reason)
        if p.beta > 0:
            prefers_b = rng.random() < 1.0 / (1.0 + np.exp(-p.beta * (return_b - return_a)))
        else:
            prefers_b = return_b > return_a
        if rng.random() < p.mistake:
            prefers_b = not prefers_b
        reason = f"return {return_a:.3f} for A, {return_b:.3f} for B"
        same = p.beta <= 0 and return_a == return_b
        if same or abs(sum_a - sum_b) < p.equal * margin:
            return PairLabel(0.5, scores_a, scores_b, reason=reason)
        return PairLabel(float(prefers_b), scores_a, scores_b, reason=reason)

    def _perceived(self, question: Pair, gap: float, p: Parameters) -> tuple[float | None, str]:
        """Answer and reason with limited acuity; `gap` is B's mean reward per step less A's."""
        # What a pair looks like does not depend on the order that it is shown in.
        sides = [clip_digest(clip) for clip in (question.a, question.b)]
        sign = 1.0 if sides[0] <= sides[1] else -1.0
        rng = np.random.default_rng([self.seed, *sorted(sides)])
        unsure, error, lapse = rng.random(), sign * rng.logistic(), rng.random()
        distance = gap / p.resolution
        seen = f"B seems {distance + error:+.2f} resolutions better"
        if unsure < p.unsure * np.exp(-abs(distance)):
            return None, f"can't tell: {seen}"
        prefers_b = distance + error + p.order_bias > 0
        return float(prefers_b != (lapse < p.mistake)), seen

    def _scores(self, progress: np.ndarray, rng: np.random.Generator) -> tuple[float, ...]:
        shown = progress[shown_frames(len(progress), self.frames_shown)]
        noisy = shown + self.config.score_noise * rng.standard_normal(len(shown))
        return tuple(float(x) for x in np.clip(noisy, 0.0, 1.0))
