"""Preference learning: closed forms, and that it recovers a known reward."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import preference
from core_jax.reward_models.preference import (
    PreferenceConfig,
    Preferences,
    bradley_terry_loss,
    importance_loss,
    interpolate_scores,
    make_preference,
    shown_frames,
)


def test_bradley_terry_is_the_cross_entropy_of_a_sigmoid():
    value = bradley_terry_loss(jnp.array([1.0]), jnp.array([3.0]), jnp.array([1.0]))
    np.testing.assert_allclose(value, [-np.log(1.0 / (1.0 + np.exp(-2.0)))], rtol=1e-6)
    other = bradley_terry_loss(jnp.array([1.0]), jnp.array([3.0]), jnp.array([0.0]))
    np.testing.assert_allclose(other - value, [2.0], rtol=1e-5)
    equal = bradley_terry_loss(jnp.array([2.0]), jnp.array([2.0]), jnp.array([0.5]))
    np.testing.assert_allclose(equal, [np.log(2.0)], rtol=1e-6)


def test_importance_is_a_kl_divergence():
    scores, rewards = np.array([0.0, 1.0, 0.5]), np.array([0.2, -0.3, 0.9])
    p, q = (np.exp(x) / np.exp(x).sum() for x in (scores, rewards))
    expected = np.sum(p * np.log(p / q))
    np.testing.assert_allclose(
        importance_loss(jnp.array(scores), jnp.array(rewards)), expected, rtol=1e-5
    )
    shifted = importance_loss(jnp.array(scores), jnp.array(scores + 7.0))
    np.testing.assert_allclose(shifted, 0.0, atol=1e-6)


def test_scores_are_spread_linearly_over_the_clip():
    np.testing.assert_array_equal(shown_frames(20, 3), [0, 10, 19])
    spread = interpolate_scores(np.array([0.0, 1.0, 0.1]), 20)
    np.testing.assert_allclose(spread[[0, 5, 10, 19]], [1e-6, 0.5, 1.0, 0.1], atol=1e-6)
    np.testing.assert_allclose(spread[13], 1.0 - 0.9 * 3 / 9, rtol=1e-5)


def data(key, rows=64, length=6, size=3, importance=None):
    """Clips whose better one has the larger sum of its first feature."""
    frames = jax.random.normal(key, (2, rows, length, size))
    total = frames[..., 0].sum(-1)
    target = (total[1] > total[0]).astype(jnp.float32)
    weights = jnp.ones((rows, length)) if importance is None else importance
    return Preferences(frames[0], frames[1], target, weights, weights)


@pytest.fixture(scope="module")
def model():
    config = PreferenceConfig(
        hidden=(32,), learning_rate=1e-2, importance_weight=0.0, epochs=100, stop_accuracy=0.99
    )
    return make_preference(config)


@pytest.fixture(scope="module")
def fit(model):
    return jax.jit(model.fit)


def test_recovers_the_preferred_feature(model, fit):
    train = data(jax.random.key(0), rows=256)
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    state, metrics = fit(state, train, jnp.int32(256), jax.random.key(2))
    held = data(jax.random.key(3), rows=256)
    returns = [model.predict(state, x).sum(-1) for x in (held.frames_a, held.frames_b)]
    accuracy = np.mean((np.asarray(returns[1]) > returns[0]) == (np.asarray(held.target) > 0.5))
    assert accuracy > 0.85
    assert float(metrics["accuracy"]) > 0.9
    assert np.abs(np.asarray(model.predict(state, 100 * held.frames_a))).max() <= 1.0


def test_numpy_arrays_without_scores_learn_as_arrays_of_zeros(fit):
    """The importance weight stays at its default: there is nothing that it could weigh."""
    config = PreferenceConfig(hidden=(8,), epochs=2)
    weighed = make_preference(config)
    state = jax.jit(weighed.init)(jax.random.key(1), jnp.zeros(3))
    full = data(jax.random.key(0), importance=jnp.zeros((64, 6)))
    better = np.asarray(full.target) > 0.5
    bare = Preferences(np.asarray(full.frames_a), np.asarray(full.frames_b), better)  # pyright: ignore
    expected, metrics = weighed.fit(state, full, jnp.int32(64), jax.random.key(2))
    after, same = weighed.fit(state, bare, 64, jax.random.key(2))
    assert int(metrics["epochs"]) == int(same["epochs"]) == 2
    np.testing.assert_allclose(same["loss"], metrics["loss"], rtol=1e-5)
    # Adam's first steps divide by gradients that are nearly 0, so rounding shows.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), after, expected)


def test_scores_of_one_side_alone_are_refused(model):
    half = data(jax.random.key(0))._replace(importance_b=None)
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    with pytest.raises(ValueError, match="importance_a and importance_b must both"):
        model.fit(state, half, 64, jax.random.key(2))


def test_rows_beyond_the_count_are_ignored(model, fit):
    train = data(jax.random.key(0), rows=256)
    spoiled = jax.tree.map(lambda x: x.at[40:].set(jnp.nan), train)
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    after, metrics = fit(state, spoiled, jnp.int32(40), jax.random.key(2))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after))
    assert np.isfinite(metrics["loss"])
    clean, _ = fit(state, train, jnp.int32(40), jax.random.key(2))
    jax.tree.map(np.testing.assert_array_equal, after, clean)


def test_stops_early_and_does_nothing_without_labels(model, fit):
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    train = data(jax.random.key(0), rows=256)
    after, metrics = fit(state, train, jnp.int32(0), jax.random.key(2))
    assert int(metrics["epochs"]) == 0
    jax.tree.map(np.testing.assert_array_equal, after, state)
    easy = train._replace(
        frames_a=train.frames_a.at[..., 0].add(-5.0 * train.target[:, None] + 2.5),
        frames_b=train.frames_b.at[..., 0].add(5.0 * train.target[:, None] - 2.5),
    )
    _, metrics = fit(state, easy, jnp.int32(256), jax.random.key(2))
    assert 0 < int(metrics["epochs"]) < 100


@pytest.mark.parametrize(("batches", "epochs"), [(3, 1), (8, 2), (20, 5), (None, 30)])
def test_a_round_ends_with_its_batches(batches, epochs):
    """64 pairs in batches of 16 are four batches an epoch."""
    config = PreferenceConfig((8,), batch_size=16, epochs=30, batches=batches, stop_accuracy=2.0)
    limited = make_preference(config)
    state = jax.jit(limited.init)(jax.random.key(1), jnp.zeros(3))
    after, metrics = jax.jit(limited.fit)(
        state, data(jax.random.key(0)), jnp.int32(64), jax.random.key(2)
    )
    assert int(metrics["epochs"]) == epochs
    assert int(after.opt[0].count) == (min(batches, 4) if batches else 4) * epochs


def test_thin_clips_and_shared_batches_learn_as_well():
    config = PreferenceConfig(
        (32,), learning_rate=1e-2, importance_weight=0.0, epochs=60, stop_accuracy=0.99,
        clip_frames=3, shared_batches=True,
    )  # fmt: skip
    thin = make_preference(config)
    state = jax.jit(thin.init)(jax.random.key(1), jnp.zeros(3))
    train, held = data(jax.random.key(0), rows=256), data(jax.random.key(3), rows=256)
    state, _ = jax.jit(thin.fit)(state, train, jnp.int32(256), jax.random.key(2))
    returns = [thin.predict(state, x).sum(-1) for x in (held.frames_a, held.frames_b)]
    accuracy = np.mean((np.asarray(returns[1]) > returns[0]) == (np.asarray(held.target) > 0.5))
    assert accuracy > 0.85


def test_fit_vmaps_over_seeds(model, fit):
    keys = jax.random.split(jax.random.key(5), 2)
    states = [jax.jit(model.init)(k, jnp.zeros(3)) for k in keys]
    sets = [data(k, rows=64) for k in keys]
    stack = lambda *xs: jnp.stack(xs)
    together, metrics = jax.jit(jax.vmap(model.fit))(
        jax.tree.map(stack, *states), jax.tree.map(stack, *sets), jnp.array([64, 30]), keys
    )
    for i, count in enumerate((64, 30)):
        alone, expected = jax.jit(model.fit)(states[i], sets[i], jnp.int32(count), keys[i])
        assert int(metrics["epochs"][i]) == int(expected["epochs"])
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=5e-3), together, alone
        )


def test_importance_term_shapes_the_reward_over_time():
    config = PreferenceConfig(hidden=(32,), learning_rate=3e-3, epochs=60, stop_accuracy=2.0)
    learned = make_preference(config)
    train = data(jax.random.key(0), rows=128)
    # The second feature says where in the clip the teacher saw progress.
    train = train._replace(
        importance_a=jax.nn.sigmoid(3 * train.frames_a[..., 1]),
        importance_b=jax.nn.sigmoid(3 * train.frames_b[..., 1]),
    )
    state = jax.jit(learned.init)(jax.random.key(1), jnp.zeros(3))
    state, _ = jax.jit(learned.fit)(state, train, jnp.int32(128), jax.random.key(2))
    low, high = jnp.array([0.0, -2.0, 0.0]), jnp.array([0.0, 2.0, 0.0])
    assert float(learned.predict(state, high)) > float(learned.predict(state, low)) + 0.2


def test_ensemble_members_differ():
    model = preference.make_preference(PreferenceConfig(hidden=(8,)))
    state = jax.jit(model.init)(jax.random.key(0), jnp.zeros(3))
    members = model.members(state, jnp.ones((5, 3)))
    assert members.shape == (3, 5)
    assert np.ptp(np.asarray(members[:, 0])) > 0


def test_batches_that_are_not_finite_are_skipped_and_counted(model, fit):
    """One clip with a NaN: the rows beside it are learned from."""
    rows = data(jax.random.key(3))
    state = model.init(jax.random.key(0), jnp.zeros(3))
    spoiled = rows._replace(frames_a=rows.frames_a.at[5, 2, 1].set(jnp.nan))
    found, metrics = fit(state, spoiled, jnp.int32(64), jax.random.key(1))
    assert metrics["skipped"] > 0 and np.isfinite(metrics["loss"])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))
    moved = [
        not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (found, state)), strict=True)
    ]
    assert any(moved)
    whole = rows._replace(frames_a=jnp.full_like(rows.frames_a, jnp.nan))
    found, metrics = fit(state, whole, jnp.int32(64), jax.random.key(1))
    for a, b in zip(*map(jax.tree.leaves, (found, state)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert metrics["loss"] == 0.0 and metrics["skipped"] > 0


def test_another_reward_explains_its_part_of_the_labels():
    """The offset stands beside the returns' difference in Bradley and Terry's model."""
    config = PreferenceConfig(hidden=(4,), batch_size=64, epochs=1, importance_weight=0.0)
    model = make_preference(config)
    train = data(jax.random.key(0))
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    offset = 4.0 * train.target - 1.0
    frames = [np.asarray(model.members(state, x)) for x in (train.frames_a, train.frames_b)]
    gap = np.asarray(offset) + frames[1].sum(-1) - frames[0].sum(-1)  # [E, M]
    wrong = np.where(np.asarray(train.target) > 0.5, -gap, gap)
    _, metrics = model.fit(state, train._replace(offset=offset), 64, jax.random.key(2))
    # One batch of all labels: the loss before the first step.
    np.testing.assert_allclose(metrics["loss"], np.log1p(np.exp(wrong)).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], (wrong < 0).mean(), rtol=1e-5)


def test_a_pessimist_takes_the_members_deviation_off():
    config = PreferenceConfig(hidden=(4,))
    model = make_preference(config)
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    frames = jax.random.normal(jax.random.key(2), (5, 3))
    members = np.asarray(model.members(state, frames))
    careful = make_preference(dataclasses.replace(config, pessimism=1.5))
    expected = members.mean(0) - 1.5 * members.std(0)
    np.testing.assert_allclose(careful.predict(state, frames), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict(state, frames), members.mean(0), atol=1e-6)
