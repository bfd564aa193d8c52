"""Running moments equal the moments of everything seen."""

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.agents import running_stats


def test_moments_of_parts_are_the_moments_of_the_whole():
    data = np.asarray(jax.random.normal(jax.random.key(0), (60, 3))) * [1.0, 0.1, 5.0] + [0, 100, 1]
    stats = running_stats.init(3)
    for part in (data[:10].reshape(2, 5, 3), data[10:11], data[11:]):
        stats = running_stats.update(stats, jnp.asarray(part, jnp.float32))
    np.testing.assert_allclose(stats.mean, data.mean(0), rtol=1e-4)
    np.testing.assert_allclose(stats.variance, data.var(0), rtol=2e-3)
    assert stats.count == 60


def test_without_observations_nothing_changes():
    obs = jnp.array([[-3.0, 0.5]])
    np.testing.assert_array_equal(running_stats.normalise(running_stats.init(2), obs), obs)


def test_normalised_observations_have_mean_0_and_deviation_1_and_a_limit():
    data = 7.0 + 2.0 * jax.random.normal(jax.random.key(0), (1000, 1))
    stats = running_stats.update(running_stats.init(1), data)
    seen = np.asarray(running_stats.normalise(stats, data))
    np.testing.assert_allclose([seen.mean(), seen.std()], [0.0, 1.0], atol=1e-4)
    np.testing.assert_array_equal(running_stats.normalise(stats, jnp.array([[1e6]])), [[10.0]])


def test_rounding_of_a_constant_entry_is_not_amplified():
    stats = running_stats.update(running_stats.init(1), jnp.full((100, 1), 0.3))
    seen = running_stats.normalise(stats, jnp.array([[0.3 + 1e-6]]))
    assert abs(float(seen[0, 0])) < 0.01
