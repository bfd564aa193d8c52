"""Learning from ratings: the loss written out by hand, the boundaries, and batches by class."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import fitting, rating
from core_jax.reward_models.fitting import Pass
from core_jax.reward_models.rating import RatingConfig, Ratings, make_rating

CONFIG = RatingConfig(hidden=(16,), learning_rate=1e-2, epochs=60)
REWARDS = np.array([0.1, -0.3, 0.5, 0.2, 0.7], np.float32)
CLASSES = np.array([1, 0, 2, 0, 2])
ALL = np.ones(5, np.float32)
boundaries = jax.jit(rating.class_boundaries, static_argnums=(3, 4))
loss = jax.jit(rating.rating_loss, static_argnums=(0, 4, 5))


def by_hand(rewards, classes, n, k=30.0, weighted=True, cross_entropy=False):
    """The loss of a batch in which every class occurs, label by label."""
    scaled = (rewards - rewards.min()) / (rewards.max() - rewards.min() + 1e-6)
    ranked = sorted(scaled)
    bounds = [0.0] + [ranked[int((classes <= i).sum()) - 1] for i in range(n - 1)] + [1.0]
    total, weights = 0.0, 0.0
    least = min(1 - np.mean(classes == i) for i in range(n))
    for value, label in zip(scaled, classes, strict=True):
        logits = [-k * (value - bounds[i]) * (value - bounds[i + 1]) for i in range(n)]
        p = np.exp(logits) / np.exp(logits).sum()
        error = sum(abs((i == label) - p[i]) for i in range(n))
        weight = (1 - np.mean(classes == label)) / least if weighted else 1.0
        total += weight * (-np.log(p[label]) if cross_entropy else error)
        weights += weight
    return total / weights


@pytest.mark.parametrize("kind", ["mae", "cross_entropy"])
@pytest.mark.parametrize("weighting", [True, False])
def test_the_loss_is_the_one_worked_out_by_hand(kind, weighting):
    config = dataclasses.replace(CONFIG, loss=kind, weighting=weighting)
    value, log_p = loss(config, REWARDS, CLASSES, ALL, 3)
    expected = by_hand(REWARDS, CLASSES, 3, 30.0, weighting, kind == "cross_entropy")
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(np.exp(log_p).sum(1), 1.0, rtol=1e-5)
    # Rows that do not count change nothing.
    more = [np.append(REWARDS, np.float32(9)), np.append(CLASSES, 1), np.append(ALL, np.float32(0))]
    np.testing.assert_allclose(loss(config, *more, 3)[0], expected, rtol=1e-4)


def test_boundaries_give_each_class_the_share_that_the_labels_have():
    scaled = np.array([0.0, 1.0, 0.25, 0.5, 0.75], np.float32)
    found = boundaries(scaled, CLASSES, ALL, 3)
    np.testing.assert_allclose(found, [0.0, 0.25, 0.5, 1.0])  # two, one and two labels


def test_an_absent_lowest_class_has_no_width_and_in_the_released_code_all_of_it():
    scaled, high = np.array([0.0, 0.5, 1.0], np.float32), np.array([1, 1, 2])
    ours = boundaries(scaled, high, ALL[:3], 3)
    theirs = boundaries(scaled, high, ALL[:3], 3, True)
    np.testing.assert_allclose(ours, [0.0, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(theirs, [0.0, 1.0, 0.5, 1.0])
    # What is in the middle belongs to class 1; the released boundaries say class 0.
    middle = np.array([0.3], np.float32)
    for bounds, expected in ((ours, 1), (theirs, 0)):
        log_p = rating.log_probabilities(middle, bounds, 30.0)
        assert int(jnp.argmax(log_p[0])) == expected


def test_an_absent_middle_or_highest_class_has_no_width_either():
    scaled = np.array([0.0, 0.5, 1.0], np.float32)
    np.testing.assert_allclose(boundaries(scaled, np.array([0, 0, 2]), ALL[:3], 3)[1:3], [0.5, 0.5])
    np.testing.assert_allclose(boundaries(scaled, np.array([0, 0, 1]), ALL[:3], 3)[1:], [0.5, 1, 1])


def test_a_batch_without_a_class_counts_less_in_the_released_code():
    two = np.array([0, 0, 1, 1, 1])
    ours, theirs = (loss(CONFIG, REWARDS, two, ALL, 3, released)[0] for released in (False, True))
    np.testing.assert_allclose(theirs, ours / 3, rtol=1e-6)
    ours, theirs = (loss(CONFIG, REWARDS, CLASSES, ALL, 3, released)[0]
                    for released in (False, True))  # fmt: skip
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)


def test_no_gradient_flows_through_the_boundaries():
    def inner(x):
        return jnp.sum(rating.class_boundaries(x, jnp.asarray(CLASSES), jnp.asarray(ALL), 3))

    np.testing.assert_array_equal(jax.jit(jax.grad(inner))(REWARDS), 0.0)
    slope = jax.jit(jax.grad(lambda x: rating.rating_loss(CONFIG, x, CLASSES, ALL, 3)[0]))(REWARDS)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0


def test_every_batch_has_its_share_of_each_class():
    classes, config = np.repeat([0, 1, 2], [3, 40, 17]), dataclasses.replace(CONFIG, batch_size=20)
    seen = []

    def spy(params, batch, valid, key):
        jax.debug.callback(lambda y, v: seen.append((y, v)), batch.rating, valid, ordered=True)
        return 0.0 * jnp.sum(params), (jnp.float32(0), jnp.float32(1))

    data = Ratings(jnp.zeros((70, 1, 2)), jnp.asarray(np.append(classes, np.zeros(10, int))))
    how = fitting.Fit(config, spy, strata=lambda d, kept: rating._rarity(3, d, kept))
    chosen = Pass(data, jnp.arange(70) < 60)
    opt = how.optimizer.init(jnp.zeros(2))
    most = jnp.iinfo(jnp.int32).max
    jax.jit(lambda key: fitting._pass(how, jnp.zeros(2), opt, chosen, most, key))(jax.random.key(0))
    jax.effects_barrier()
    assert len(seen) == 3
    total = np.zeros((3, 3), int)
    for y, valid in seen:
        for member in range(3):
            counts = np.bincount(y[member][valid[member] > 0], minlength=3)
            assert counts.sum() == 20
            assert counts[0] == 1 and counts[1] in (13, 14) and counts[2] in (5, 6)
            total[member] += counts
    np.testing.assert_array_equal(total, [[3, 40, 17]] * 3)


def test_recovers_what_was_rated():
    frames = jax.random.normal(jax.random.key(0), (300, 1, 3))
    value = frames[:, 0, 0]
    classes = jnp.digitize(value, jnp.array([-0.5, 1.0]))
    model = make_rating(CONFIG, 3)
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    labels = Ratings(frames, classes)
    state, metrics = jax.jit(model.fit)(state, labels, jnp.int32(300), jax.random.key(2))
    found = np.asarray(jax.jit(model.predict)(state, frames[:, 0]))
    order = np.argsort(np.argsort(found)), np.argsort(np.argsort(value))
    assert np.corrcoef(*order)[0, 1] > 0.8 and float(metrics["accuracy"]) > 0.8
