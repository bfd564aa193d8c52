"""Scripted teachers, answering from ground truth: B-Pref's simulated humans (Lee et al. 2021), and
one that errs as vision-language models do.

Let R be a clip's summed ground truth: the benchmark's dense reward, or the task's progress
(`judge`). A dense reward can be blind to what a picture shows at once: hammer's hardly pays for a
nail that is driven in by a hammer held askew. The teacher weighs step t by gamma^(H-1-t), prefers
the larger sum (beta < 0) or draws from softmax(beta R), errs with a given probability, abstains
when both clips are poor (skip) and calls near ties equal; a rational one calls exact ties equal
(by progress, which ends at 1, a fifth to a third of a run's pairs are). Thresholds are eps * m with
m = H * mean ground truth per step of recent experience; the released code multiplies by eps twice
after the first round, this does what its paper says.

`vlm_like` has limited eyes. With d the clips' difference in mean ground-truth reward per step, in
units of `resolution`, a standard logistic error e that belongs to the pair (the other order has
-e), and the order bias b, it prefers B where d + e + b > 0, so that without lapses
P(B) = sigmoid(d + b): right half of the time on equal clips and nearly always on wide gaps. On top
of that `mistake` flips the answer whatever the gap (a psychometric function with lapses), and it
abstains with probability unsure * exp(-|d|). Asked again in the other order it contradicts itself
only because of b, as a model at temperature 0 does.

Per-frame scores, which CoRe asks a vision-language model for, are the ground-truth progress at
the shown frames with noise.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from core_jax.feedback.queries import Clip, Pair, PairLabel
from core_jax.reward_models.preference import shown_frames

Judge = Literal["reward", "progress"]
Kind = Literal["oracle", "mistake", "noisy", "skip", "myopic", "equal", "vlm_like"]


class Parameters(NamedTuple):
    """What makes a kind; the same fields as in `ScriptedConfig`."""

    judge: Judge = "reward"
    beta: float = -1.0  # negative: perfectly rational
    gamma: float = 1.0
    mistake: float = 0.0
    skip: float = 0.0
    equal: float = 0.0
    resolution: float = 0.0  # 0: perfect eyes
    unsure: float = 0.0
    order_bias: float = 0.0


# B-Pref's are its paper's. Of the last, published is that a vision-language model may answer "can't
# tell", that the answer is then dropped (RL-VLM-F, CoRe), that answers depend on the order of the
# pictures (VLM-AR3L asks in both orders for that reason), and one accuracy: an 8B model tuned for
# rewards says which of two frames is later rightly in 85.5% of cases (LRM; a secondary source).
# `resolution` is set so that this kind comes to about that: of the pairs that it decides, 0.852 are
# right by `scripts/tools/teacher_report.py --task drawer-open --protocol random --questions 1000`.
# How often it is unsure, lapses and leans to the first clip are assumptions: no figures are
# published.
PRESETS: dict[str, Parameters] = {
    "oracle": Parameters(),
    "mistake": Parameters(mistake=0.1),
    "noisy": Parameters(beta=1.0),
    "skip": Parameters(skip=0.1),
    "myopic": Parameters(gamma=0.9),
    "equal": Parameters(equal=0.1),
    "vlm_like": Parameters(mistake=0.05, resolution=0.03, unsure=0.3, order_bias=-0.3),
}


@dataclasses.dataclass(frozen=True)
class ScriptedConfig:
    """A simulated human. Fields left at None take the kind's value."""

    kind: Kind = "vlm_like"
    judge: Judge | None = None
    """What is compared. reward: the benchmark's dense reward, as in B-Pref; progress: how far the
    task is done, which is what CoRe asks a vision-language model about."""
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
    resolution: float | None = None
    """Gap in mean reward per step (0 to 1) at which 73% of answers are right; 0: perfect eyes."""
    unsure: float | None = None
    """Probability of no answer on equal clips; falls with the gap."""
    order_bias: float | None = None
    """Pull towards the second clip, negative towards the first, as a gap in resolutions."""
    abstain: float = 0.0
    """Probability of no answer at all."""
    score_noise: float = 0.05
    """Standard deviation of the noise on per-frame scores."""
    both_orders: bool = False
    """Asks with the clips exchanged as well and keeps an answer only if both agree."""

    def parameters(self) -> Parameters:
        """The kind's parameters where none is given."""
        given = {name: getattr(self, name) for name in Parameters._fields}
        return PRESETS[self.kind]._replace(**{k: v for k, v in given.items() if v is not None})


class ScriptedTeacher:
    """Answers from ground truth. Each question has its own random stream, so that the answer
    does not depend on what else was asked, nor on whether the run was resumed."""

    def __init__(self, config: ScriptedConfig, seed: int = 0, frames_shown: int = 3):
        self.config = config
        self.seed = seed
        self.frames_shown = frames_shown
        self.judge = config.parameters().judge
        self.name = f"scripted-{config.kind}"
        if config.judge is not None:
            self.name += f"-by-{config.judge}"

    def ask(self, questions: Sequence[Pair], context: float | None = None) -> list[PairLabel]:
        """Answers each question.

        Args:
            questions: pairs of clips.
            context: mean ground truth per step of recent experience, for the thresholds of `skip`
                and `equal`; 0 if unknown.
        """
        mean_reward = 0.0 if context is None else context
        answer = self._in_both_orders if self.config.both_orders else self._answer
        return [answer(q, mean_reward) for q in questions]

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
        scores = [self._scores(clip.progress, rng) for clip in (question.a, question.b)]
        margin = mean_reward * length
        sum_a, sum_b = float(truth_a.sum()), float(truth_b.sum())
        poor = p.skip > 0 and max(sum_a, sum_b) <= p.skip * margin
        if rng.random() < self.config.abstain or poor:
            return PairLabel(None, *scores, reason="abstains")
        weights = p.gamma ** np.arange(length - 1, -1, -1)
        return_a = float((weights * truth_a).sum())
        return_b = float((weights * truth_b).sum())
        if p.resolution > 0:
            gap = (return_b - return_a) / float(weights.sum())
            preference, reason = self._by_eye(question, gap, p)
            return PairLabel(preference, *scores, reason=reason)
        if p.beta > 0:
            prefers_b = rng.random() < 1.0 / (1.0 + np.exp(-p.beta * (return_b - return_a)))
        else:
            prefers_b = return_b > return_a
        if rng.random() < p.mistake:
            prefers_b = not prefers_b
        reason = f"return {return_a:.3f} for A, {return_b:.3f} for B"
        same = p.beta <= 0 and return_a == return_b
        if same or abs(sum_a - sum_b) < p.equal * margin:
            return PairLabel(0.5, *scores, reason=reason)
        return PairLabel(float(prefers_b), *scores, reason=reason)

    def _by_eye(self, question: Pair, gap: float, p: Parameters) -> tuple[float | None, str]:
        """Answer and reason of limited eyes; `gap` is B's mean reward per step less A's."""
        # What a pair looks like does not depend on the order that it is shown in.
        sides = [_digest(clip) for clip in (question.a, question.b)]
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


def ground_truth(clip: Clip, judge: Judge) -> np.ndarray:
    """What a teacher judges a clip's steps by [H]."""
    return clip.dense if judge == "reward" else clip.progress


def _digest(clip: Clip) -> int:
    """A number that belongs to a clip, wherever it is shown."""
    content = np.ascontiguousarray(clip.snapshot, np.float32).tobytes()
    content += np.ascontiguousarray(clip.next_obs, np.float32).tobytes()
    return int(hashlib.sha256(content).hexdigest()[:12], 16)
