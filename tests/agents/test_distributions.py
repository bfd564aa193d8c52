"""Action distributions against scipy's densities and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from core_jax.agents.distributions import Categorical, Gaussian

MEAN, LOG_STD = jnp.array([[0.3, -1.0], [2.0, 0.0]]), jnp.array([[-0.5, 0.2], [0.0, 1.0]])


def test_gaussian_log_probability_and_entropy():
    action = jnp.array([[0.1, 0.4], [-3.0, 1.5]])
    reference = scipy.stats.norm(np.asarray(MEAN), np.exp(LOG_STD))
    ours = Gaussian(MEAN, LOG_STD)
    np.testing.assert_allclose(ours.log_prob(action), reference.logpdf(action).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(ours.entropy(), reference.entropy().sum(-1), rtol=1e-5)


def test_kl_of_gaussians():
    """log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, summed over entries."""
    one = Gaussian(jnp.array([1.0, 0.0]), jnp.log(jnp.array([1.0, 2.0])))
    two = Gaussian(jnp.array([0.0, 0.0]), jnp.log(jnp.array([2.0, 2.0])))
    np.testing.assert_allclose(one.kl(two), np.log(2.0) + 2.0 / 8.0 - 0.5, rtol=1e-6)
    np.testing.assert_allclose(two.kl(one), -np.log(2.0) + 5.0 / 2.0 - 0.5, rtol=1e-6)
    assert one.kl(one) == 0.0


def test_gaussian_samples_have_its_moments():
    wide = Gaussian(jnp.broadcast_to(MEAN[1], (20000, 2)), jnp.broadcast_to(LOG_STD[1], (20000, 2)))
    drawn = np.asarray(wide.sample(jax.random.key(0)))
    np.testing.assert_allclose(drawn.mean(0), MEAN[1], atol=0.06)
    np.testing.assert_allclose(drawn.std(0), np.exp(LOG_STD[1]), rtol=0.03)
    np.testing.assert_array_equal(wide.mode(), wide.mean)


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_categorical_log_probability_entropy_and_kl(shift):
    """Probabilities 1/2, 1/4, 1/4; logits may be shifted."""
    p = jnp.array([0.5, 0.25, 0.25])
    ours = Categorical(jnp.log(p) + shift)
    log_probs = jax.vmap(ours.log_prob)(jnp.arange(3))
    np.testing.assert_allclose(log_probs, np.log(p), rtol=1e-5)
    np.testing.assert_allclose(ours.entropy(), 1.5 * np.log(2.0), rtol=1e-5)
    uniform = Categorical(jnp.zeros(3))
    np.testing.assert_allclose(ours.kl(uniform), np.log(3.0) - 1.5 * np.log(2.0), rtol=1e-4)
    np.testing.assert_allclose(
        uniform.kl(ours), -np.log(3.0) + (5.0 / 3.0) * np.log(2.0), rtol=1e-4
    )


def test_categorical_samples_have_its_frequencies():
    logits = jnp.broadcast_to(jnp.log(jnp.array([0.7, 0.2, 0.1])), (20000, 3))
    drawn = Categorical(logits).sample(jax.random.key(0))
    assert drawn.dtype == jnp.int32 and drawn.shape == (20000,)
    np.testing.assert_allclose(np.bincount(drawn) / 20000, [0.7, 0.2, 0.1], atol=0.015)
    np.testing.assert_array_equal(Categorical(logits[:3]).mode(), 0)
