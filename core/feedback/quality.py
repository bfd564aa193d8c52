"""How good a teacher is: its labels against the ground truth, against another teacher's, and
against its own with the clips exchanged.

The ground truth of a pair is which clip has the larger mean dense reward, as the `oracle` answers;
that of a single clip is its progress at the last step. Everything is computed on the host from
labels that exist; no teacher is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from core_jax.feedback.queries import Pair, PairLabel, Single, SingleLabel
from core_jax.feedback.teachers.scripted_values import true_value
from core_jax.reward_models.preference import shown_frames

Verdict = Literal["right", "wrong", "equal", "abstained", "tie"]

# Of the gap between two clips, in mean ground truth per step; both kinds lie in [0, 1].
EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Bin(NamedTuple):
    """Answers whose x lies in [low, high): how many, and the part of them that is right."""

    low: float
    high: float
    count: int
    right: float


class ValueQuality(NamedTuple):
    """One teacher's labels of single clips of one kind. None where nothing was there to count."""

    asked: int
    decided: int
    abstained: int
    accuracy: float | None  # of ratings and completion: the ground truth's class
    mean_error: float | None  # mean |label - ground truth|, in classes or in progress
    correlation: float | None  # Spearman, labels with ground-truth progress


class Quality(NamedTuple):
    """One teacher's answers. Rates are None where nothing was there to count."""

    asked: int
    decided: int  # A or B
    equal: int
    abstained: int
    ties: int  # decided where the ground truth is undecided; counted as neither right nor wrong
    accuracy: float | None  # of the decided ones
    by_reward_gap: tuple[Bin, ...]
    by_progress_gap: tuple[Bin, ...]
    prefers_second: float | None  # part of the decided answers that say B
    order_consistency: float | None  # part of pairs decided in both orders with the same winner
    calibration: tuple[Bin, ...]  # by the teacher's own confidence
    calibration_error: float | None  # mean |confidence - accuracy|, bins weighted by count
    score_correlation: float | None  # Spearman, scores of frames with ground-truth progress
    seconds: float | None  # mean per question
    tokens: int
    cost_usd: float


def reward_gap(question: Pair) -> float:
    """B's mean dense reward per step less A's."""
    return float(np.mean(question.b.dense, dtype=np.float64) - np.mean(question.a.dense))


def progress_gap(question: Pair) -> float:
    """B's mean progress less A's."""
    return float(np.mean(question.b.progress, dtype=np.float64) - np.mean(question.a.progress))


def verdict(question: Pair, answer: PairLabel) -> Verdict:
    """Whether a label is right; `tie` where the ground truth prefers neither clip."""
    if answer.preference is None:
        return "abstained"
    if answer.preference == 0.5:
        return "equal"
    gap = reward_gap(question)
    if gap == 0.0:
        return "tie"
    return "right" if (answer.preference > 0.5) == (gap > 0.0) else "wrong"


def quality(
    questions: Sequence[Pair],
    answers: Sequence[PairLabel],
    turned: Sequence[PairLabel] | None = None,
) -> Quality:
    """Quality of one teacher's labels of pairs.

    Args:
        questions: pairs of clips with their ground truth.
        answers: one for each.
        turned: answers to the same pairs with A and B exchanged, if they were asked for.
    """
    verdicts = [verdict(q, a) for q, a in zip(questions, answers, strict=True)]
    judged = [i for i, v in enumerate(verdicts) if v in ("right", "wrong")]
    right = np.array([verdicts[i] == "right" for i in judged], bool)
    gaps = {f: np.array([abs(f(questions[i])) for i in judged]) for f in (reward_gap, progress_gap)}
    preferred = [a.preference for a in answers if a.preference is not None]
    decided = [p for p in preferred if p != 0.5]
    sure = [i for i in range(len(judged)) if answers[judged[i]].confidence is not None]
    confidence = np.array([answers[judged[i]].confidence for i in sure])
    calibration = _bins(confidence, right[sure], np.linspace(0.0, 1.0, 6).tolist())
    seconds = [a.seconds for a in answers]
    return Quality(
        asked=len(answers),
        decided=len(decided),
        equal=verdicts.count("equal"),
        abstained=verdicts.count("abstained"),
        ties=verdicts.count("tie"),
        accuracy=_mean(right),
        by_reward_gap=_bins(gaps[reward_gap], right, EDGES),
        by_progress_gap=_bins(gaps[progress_gap], right, EDGES),
        prefers_second=_mean([p > 0.5 for p in decided]),
        order_consistency=None if turned is None else _consistency(answers, turned),
        calibration=calibration,
        calibration_error=_calibration_error(confidence, right[sure], calibration),
        score_correlation=_score_correlation(questions, answers),
        seconds=_mean(seconds) if any(seconds) else None,
        tokens=sum(a.tokens for a in answers),
        cost_usd=math.fsum(a.cost_usd for a in answers),
    )


