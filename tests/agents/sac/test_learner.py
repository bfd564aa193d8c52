"""SAC behind the `Learner` protocol does what its functions do, with the same random streams."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import sac
from core_jax.agents.types import ActionSpace

CONFIG = sac.SACConfig(hidden=(16, 16), batch_size=8)
LEARNER = sac.SAC(CONFIG, obs_size=3, action_space=ActionSpace(2))
KEYS = jax.random.split(jax.random.key(0), 8)


def trained():
    """A state whose average actor differs from its actor."""
    obs, action = jax.random.normal(KEYS[1], (8, 3)), jnp.full((8, 2), 0.5)
    data = sac.Batch(obs, action, jnp.arange(8.0), obs + 1.0, jnp.full((8,), 0.9))
    return jax.jit(LEARNER.update)(jax.jit(LEARNER.init)(KEYS[0]), data, KEYS[2])


def test_init_and_update_are_the_functions():
    state, metrics = trained()
    expected = jax.jit(lambda k: sac.init(k, 3, 2, CONFIG))(KEYS[0])
    chex.assert_trees_all_equal(jax.jit(LEARNER.init)(KEYS[0]), expected)
    assert int(state.updates) == 1
    assert set(metrics) == set(LEARNER.metric_names)


@pytest.mark.parametrize("random", [False, True])
def test_act_draws_correlated_noise_and_uniform_actions_from_it(random):
    state, _ = trained()
    carry = LEARNER.init_carry(KEYS[3], 5)
    np.testing.assert_array_equal(carry, jax.random.normal(KEYS[3], (5, 2)))
    obs = jax.random.normal(KEYS[4], (5, 3))

    @jax.jit
    def expected(state, obs, noise, key, random):
        noise = sac.correlated_noise(noise, key, CONFIG)
        uniform = 2.0 * jax.scipy.stats.norm.cdf(noise) - 1.0
        return jnp.where(random, uniform, sac.act(state.actor, obs, noise, CONFIG)), noise

    act = jax.jit(LEARNER.act)
    action, after, extras = act(state, obs, carry, KEYS[5], jnp.bool_(random))
    wanted, noise = expected(state, obs, carry, KEYS[5], jnp.bool_(random))
    np.testing.assert_array_equal(action, wanted)
    np.testing.assert_array_equal(after, noise)
    assert extras == {}


def test_random_actions_are_uniform():
    state, _ = trained()
    act = jax.jit(lambda k: LEARNER.act(state, jnp.zeros((4000, 3)), noise, k, jnp.bool_(True))[0])
    noise = LEARNER.init_carry(KEYS[3], 4000)
    sorted_actions = np.sort(np.asarray(act(KEYS[4])).ravel())
    np.testing.assert_allclose(sorted_actions, np.linspace(-1, 1, 8000), atol=0.04)


def test_mode_is_the_average_actors_mean():
    state, _ = trained()
    obs = jax.random.normal(KEYS[4], (5, 3))
    action = LEARNER.mode(LEARNER.policy(state), obs)
    zeros = jnp.zeros((5, 2))
    np.testing.assert_array_equal(action, sac.act(state.average_actor, obs, zeros, CONFIG))
    assert np.abs(action - sac.act(state.actor, obs, zeros, CONFIG)).max() > 1e-4


def test_reset_value_is_reset_critic():
    state, _ = trained()
    expected = sac.reset_critic(state, KEYS[6], 3, 2, CONFIG)
    chex.assert_trees_all_equal(LEARNER.reset_value(state, KEYS[6]), expected)


def test_a_discrete_space_is_refused():
    with pytest.raises(ValueError, match="sac acts in continuous spaces, not in a choice of 4"):
        sac.SAC(CONFIG, 3, ActionSpace(4, discrete=True))


def test_normalised_learning_does_not_depend_on_the_units_of_observations():
    config = dataclasses.replace(CONFIG, normalise_obs=True)
    learner = sac.SAC(config, obs_size=3, action_space=ActionSpace(2))
    obs, action = jax.random.normal(KEYS[1], (8, 3)), jnp.full((8, 2), 0.5)
    scale, shift = jnp.array([10.0, 0.1, 3.0]), jnp.array([5.0, -1.0, 0.0])
    kernels, modes = [], []
    for change in (lambda x: x, lambda x: scale * x + shift):
        state = learner.init(KEYS[0])
        for i in range(2):
            seen = obs + i
            data = sac.Batch(
                change(seen), action, jnp.arange(8.0), change(seen + 1.0), jnp.full((8,), 0.9)
            )
            state, _ = jax.jit(learner.update)(state, data, KEYS[2])
        kernels.append(state.critic["params"]["mlp"]["layer_0"]["kernel"])
        modes.append(learner.mode(learner.policy(state), change(obs)))
    np.testing.assert_allclose(*kernels, atol=1e-5)
    np.testing.assert_allclose(*modes, atol=1e-4)
    unnormalised = LEARNER.mode(state.average_actor, scale * obs + shift)
    assert np.abs(modes[1] - unnormalised).max() > 1e-2


def test_the_policy_is_the_average_actor_of_normalised_observations():
    config = dataclasses.replace(CONFIG, normalise_obs=True)
    learner = sac.SAC(config, obs_size=3, action_space=ActionSpace(2))
    obs = 2.0 * jax.random.normal(KEYS[1], (8, 3)) + 1.0
    data = sac.Batch(obs, jnp.zeros((8, 2)), jnp.arange(8.0), obs, jnp.full((8,), 0.9))
    state, _ = jax.jit(learner.update)(learner.init(KEYS[0]), data, KEYS[2])
    normalised = (obs - obs.mean(0)) / obs.std(0)
    expected = sac.act(state.average_actor, normalised, jnp.zeros((8, 2)), config)
    np.testing.assert_allclose(learner.mode(learner.policy(state), obs), expected, atol=1e-5)
