"""Behaviour cloning: what it converges to, what weights do, and invariance under vmap."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import bc, ppo
from core_jax.agents.types import ActionSpace

NETWORK = ppo.PPOConfig(hidden=(32, 32), min_std=0.05, init_std=0.6)
CONFIG = bc.BCConfig(gradient_steps=2_000, batch_size=64, lr=3e-3)
BOX = ActionSpace(2)


def demos(noise=0.2, count=512):
    """Observations far from 0, and actions that are linear in them, with noise."""
    obs_key, noise_key = jax.random.split(jax.random.key(0))
    obs = 3.0 + 2.0 * jax.random.normal(obs_key, (count, 3))
    mean = jnp.stack([0.3 * (obs[:, 0] - 3.0) / 2.0, -0.2 * (obs[:, 1] - 3.0) / 2.0], axis=1)
    action = mean + noise * jax.random.normal(noise_key, mean.shape)
    return bc.Demonstrations(obs, action, jnp.ones(count)), mean


def cloned(given, space=BOX, config=CONFIG):
    return jax.jit(lambda d: bc.fit(d, jax.random.key(1), space, NETWORK, config))(given)


def test_the_mean_and_the_deviation_of_the_demonstrations_are_found():
    given, mean = demos(noise=0.2)
    params, metrics = cloned(given)
    found = ppo.distribution(params, given.obs, BOX, NETWORK)
    assert float(jnp.mean(jnp.abs(found.mean - mean))) < 0.06
    np.testing.assert_allclose(jnp.exp(found.log_std).mean(0), 0.2, atol=0.03)
    # The loss of the true distribution: its entropy.
    entropy = 2 * 0.5 * np.log(2 * np.pi * np.e * 0.2**2)
    assert abs(float(metrics["loss"]) - entropy) < 0.15
    assert float(metrics["skipped_updates"]) == 0


def test_steps_of_weight_0_have_no_influence():
    given, mean = demos()
    wrong = given._replace(obs=given.obs, action=-5.0 * jnp.ones_like(given.action))
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), given, wrong)
    both = both._replace(weight=jnp.concatenate([jnp.ones(512), jnp.zeros(512)]))
    params, _ = cloned(both)
    found = ppo.mode(params, given.obs, BOX, NETWORK)
    assert float(jnp.mean(jnp.abs(found - mean))) < 0.1


def test_discrete_actions_are_cloned():
    given, _ = demos()
    right = (given.obs[:, 0] > 3.0).astype(jnp.int32)
    space = ActionSpace(3, discrete=True)
    params, _ = cloned(given._replace(action=right), space)
    found = ppo.mode(params, given.obs, space, NETWORK)
    assert float(jnp.mean(found == right)) > 0.95


def test_seeds_side_by_side_are_the_seeds_alone():
    given, _ = demos(count=64)
    config = dataclasses.replace(CONFIG, gradient_steps=20)
    one = lambda d, key: bc.fit(d, key, BOX, NETWORK, config)[0].actor
    keys = jax.random.split(jax.random.key(3), 2)
    both = jax.tree.map(lambda x: jnp.stack([x, x + 0.1]), given)
    together = jax.jit(jax.vmap(one))(both, keys)
    alone = jax.jit(one)(jax.tree.map(lambda x: x[1], both), keys[1])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[1], b, rtol=2e-4, atol=2e-5), together, alone
    )


def test_without_steps_there_is_an_error():
    nothing = bc.Demonstrations(jnp.zeros((0, 3)), jnp.zeros((0, 2)), jnp.zeros(0))
    with pytest.raises(ValueError, match="0 steps"):
        bc.fit(nothing, jax.random.key(0), BOX, NETWORK, CONFIG)


def test_ppo_continues_from_a_cloned_policy():
    given, _ = demos()
    params, _ = cloned(given, config=dataclasses.replace(CONFIG, gradient_steps=20))
    learner = ppo.PPO(NETWORK, 3, BOX)
    fresh = learner.init(jax.random.key(2))
    state = learner.from_policy(fresh, params)
    np.testing.assert_array_equal(
        learner.mode(learner.policy(state), given.obs), ppo.mode(params, given.obs, BOX, NETWORK)
    )
    reference = ppo.distribution(state.reference, given.obs, BOX, NETWORK)
    current = ppo.distribution(ppo.policy(state), given.obs, BOX, NETWORK)
    np.testing.assert_allclose(current.kl(reference), 0.0, atol=1e-6)
    assert jax.tree.structure(state) == jax.tree.structure(fresh)
    same = jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), state, fresh)
    assert all(jax.tree.leaves(same))
    jax.tree.map(np.testing.assert_array_equal, state.value, fresh.value)