def value_quality(queries: Sequence[Single], labels: Sequence[SingleLabel]) -> ValueQuality:
    """Quality of one teacher's labels of single clips that were asked the same.

    Args:
        queries: single clips with their ground truth; ratings of one number of classes.
        labels: one for each.

    Raises:
        ValueError: the queries ask different things.
    """
    if len(kinds := {(q.asks, q.classes) for q in queries}) > 1:
        raise ValueError(f"queries ask different things: {sorted(map(str, kinds))}")
    given = [(true_value(q), x.value, q) for q, x in zip(queries, labels, strict=True)]
    decided = [(truth, value, q) for truth, value, q in given if value is not None]
    classes = [truth == value for truth, value, q in decided if q.asks != "progress"]
    progress = [float(q.clip.progress[-1]) for _, _, q in decided]
    return ValueQuality(
        asked=len(labels),
        decided=len(decided),
        abstained=len(labels) - len(decided),
        accuracy=_mean(classes),
        mean_error=_mean([abs(truth - value) for truth, value, _ in decided]),
        correlation=spearman([value for _, value, _ in decided], progress),
    )


def agreement(first: Sequence[PairLabel], second: Sequence[PairLabel]) -> dict[str, Any]:
    """How far two teachers agree on the same questions.

    Returns:
        `questions` both have answered, `decided` by both, `agree` the part of those with the same
        winner, `kappa` the same beyond chance (Cohen's), None where undefined.
    """
    both = [
        (x.preference > 0.5, y.preference > 0.5)
        for x, y in zip(first, second, strict=True)
        if x.preference is not None and y.preference is not None
        if x.preference != 0.5 and y.preference != 0.5
    ]
    same = _mean([x == y for x, y in both])
    kappa = None
    if same is not None:
        p, q = (float(np.mean(side)) for side in zip(*both, strict=True))
        chance = p * q + (1 - p) * (1 - q)
        kappa = None if chance == 1.0 else (same - chance) / (1.0 - chance)
    return {"questions": len(first), "decided": len(both), "agree": same, "kappa": kappa}


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Rank correlation, ties sharing their mean rank; None if either never varies."""
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (x, y)]
    if len(x) < 2 or any(np.ptp(r) == 0 for r in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _consistency(answers: Sequence[PairLabel], turned: Sequence[PairLabel]) -> float | None:
    back = [
        a._replace(preference=None if a.preference is None else 1.0 - a.preference) for a in turned
    ]
    return agreement(answers, back)["agree"]


def _score_correlation(questions: Sequence[Pair], answers: Sequence[PairLabel]) -> float | None:
    scores, truth = [], []
    for question, answer in zip(questions, answers, strict=True):
        sides = ((question.a, answer.scores_a), (question.b, answer.scores_b))
        for clip, given in sides:
            scores += list(given)
            truth += list(clip.progress[shown_frames(len(clip.progress), len(given))])
    return spearman(scores, truth)


def _calibration_error(
    confidence: np.ndarray, right: np.ndarray, bins: Sequence[Bin]
) -> float | None:
    if not bins:
        return None
    off = 0.0
    for one in bins:
        inside = _inside(confidence, one.low, one.high, 1.0)
        off += abs(confidence[inside].mean() - right[inside].mean()) * one.count
    return off / len(confidence)


def _bins(x: np.ndarray, right: np.ndarray, edges: Sequence[float]) -> tuple[Bin, ...]:
    found = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = _inside(x, low, high, edges[-1])
        if inside.any():
            share = float(right[inside].mean())
            found.append(Bin(float(low), float(high), int(inside.sum()), share))
    return tuple(found)


def _inside(x: np.ndarray, low: float, high: float, last: float) -> np.ndarray:
    return (x >= low) & ((x < high) | (high == last) & (x <= high))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[index]


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
