"""Scripted teachers: pairs as recorded, and every other kind of query in closed form."""

import numpy as np
import pytest

from core_jax.feedback.queries import Clip, Order, Pair, Single, check_label
from core_jax.feedback.teachers.scripted import ScriptedTeacher
from core_jax.feedback.teachers.scripted_config import PRESETS, ScriptedConfig


def clip(progress, dense=0.0, steps=1, key=0):
    """A clip that ends with these values; `key` sets what it looks like."""
    rng = np.random.default_rng([key, int(1e6 * progress)])
    shapes = ((steps, 3), (steps, 2), (steps, 3), (steps, 4))
    arrays = (rng.random(s).astype(np.float32) for s in shapes)
    ends = (np.linspace(0.0, end, steps + 1, dtype=np.float32)[1:] for end in (dense, progress))
    return Clip(*arrays, *ends)


def single(shown, asks="rating", classes=None):
    if asks == "rating" and classes is None:
        classes = 3
    return Single(shown, asks, classes, "task", 0, 0)


def values(config, queries, seed=0, context=None):
    labels = ScriptedTeacher(config, seed).ask(queries, context)
    for query, label in zip(queries, labels, strict=True):
        check_label(query, label)
    return [label.value for label in labels]


# As answered by commit 6f2c7e9, for pairs of random clips of six steps.
RECORDED = {
    "oracle": [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
    "mistake": [0.0, None, 0.0, None, 1.0, None, 1.0, 1.0],  # in both orders
    "noisy": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    "skip": [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
    "myopic": [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
    "equal": [0.0, 0.5, 0.0, 0.0, 0.5, 1.0, 0.5, 1.0],
    "vlm_like": [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, None, 1.0],
}


def recorded_pairs():
    rng = np.random.default_rng(7)
    shapes = ((6, 3), (6, 2), (6, 3), (6, 4), 6, 6)
    draw = lambda: Clip(*(rng.random(s).astype(np.float32) for s in shapes))
    return [Pair(draw(), draw(), "task", 0, 0) for _ in range(8)]


@pytest.mark.parametrize("kind", PRESETS)
def test_pairs_are_answered_as_by_every_version(kind):
    teacher = ScriptedTeacher(ScriptedConfig(kind, both_orders=kind == "mistake"), seed=3)
    labels = teacher.ask(recorded_pairs(), 0.5)
    assert [label.preference for label in labels] == RECORDED[kind]
    if kind == "vlm_like":
        assert labels[0].scores_a == (0.5044205247747153, 0.20433479304573823, 0.047487665323842215)
        assert labels[0].reason == "B seems -14.11 resolutions better"


@pytest.mark.parametrize(
    ("progress", "classes", "expected"),
    [(0.0, 3, 0), (0.33, 3, 0), (0.34, 3, 1), (0.66, 3, 1), (0.67, 3, 2), (1.0, 3, 2),
     (0.49, 2, 0), (0.5, 2, 1), (0.81, 5, 4)],
)  # fmt: skip
def test_an_oracles_rating_is_an_equal_bin_of_progress(progress, classes, expected):
    oracle = ScriptedConfig("oracle", judge="progress")
    assert values(oracle, [single(clip(progress), "rating", classes)]) == [expected]


def test_the_last_step_is_rated_by_what_the_teacher_judges():
    shown = clip(progress=0.9, dense=0.1, steps=20)
    assert values(ScriptedConfig("oracle"), [single(shown)]) == [0]
    assert values(ScriptedConfig("oracle", judge="progress"), [single(shown)]) == [2]


@pytest.mark.parametrize(("progress", "expected"), [(0.94, 0), (0.95, 1), (1.0, 1), (0.0, 0)])
def test_completion_is_progress_of_at_least_95_percent(progress, expected):
    assert values(ScriptedConfig("oracle"), [single(clip(progress), "completion")]) == [expected]


def test_progress_is_the_ground_truth_with_noise():
    queries = [single(clip(0.5, key=k), "progress") for k in range(2_000)]
    assert values(ScriptedConfig("oracle", score_noise=0.0), queries[:3]) == [0.5] * 3
    found = np.array(values(ScriptedConfig("oracle", score_noise=0.05), queries))
    assert abs(found.mean() - 0.5) < 0.005 and abs(found.std() - 0.05) < 0.004


def test_limited_acuity_is_a_logistic_error_in_units_of_resolution():
    config = ScriptedConfig("vlm_like", unsure=0.0, mistake=0.0, score_noise=0.0, resolution=0.03)
    queries = [single(clip(0.5, key=k), "progress") for k in range(2_000)]
    errors = (np.array(values(config, queries)) - 0.5) / 0.03
    assert abs(errors.mean()) < 0.1 and abs(errors.std() - np.pi / np.sqrt(3)) < 0.1


@pytest.mark.parametrize("distance", [0.5, 2.0, 5.0])
def test_ratings_err_where_there_is_little_to_see(distance):
    """P(right) is the logistic function of the distance from the boundary in resolutions."""
    config = ScriptedConfig("vlm_like", judge="progress", unsure=0.0, mistake=0.0, resolution=0.02)
    shown = [clip(0.5 + 0.02 * distance, key=k) for k in range(3_000)]
    right = np.mean(values(config, [single(s, "rating", 2) for s in shown]))
    assert abs(right - 1.0 / (1.0 + np.exp(-distance))) < 0.03


def test_a_rating_is_unsure_near_a_boundary():
    config = ScriptedConfig("vlm_like", judge="progress", unsure=0.3, resolution=0.02)
    for distance in (0.0, 1.0, 4.0):
        shown = [clip(0.5 - 0.02 * distance, key=k) for k in range(3_000)]
        found = values(config, [single(s, "rating", 2) for s in shown])
        share = np.mean([v is None for v in found])
        assert abs(share - 0.3 * np.exp(-distance)) < 0.03, distance


def test_mistakes_are_other_classes():
    config = ScriptedConfig("mistake", judge="progress", mistake=0.3)
    queries = [single(clip(0.5, key=k)) for k in range(3_000)]
    counts = np.bincount(np.array(values(config, queries), int), minlength=3) / 3_000
    np.testing.assert_allclose(counts, [0.15, 0.7, 0.15], atol=0.03)
    always = ScriptedConfig("mistake", mistake=1.0)
    assert values(always, [single(clip(1.0), "completion")]) == [0]


def test_a_stochastic_teacher_errs_as_over_pairs():
    """P(B better) of its preferences is sigmoid(beta * H * gap); here the gap is to a boundary."""
    config = ScriptedConfig("noisy", judge="progress", beta=2.0)
    shown = [clip(0.6, steps=10, key=k) for k in range(3_000)]
    right = np.mean(values(config, [single(s, "rating", 2) for s in shown]))
    assert abs(right - 1.0 / (1.0 + np.exp(-2.0 * 10 * 0.1))) < 0.03


def test_abstentions():
    assert values(ScriptedConfig("oracle", abstain=1.0), [single(clip(0.5))]) == [None]
    skip = ScriptedConfig("skip", judge="progress", skip=0.5)
    queries = [single(clip(0.2)), single(clip(0.6)), single(clip(0.2), "completion")]
    assert values(skip, queries, context=0.8) == [None, 1.0, 0.0]


def test_the_same_clip_seems_the_same_whatever_is_asked():
    config = ScriptedConfig("vlm_like", judge="progress", unsure=0.0, mistake=0.0, score_noise=0.0)
    shown = [clip(0.5, key=k) for k in range(200)]
    seen = values(config, [single(s, "progress") for s in shown])
    assert values(config, [single(s, "progress") for s in shown]) == seen
    ratings = values(config, [single(s, "rating", 2) for s in shown])
    assert ratings == [float(u >= 0.5) for u in seen]
    assert values(config, [single(s, "progress") for s in shown], seed=1) != seen


def test_an_oracle_orders_by_the_last_step():
    shown = (clip(0.5), clip(0.1), clip(0.9), clip(0.1, key=1))
    query = Order(shown, "task", 0, 0)
    [label] = ScriptedTeacher(ScriptedConfig("oracle", judge="progress")).ask([query])
    check_label(query, label)
    assert label.order == (1, 3, 0, 2)  # equal ones as they are shown


def test_orders_with_errors():
    shown = tuple(clip(0.2 * i) for i in range(5))
    ordered = lambda config: ScriptedTeacher(config).ask([Order(shown, "task", 0, 0)])[0].order
    swapped = ordered(ScriptedConfig("mistake", judge="progress", mistake=1.0))
    assert sorted(swapped) == list(range(5)) and sum(i != j for i, j in enumerate(swapped)) == 2
    close = [tuple(clip(0.5 + 0.01 * i, key=k) for i in range(2)) for k in range(2_000)]
    config = ScriptedConfig("vlm_like", judge="progress", mistake=0.0, unsure=0.3, resolution=0.02)
    queries = [Order(pair, "task", 0, 0) for pair in close]
    labels = ScriptedTeacher(config).ask(queries)
    share = np.mean([label.order is None for label in labels])
    assert abs(share - 0.3 * np.exp(-0.5)) < 0.03
    right = np.mean([label.order == (0, 1) for label in labels if label.decided])
    assert 0.52 < right < 0.66


def test_answers_do_not_depend_on_what_else_is_asked():
    config = ScriptedConfig("vlm_like")
    queries = [single(clip(0.1 * i), asks) for i in range(8) for asks in ("rating", "completion")]
    alone = [values(config, [query])[0] for query in queries]
    assert values(config, queries[::-1]) == alone[::-1]
