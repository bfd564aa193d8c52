"""Scripted teachers."""

import dataclasses

import numpy as np
import pytest

from core_jax.feedback.queries import Clip, Pair
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.runs.checks import check
from core_jax.runs.presets import make_config


def clip(dense, progress=None):
    dense = np.asarray(dense, np.float32)
    progress = dense if progress is None else np.asarray(progress, np.float32)
    wide = np.repeat(dense[:, None], 3, axis=1)
    return Clip(wide, wide, wide, wide, dense, progress)


def question(a, b, seed=0):
    return Pair(clip(a), clip(b), "open the drawer", seed=seed, round=0)


def many(config, a, b, count=400, context=0.0):
    """The share of answers that prefer B, are equal, are abstained, over perturbed copies."""
    teacher = ScriptedTeacher(config)
    noise = np.random.default_rng(0).uniform(0, 1e-4, (count, 2))
    asked = [question(np.add(a, e), np.add(b, f)) for e, f in noise]
    got = [answer.preference for answer in teacher.ask(asked, context)]
    return [sum(p == v for p in got) / count for v in (1.0, 0.5, None)]


LOW, HIGH = [0.1] * 4, [0.3] * 4


def test_oracle_prefers_the_larger_sum():
    assert many(ScriptedConfig("oracle"), LOW, HIGH) == [1.0, 0.0, 0.0]
    assert many(ScriptedConfig("oracle"), HIGH, LOW) == [0.0, 0.0, 0.0]


def test_exact_ties_are_equal_to_a_rational_teacher():
    pair = Pair(clip(LOW, [0.4, 0.6]), clip(HIGH, [0.6, 0.4]), "x", seed=0, round=0)
    kinds = {kind: ScriptedTeacher(ScriptedConfig(kind, judge="progress")).ask([pair])[0].preference
             for kind in ("oracle", "mistake", "noisy")}  # fmt: skip
    assert kinds["oracle"] == kinds["mistake"] == 0.5 and kinds["noisy"] in (0.0, 1.0)


def test_judging_by_progress_overrules_the_reward():
    pair = Pair(clip(HIGH, LOW), clip(LOW, HIGH), "drive in the nail", seed=0, round=0)
    by_reward, by_progress = (
        ScriptedTeacher(ScriptedConfig("oracle", judge=judge)) for judge in ("reward", "progress")
    )
    assert by_reward.ask([pair])[0].preference == 0.0
    assert by_progress.ask([pair])[0].preference == 1.0
    assert by_progress.name == "scripted-oracle-by-progress"


def test_thresholds_are_of_what_is_judged():
    config = ScriptedConfig("skip", skip=0.5, judge="progress")
    pair = Pair(clip(HIGH, LOW), clip(HIGH, LOW), "drive in the nail", seed=0, round=0)
    assert ScriptedTeacher(config).ask([pair], 0.3)[0].preference is None


def test_mistakes_flip_a_tenth():
    prefers_b, _, _ = many(ScriptedConfig("mistake"), LOW, HIGH)
    assert 0.86 < prefers_b < 0.94


def test_in_both_orders_mistakes_must_agree_to_be_kept():
    prefers_b, _, abstains = many(
        ScriptedConfig("mistake", mistake=0.3, both_orders=True), LOW, HIGH, 2_000
    )
    assert abs(abstains - 2 * 0.3 * 0.7) < 0.04
    assert abs(prefers_b / (1 - abstains) - 0.49 / (0.49 + 0.09)) < 0.04
    assert many(ScriptedConfig("oracle", both_orders=True), LOW, HIGH) == [1.0, 0.0, 0.0]


def test_in_both_orders_a_lean_to_one_side_is_dropped():
    leaning = ScriptedConfig("vlm_like", mistake=0.0, unsure=0.0, order_bias=-50.0)
    assert many(leaning, LOW, HIGH)[0] == 0.0
    assert many(dataclasses.replace(leaning, both_orders=True), LOW, HIGH)[2] == 1.0


def test_noisy_choice_follows_a_softmax():
    prefers_b, _, _ = many(ScriptedConfig("noisy"), LOW, HIGH)
    assert abs(prefers_b - 1 / (1 + np.exp(-0.8))) < 0.06


def test_skip_abstains_on_poor_pairs_only():
    config = ScriptedConfig("skip")  # threshold 0.1 * mean reward * length
    assert many(config, [0.01] * 4, [0.02] * 4, context=1.0)[2] == 1.0
    assert many(config, [0.01] * 4, HIGH, context=1.0)[2] == 0.0


