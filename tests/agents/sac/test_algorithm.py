"""SAC: closed-form pieces, invariance under vmap, and that it learns."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from core_jax.agents import networks, sac

SMALL = sac.SACConfig(hidden=(32, 32), batch_size=32)


@jax.jit
def batch(key):
    size, obs, action = 32, 3, 2
    keys = jax.random.split(key, 5)
    return sac.Batch(
        obs=jax.random.normal(keys[0], (size, obs)),
        action=jnp.tanh(jax.random.normal(keys[1], (size, action))),
        reward=jax.random.normal(keys[2], (size,)),
        next_obs=jax.random.normal(keys[3], (size, obs)),
        discount=jnp.full((size,), 0.99),
    )


@jax.jit
def fresh(key):
    return sac.init(key, 3, 2, SMALL)


@functools.cache
def jitted_update(config):
    return jax.jit(functools.partial(sac.update, config=config))


def test_log_probability_of_a_tanh_gaussian():
    mean, log_std = jnp.array([[0.3, -1.0]]), jnp.array([[-0.5, 0.2]])
    action, log_prob = networks.sample_tanh_gaussian(mean, log_std, jax.random.key(0))
    u = np.arctanh(np.asarray(action, np.float64))
    density = scipy.stats.norm(mean, np.exp(log_std)).logpdf(u) - np.log1p(
        -(np.asarray(action) ** 2)
    )
    np.testing.assert_allclose(log_prob, density.sum(-1), rtol=1e-4)


def test_log_probability_stays_finite_at_the_bounds():
    _, log_prob = networks.sample_tanh_gaussian(
        jnp.array([[50.0]]), jnp.array([[-5.0]]), jax.random.key(0)
    )
    assert np.isfinite(log_prob).all()


def test_update_vmaps_over_seeds():
    keys = jax.random.split(jax.random.key(0), 3)
    batches = jax.jit(jax.vmap(batch))(keys)
    together, metrics = jax.jit(jax.vmap(functools.partial(sac.update, config=SMALL)))(
        jax.jit(jax.vmap(fresh))(keys), batches, keys
    )
    for i in range(3):
        alone, expected = jitted_update(SMALL)(
            fresh(keys[i]), jax.tree.map(lambda x, i=i: x[i], batches), keys[i]
        )
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], together), alone, atol=1e-5)
        np.testing.assert_allclose(metrics["critic_loss"][i], expected["critic_loss"], rtol=1e-4)


def test_the_average_actor_is_the_moving_average_of_the_actor():
    config = dataclasses.replace(SMALL, actor_average=0.25)
    state = fresh(jax.random.key(0))
    expected = state.actor
    for i in range(3):
        state, _ = jitted_update(config)(state, batch(jax.random.key(i)), jax.random.key(i))
        expected = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, expected, state.actor)
    chex.assert_trees_all_close(state.average_actor, expected, atol=1e-6)


def test_a_world_that_ended_does_not_bootstrap():
    state = fresh(jax.random.key(0))
    ended = batch(jax.random.key(1))._replace(discount=jnp.zeros(32))
    other = ended._replace(next_obs=ended.next_obs + 100.0)
    losses = [
        jitted_update(SMALL)(state, b, jax.random.key(2))[1]["critic_loss"] for b in (ended, other)
    ]
    assert losses[0] == losses[1]
    alive = jitted_update(SMALL)(
        state, other._replace(discount=jnp.full(32, 0.99)), jax.random.key(2)
    )[1]["critic_loss"]
    assert alive != losses[0]


def test_reset_critic_keeps_actor_and_temperature():
    state = fresh(jax.random.key(0))
    state, _ = jitted_update(SMALL)(state, batch(jax.random.key(1)), jax.random.key(2))
    reset = jax.jit(lambda s, k: sac.reset_critic(s, k, 3, 2, SMALL))
    renewed = reset(state, jax.random.key(3))
    chex.assert_trees_all_equal(renewed.actor, state.actor)
    chex.assert_trees_all_equal(renewed.actor_opt, state.actor_opt)
    chex.assert_trees_all_equal(renewed.critic, renewed.target_critic)
    kernel = lambda s: s.critic["params"]["mlp"]["layer_0"]["kernel"]
    assert not np.allclose(kernel(renewed), kernel(state))
    assert int(renewed.critic_opt[0].count) == 0


@pytest.mark.parametrize("layer_norm", [True, False])
def test_learns_a_bandit(layer_norm):
    """One-step world, reward -(a - 0.5)^2: the policy's mean must go to 0.5 in each action."""
    config = sac.SACConfig(
        hidden=(32, 32), layer_norm=layer_norm, critic_lr=3e-3, actor_lr=3e-3, temperature_lr=3e-3
    )
    state = jax.jit(lambda k: sac.init(k, 1, 2, config))(jax.random.key(0))

    def step(state, key):
        act_key, update_key = jax.random.split(key)
        obs = jnp.ones((128, 1))
        action = jax.random.uniform(act_key, (128, 2), minval=-1.0)
        reward = -jnp.sum(jnp.square(action - 0.5), axis=1)
        drawn = sac.Batch(obs, action, reward, obs, jnp.zeros(128))
        return sac.update(state, drawn, update_key, config)

    state, _ = jax.jit(lambda s, k: jax.lax.scan(step, s, k))(
        state, jax.random.split(jax.random.key(1), 1500)
    )
    action = sac.act(state.actor, jnp.ones((1, 1)), jnp.zeros((1, 2)), config)
    np.testing.assert_allclose(action, [[0.5, 0.5]], atol=0.1)


def test_exploration_noise_is_standard_normal_and_correlated():
    config = sac.SACConfig(noise_correlation=0.9)
    step = lambda noise, key: 2 * (sac.correlated_noise(noise, key, config),)
    start = jax.random.normal(jax.random.key(0), (64, 4))
    run = jax.jit(lambda n, k: jax.lax.scan(step, n, k)[1])
    noise = np.asarray(run(start, jax.random.split(jax.random.key(1), 500)))
    np.testing.assert_allclose(noise.std(), 1.0, atol=0.03)
    np.testing.assert_allclose((noise[1:] * noise[:-1]).mean(), 0.9, atol=0.03)
    np.testing.assert_allclose((noise[10:] * noise[:-10]).mean(), 0.9**10, atol=0.05)
