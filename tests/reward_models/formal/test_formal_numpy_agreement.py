"""Lowered rewards agree with the same text run under NumPy, alone, vmapped and jitted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from formal_sources import SOURCES

from core_jax.reward_models.formal import compile_reward


def states(count: int, seed: int = 1):
    generator = np.random.default_rng(seed)
    return [0.6 * generator.standard_normal((count, n)).astype(np.float32) for n in (11, 4, 3)]


def expected(source: str, name: str, batch):
    namespace = {}
    exec(source, namespace)  # trusted text of this test, the oracle
    function = namespace[name]
    rows = [np.array(part, np.float64) for part in batch]
    results = [function(*(part[i].copy() for part in rows)) for i in range(len(rows[0]))]
    total = np.array([float(result[0]) for result in results])
    components = {k: np.array([float(result[1][k]) for result in results]) for k in results[0][1]}
    return total, components


@pytest.mark.parametrize("style", sorted(SOURCES))
def test_agrees_with_numpy(style):
    source = SOURCES[style]
    reward = compile_reward(source)
    batch = states(64)
    total, components = expected(source, reward.name, batch)
    assert reward.component_names == tuple(components)
    lowered, named = jax.jit(jax.vmap(reward))(*batch)
    assert lowered.dtype == jnp.float32
    np.testing.assert_allclose(lowered, total, rtol=1e-5, atol=1e-5)
    for name, values in components.items():
        assert named[name].dtype == jnp.float32
        np.testing.assert_allclose(named[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    alone, alone_named = reward(*(part[0] for part in batch))
    assert alone.shape == () and tuple(alone_named) == reward.component_names
    np.testing.assert_allclose(alone, total[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("style", sorted(SOURCES))
def test_gradients_are_finite(style):
    reward = compile_reward(SOURCES[style])
    samples = [np.concatenate([part, np.zeros((1, part.shape[1]))]) for part in states(3)]
    gradients = jax.vmap(jax.grad(lambda *x: reward(*x)[0], argnums=(0, 1, 2)))(*samples)
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))


SINGULAR = [
    "np.linalg.norm(observation[:3])",
    "np.sqrt(np.sum(observation[:3] ** 2))",
    "np.sum(observation[:3] ** 2) ** 0.5",
    "np.where(observation[0] > 0, 1 / observation[0], 0.0)",
    "np.where(observation[0] > 0, np.log(observation[0]), 0.0)",
    "np.where(observation[0] > 0, np.sqrt(observation[0]), 0.0)",
    "(1 / observation[0] if observation[0] > 0 else 0.0)",
    "(observation[0] / np.linalg.norm(observation) if np.linalg.norm(observation) > 0 else 0.0)",
    "(observation[0] > 0 and 1 / observation[0] > 2) * 1.0",
    "(math.log(observation[0]) if observation[0] > 0 else observation[0])",
    "((observation[0]) ** -0.5 if observation[0] > 0 else 0.0)",
    "np.arctan2(observation[0], observation[1])",
    "np.arccos(np.clip(observation[0] + 1, -1, 1))",
    "np.std(observation[:3])",
    "math.hypot(observation[0], observation[1])",
]


@pytest.mark.parametrize("expression", SINGULAR)
def test_singular_points_have_finite_value_and_gradient(expression):
    source = f"def reward(observation, action, target_pos):\n    x = {expression}\n"
    reward = compile_reward(source + "    return x, {'x': x}\n")
    zeros = jnp.zeros(11), jnp.zeros(4), jnp.zeros(3)
    value, gradient = jax.value_and_grad(lambda o: reward(o, *zeros[1:])[0])(zeros[0])
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