def test_equal_below_the_threshold():
    config = ScriptedConfig("equal")
    assert many(config, LOW, [0.15] * 4, context=1.0)[1] == 1.0
    assert many(config, LOW, HIGH, context=1.0)[1] == 0.0


def test_myopic_looks_at_the_end_of_the_clip():
    early, late = [0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.4]
    assert many(ScriptedConfig("oracle"), early, late)[0] == 0.0
    assert many(ScriptedConfig("oracle", gamma=0.5), early, late)[0] == 1.0


def test_scores_follow_progress_and_are_bounded():
    teacher = ScriptedTeacher(ScriptedConfig(score_noise=0.0))
    [answer] = teacher.ask([question([0.0, 0.5, 1.0], [1.0, 0.0, 0.5])])
    assert answer.scores_a == (0.0, 0.5, 1.0) and answer.scores_b == (1.0, 0.0, 0.5)
    noisy = ScriptedTeacher(ScriptedConfig(score_noise=5.0))
    [answer] = noisy.ask([question([0.0, 0.5, 1.0], [1.0, 0.0, 0.5])])
    assert all(0.0 <= s <= 1.0 for s in answer.scores_a + answer.scores_b)


def test_an_answer_does_not_depend_on_what_else_is_asked():
    teacher = ScriptedTeacher(ScriptedConfig("noisy"))
    asked = [question(np.add(LOW, i / 50), HIGH) for i in range(20)]
    together = teacher.ask(asked)
    alone = [teacher.ask([q])[0] for q in reversed(asked)][::-1]
    assert together == alone


def far(gap):
    """Two clips whose mean reward differs by `gap`."""
    return LOW, [0.1 + gap] * 4


def test_limited_eyes_follow_their_psychometric_function():
    eyes = dict(resolution=0.1, unsure=0.0, order_bias=0.0, mistake=0.0)
    for gap in (0.0, 0.1, 0.2):
        prefers_b, _, abstained = many(ScriptedConfig("vlm_like", **eyes), *far(gap), count=1_500)
        assert abs(prefers_b - 1 / (1 + np.exp(-gap / 0.1))) < 0.04 and abstained == 0.0
    lapsing = ScriptedConfig("vlm_like", **{**eyes, "mistake": 0.2})
    assert abs(many(lapsing, *far(5.0), count=1_500)[0] - 0.8) < 0.04
    leaning = ScriptedConfig("vlm_like", **{**eyes, "order_bias": -1.0})
    assert abs(many(leaning, *far(0.1), count=1_500)[0] - 0.5) < 0.04


def test_limited_eyes_are_less_sure_of_close_pairs():
    config = ScriptedConfig("vlm_like", resolution=0.1, unsure=0.5)
    for gap in (0.0, 0.1, 0.5):
        abstained = many(config, *far(gap), count=1_500)[2]
        assert abs(abstained - 0.5 * np.exp(-gap / 0.1)) < 0.04


def test_limited_eyes_contradict_themselves_only_because_of_the_order():
    noise = np.random.default_rng(0).uniform(0, 1e-4, (400, 2))
    pairs = [question(np.add(LOW, e), np.add(LOW, 0.05 + f)) for e, f in noise]
    turned = [q._replace(a=q.b, b=q.a) for q in pairs]

    def contradicted(bias):
        teacher = ScriptedTeacher(ScriptedConfig("vlm_like", resolution=0.05, order_bias=bias))
        both = zip(teacher.ask(pairs), teacher.ask(turned), strict=True)
        both = [(x.preference, y.preference) for x, y in both]
        assert [x is None for x, _ in both] == [y is None for _, y in both]
        return np.mean([x == y for x, y in both if x is not None])

    assert contradicted(0.0) == 0.0
    # d + e within (-b, b): sigmoid(2) - sigmoid(0) at d = 1, b = 1
    expected = 1 / (1 + np.exp(-2.0)) - 0.5
    assert abs(contradicted(1.0) - expected) < 0.07


def test_a_clip_is_no_longer_than_an_episode():
    config = make_config(task="fold-cloth", feedback={"clip_length": 20}, random_steps=800)
    with pytest.raises(
        ValueError, match=r"clip_length \(20\) must be at most 3, an episode of fold"
    ):
        check(config)
    check(make_config(task="fold-cloth", feedback={"clip_length": 3}))
