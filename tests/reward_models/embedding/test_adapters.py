"""Adapters of an image-text model: what is fitted, and that seeds do not meet."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from core_jax.reward_models.embedding.adapters import (
    AdapterConfig,
    AdapterModel,
    OracleLabels,
    Transitions,
)

D, K, Q, T, A = 8, 3, 16, 12, 2
CONFIG = AdapterConfig(hidden=16, out=4, learning_rate=1e-2, batches=40, batch_size=8)


@pytest.fixture(scope="module")
def model():
    text = np.random.default_rng(0).normal(size=D)
    return AdapterModel(CONFIG, A, (text / np.linalg.norm(text)).astype(np.float32), every=5)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(Q, 2, K, D)).astype(np.float32)
    target = (features[:, 1, :, 0].sum(1) > features[:, 0, :, 0].sum(1)).astype(np.float32)
    steps = rng.normal(size=(T, 2, D)).astype(np.float32)
    action = steps[:, 1, :A] - steps[:, 0, :A]
    return OracleLabels(features, target), Transitions(steps, action)


def test_a_clips_return_is_the_sum_of_its_cosines_times_the_stride(model, data):
    state = model.init(jax.random.key(0))
    net, labels = model._net, data[0]
    pictures = net.apply(state.params, labels.features, method=lambda m, x: m.picture(x))
    text = net.apply(state.params, jnp.asarray(model.text), method=lambda m, x: m.text(x))
    cosine = optax.losses.cosine_similarity(pictures, jnp.broadcast_to(text, pictures.shape))
    found = model.returns(state, labels.features)
    np.testing.assert_allclose(found, 5 * cosine.sum(-1), rtol=1e-4, atol=1e-5)
    assert found.shape == (Q, 2)


def test_a_fit_learns_the_answers_and_the_actions(model, data):
    state = model.init(jax.random.key(0))
    labels, steps = data
    fit = jax.jit(model.fit)
    _, before = fit(state, labels, jnp.int32(Q), steps, jax.random.key(1))
    for i in range(5):
        state, after = fit(state, labels, jnp.int32(Q), steps, jax.random.key(2 + i))
    for name in ("preference_loss", "inverse_loss"):
        assert after[name] < 0.5 * before[name]
    returns = model.returns(state, labels.features)
    np.testing.assert_array_equal(returns[:, 1] > returns[:, 0], labels.target > 0.5)


def test_rows_beyond_the_count_have_no_effect_and_none_leaves_the_adapters_as_they_are(model, data):
    state, (labels, steps) = model.init(jax.random.key(0)), data
    other = OracleLabels(
        np.concatenate([labels.features[:4], -7 * labels.features[4:]]), labels.target
    )
    one, two = (
        model.fit(state, given, jnp.int32(4), steps, jax.random.key(1))[0]
        for given in (labels, other)
    )
    jax.tree.map(np.testing.assert_array_equal, one, two)
    none, _ = model.fit(state, labels, jnp.int32(0), steps, jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, none, state)


def test_seeds_side_by_side_are_seeds_alone(model, data):
    keys = jax.random.split(jax.random.key(3), 2)
    states = jax.vmap(model.init)(keys)
    labels, steps = (jax.tree.map(lambda x: np.stack([x, 2 * x]), d) for d in data)
    together, _ = jax.vmap(model.fit)(states, labels, jnp.array([Q, 5]), steps, keys)
    alone, _ = model.fit(
        jax.tree.map(lambda x: x[1], states),
        jax.tree.map(lambda x: x[1], labels),
        jnp.int32(5),
        jax.tree.map(lambda x: x[1], steps),
        keys[1],
    )
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x[1], y, rtol=1e-3, atol=1e-4), together, alone
    )
