"""Teachers judged: everything in closed form."""

import numpy as np
import pytest

from core_jax.feedback.quality import (
    agreement,
    progress_gap,
    quality,
    reward_gap,
    spearman,
    value_quality,
    verdict,
)
from core_jax.feedback.queries import Clip, Pair, PairLabel, Single, SingleLabel


def clip(level):
    dense = np.full(4, level, np.float32)
    wide = np.zeros((4, 2), np.float32)
    return Clip(wide, wide, wide, wide, dense, 2.0 * dense)


def pair(a, b):
    return Pair(clip(a), clip(b), "task", 0, 0)


def says(preference, confidence=None, scores=((), ()), **more):
    return PairLabel(preference, *scores, reason="", confidence=confidence, **more)


def test_the_ground_truth_is_the_larger_mean_reward():
    question = pair(0.1, 0.3)
    assert reward_gap(question) == pytest.approx(0.2)
    assert progress_gap(question) == pytest.approx(0.4)
    given = {1.0: "right", 0.8: "right", 0.0: "wrong", 0.5: "equal", None: "abstained"}
    assert {p: verdict(question, says(p)) for p in given} == given
    assert verdict(pair(0.2, 0.2), says(1.0)) == "tie"


def test_rates_and_difficulty():
    questions = [pair(0.1, 0.104), pair(0.1, 0.104), pair(0.1, 0.7), pair(0.7, 0.1), pair(0.2, 0.2)]
    answers = [says(p) for p in (1.0, 0.0, 1.0, 0.0, 1.0)]
    got = quality([*questions, *questions[:2]], [*answers, says(None), says(0.5)])
    assert (got.asked, got.decided, got.equal, got.abstained, got.ties) == (7, 5, 1, 1, 1)
    assert got.accuracy == 0.75  # three of the four that the truth decides
    assert [(b.low, b.high, b.count, b.right) for b in got.by_reward_gap] == [
        (0.0, 0.01, 2, 0.5),
        (0.5, 1.0, 2, 1.0),
    ]
    assert [b.low for b in got.by_progress_gap] == [0.0]  # 0.008; 1.2 is beyond the last edge
    assert got.prefers_second == 0.6
    assert got.order_consistency is got.calibration_error is got.score_correlation is None


def test_the_other_order():
    questions = [pair(0.1, 0.3)] * 4
    answers = [says(1.0), says(1.0), says(0.0), says(None)]
    turned = [says(0.0), says(1.0), says(1.0), says(0.0)]  # same, contradicted, same, not decided
    assert quality(questions, answers, turned).order_consistency == pytest.approx(2 / 3)


def test_calibration():
    questions = [pair(0.1, 0.3)] * 6
    confidence = (0.9, 0.9, 0.9, 0.9, 0.5, 0.5)
    answers = [says(float(i not in (3, 5)), c) for i, c in enumerate(confidence)]
    got = quality(questions, answers)
    assert [(b.low, b.count, b.right) for b in got.calibration] == [
        (pytest.approx(0.4), 2, 0.5),
        (pytest.approx(0.8), 4, 0.75),
    ]
    assert got.calibration_error == pytest.approx(4 / 6 * 0.15)


def test_scores_beside_progress():
    questions = [pair(0.1, 0.3), pair(0.2, 0.4)]
    rising = [
        says(1.0, scores=((0.1, 0.1), (0.5, 0.5))),
        says(1.0, scores=((0.2,) * 2, (0.9,) * 2)),
    ]
    assert quality(questions, rising).score_correlation == pytest.approx(1.0)
    falling = [
        says(1.0, scores=((0.9,) * 2, (0.2,) * 2)),
        says(1.0, scores=((0.5,) * 2, (0.1,) * 2)),
    ]
    assert quality(questions, falling).score_correlation == pytest.approx(-1.0)


def test_cost_and_latency():
    answers = [says(1.0, tokens=10, cost_usd=0.01, seconds=2.0), says(0.0, tokens=5, seconds=4.0)]
    got = quality([pair(0.1, 0.3)] * 2, answers)
    assert (got.tokens, got.cost_usd, got.seconds) == (15, 0.01, 3.0)


def test_nobody_answered_anything():
    got = quality([], [])
    assert got.asked == 0 and got.accuracy is None and got.by_reward_gap == ()


def test_agreement_beyond_chance():
    first = [says(p) for p in (1.0, 1.0, 0.0, 0.0, None, 0.5)]
    second = [says(p) for p in (1.0, 0.0, 0.0, 0.0, 1.0, 1.0)]
    got = agreement(first, second)
    # p = 1/2 and 1/4 say B: by chance 1/8 + 3/8 agree.
    expected = {"questions": 6, "decided": 4, "agree": 0.75, "kappa": pytest.approx(0.5)}
    assert got == expected
    assert agreement(first[:1], first[:1])["kappa"] is None  # both always say B
    assert agreement(first[4:], second[4:])["agree"] is None


def rated(progress, asks="rating", classes=4):
    return Single(clip(progress / 2.0), asks, classes, "task", 0, 0)


def test_labels_of_single_clips():
    queries = [rated(p) for p in (0.1, 0.4, 0.6, 0.9, 0.9)]  # classes 0, 1, 2, 3, 3
    labels = [SingleLabel(v, "") for v in (0.0, 2.0, 3.0, 3.0, None)]
    got = value_quality(queries, labels)
    assert (got.asked, got.decided, got.abstained) == (5, 4, 1)
    assert got.accuracy == 0.5 and got.mean_error == 0.5
    assert got.correlation == pytest.approx(spearman([0, 2, 3, 3], [0.1, 0.4, 0.6, 0.9]))
    done = [rated(p, "completion", None) for p in (0.94, 0.95, 1.0)]
    assert value_quality(done, [SingleLabel(1.0, "")] * 3).accuracy == pytest.approx(2 / 3)
    progress = [rated(p, "progress", None) for p in (0.25, 0.5)]
    got = value_quality(progress, [SingleLabel(0.5, ""), SingleLabel(1.0, "")])
    assert got.accuracy is None and got.mean_error == pytest.approx(0.375)
    assert got.correlation == pytest.approx(1.0)
    assert value_quality([], []).mean_error is None
    with pytest.raises(ValueError, match="queries ask different things"):
        value_quality([*progress, *done], [SingleLabel(1.0, "")] * 5)


def test_rank_correlation_with_ties():
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (2, 40))
    assert spearman(x, y) == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    assert spearman([1.0, 1.0], [0.0, 1.0]) is None
