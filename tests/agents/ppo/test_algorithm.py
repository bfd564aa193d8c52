"""PPO's state and update: what moves, what stays, and invariance under vmap and jit."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import ppo, running_stats
from core_jax.agents.types import ActionSpace, Rollout

STEPS, ENVS, OBS = 8, 4, 3
CONFIG = ppo.PPOConfig(hidden=(16, 16), epochs=3, minibatches=4, actor_lr=1e-2, value_lr=1e-2)
ONE_STEP = dataclasses.replace(CONFIG, epochs=1, minibatches=1)
SPACES = {"box": ActionSpace(2), "choice": ActionSpace(4, discrete=True)}
KEYS = jax.random.split(jax.random.key(0), 8)


def make(config=CONFIG, space="box"):
    return ppo.PPO(config, OBS, SPACES[space])


def rollout(learner, state, key, reward_scale=1.0):
    """Random observations far from mean 0, acted on by the learner, with a cut in the middle."""
    obs_key, next_key, act_key, reward_key = jax.random.split(key, 4)
    obs = 5.0 + 2.0 * jax.random.normal(obs_key, (STEPS, ENVS, OBS))
    act = lambda obs, key: learner.act(state, obs, (), key, jnp.bool_(False))
    action, _, extras = jax.vmap(act)(obs, jax.random.split(act_key, STEPS))
    return Rollout(
        obs=obs,
        action=action,
        reward=reward_scale * jax.random.normal(reward_key, (STEPS, ENVS)),
        next_obs=5.0 + 2.0 * jax.random.normal(next_key, (STEPS, ENVS, OBS)),
        discount=jnp.ones((STEPS, ENVS)).at[3, 0].set(0.0),
        cut=jnp.zeros((STEPS, ENVS)).at[3, :2].set(1.0),
        extras=extras,
    )


def start(learner, **changes):
    """A state and a rollout of it."""
    state = jax.jit(learner.init)(KEYS[0])
    return state, collect(learner, state, KEYS[0], **changes)


@functools.cache
def jitted_update(learner):
    return jax.jit(learner.update)


collect = jax.jit(rollout, static_argnums=0)


def moved(before, after):
    return max(
        float(jnp.max(jnp.abs(a - b)))
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    )


@pytest.mark.parametrize("space", SPACES)
def test_update_vmaps_over_seeds_and_is_traced_once(space):
    learner, traces = make(space=space), []

    def one(key):
        traces.append(key)
        state = learner.init(key)
        return learner.update(state, rollout(learner, state, key), key)

    keys = KEYS[:3]
    together, metrics = jax.jit(jax.vmap(one))(keys)
    traces.clear()
    alone = jax.jit(one)
    for i in range(3):
        state, expected = alone(keys[i])
        pick = lambda x, i=i: x[i]
        chex.assert_trees_all_close(jax.tree.map(pick, together), state, atol=2e-4)
        chex.assert_trees_all_close(jax.tree.map(pick, metrics), expected, rtol=1e-2, atol=1e-3)
    assert len(traces) == 1
    assert set(metrics) == set(learner.metric_names)


def test_the_state_that_update_returns_traces_nothing_anew():
    learner, traces = make(), []

    @jax.jit
    def iterate(state, key):
        traces.append(1)
        return learner.update(state, rollout(learner, state, key), key)[0]

    state = jax.jit(learner.init)(KEYS[0])
    for key in KEYS[:3]:
        state = iterate(state, key)
    assert len(traces) == 1
    assert int(state.updates) == 3


@pytest.mark.parametrize("space", SPACES)
def test_act_gives_the_log_probability_and_value_of_what_it_drew(space):
    learner = make(space=space)
    state, data = start(learner)
    obs = data.obs[0]
    action, carry, extras = learner.act(state, obs, (), KEYS[1], jnp.bool_(False))
    assert carry == ()
    dist = ppo.distribution(learner.policy(state), obs, learner.action_space, CONFIG)
    np.testing.assert_allclose(extras["log_prob"], dist.log_prob(extras["raw_action"]), rtol=1e-5)
    assert extras["value"].shape == (ENVS,)
    if space == "box":
        np.testing.assert_array_equal(action, np.clip(extras["raw_action"], -1, 1))
        np.testing.assert_allclose(np.exp(dist.log_std), CONFIG.init_std, rtol=1e-5)
    else:
        np.testing.assert_array_equal(action, extras["raw_action"])
        assert action.dtype == jnp.int32


@pytest.mark.parametrize("space, low, high", [("box", -1.0, 1.0), ("choice", 0, 3)])
def test_random_actions_are_uniform_with_their_own_log_probability(space, low, high):
    learner = make(space=space)
    state, _ = start(learner)
    obs = jnp.zeros((4000, OBS))
    action, _, extras = learner.act(state, obs, (), KEYS[1], jnp.bool_(True))
    flat = np.sort(np.asarray(action, np.float64).ravel())
    expected = np.linspace(low, high, flat.size)
    if space == "choice":
        expected = np.repeat(np.arange(4), 1000)
        assert np.mean(flat != expected) < 0.05
    else:
        np.testing.assert_allclose(flat, expected, atol=0.04)
    chance = -np.log(4.0)  # 4 choices; a box of 2 x 2
    np.testing.assert_allclose(extras["log_prob"], chance, rtol=1e-6)


def test_the_first_gradient_step_is_taken_by_the_policy_that_acted():
    """Also at the second update, when the moments of observations have changed."""
    learner = make(ONE_STEP)
    state, data = start(learner)
    for key in KEYS[:2]:
        state, metrics = jitted_update(learner)(state, data, key)
        np.testing.assert_allclose(metrics["approx_kl"], 0.0, atol=1e-6)
        assert metrics["clip_fraction"] == 0.0
        data = collect(learner, state, key)


def test_moments_are_those_of_the_rollouts_observations():
    learner = make()
    state, data = start(learner)
    state, _ = jitted_update(learner)(state, data, KEYS[1])
    chex.assert_trees_all_close(
        state.obs_stats, running_stats.update(running_stats.init(OBS), data.obs)
    )
    off = make(dataclasses.replace(CONFIG, normalise_obs=False))
    other = dataclasses.replace(state, obs_stats=running_stats.init(OBS))
    modes = [off.mode(off.policy(s), data.obs[0]) for s in (state, other)]
    np.testing.assert_array_equal(*modes)
    assert moved(*(learner.mode(learner.policy(s), data.obs[0]) for s in (state, other))) > 1e-4


def test_an_update_stops_at_its_target_kl():
    loose = make(dataclasses.replace(ONE_STEP, epochs=5))
    tight = make(dataclasses.replace(ONE_STEP, epochs=5, target_kl=1e-9))
    state, data = start(loose)
    _, metrics = jitted_update(loose)(state, data, KEYS[1])
    assert metrics["gradient_steps"] == 5
    stopped, metrics = jitted_update(tight)(state, data, KEYS[1])
    assert metrics["gradient_steps"] == 1  # the first step starts at a divergence of 0
    once, expected = jitted_update(make(ONE_STEP))(state, data, KEYS[1])
    chex.assert_trees_all_close(stopped.actor, once.actor, atol=1e-5)
    chex.assert_trees_all_close(stopped.value, once.value, atol=1e-5)
    np.testing.assert_allclose(metrics["value_loss"], expected["value_loss"], rtol=1e-5)


def test_learning_rates_fall_to_zero():
    learner = make(dataclasses.replace(CONFIG, decay_updates=2))
    state, data = start(learner)
    rates, distances = [], []
    for key in KEYS[:3]:
        after, metrics = jitted_update(learner)(state, data, key)
        rates.append(float(metrics["actor_lr"]))
        distances.append(moved((state.actor, state.value), (after.actor, after.value)))
        state = after
    np.testing.assert_allclose(rates, [1e-2, 5e-3, 0.0])
    assert distances[0] > 0 and distances[1] > 0 and distances[2] == 0


def test_gradients_are_limited_in_norm():
    """Adam's first moment after one step is a tenth of the gradient."""
    learner = make(dataclasses.replace(ONE_STEP, max_grad_norm=0.01))
    state, data = start(learner, reward_scale=1e4)
    state, _ = jitted_update(learner)(state, data, KEYS[1])
    norms = [
        np.sqrt(sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(opt[1].mu)))
        for opt in (state.actor_opt, state.value_opt)
    ]
    np.testing.assert_allclose(norms[1], 0.001, rtol=1e-4)
    assert norms[0] <= 0.0010001


def test_reset_value_keeps_the_policy():
    learner = make()
    state, data = start(learner)
    state, _ = jitted_update(learner)(state, data, KEYS[1])
    fresh = learner.reset_value(state, KEYS[2])
    chex.assert_trees_all_equal(learner.policy(fresh), learner.policy(state))
    chex.assert_trees_all_equal(fresh.actor_opt, state.actor_opt)
    assert moved(fresh.value, state.value) > 0.01
    assert int(fresh.value_opt[1].count) == 0


@pytest.mark.parametrize("space", SPACES)
def test_the_kl_penalty_pulls_the_policy_to_its_reference(space):
    """Without advantages only the penalty acts."""
    config = dataclasses.replace(CONFIG, epochs=20, normalise_advantage=False, kl_weight=1.0)
    learner = make(config, space)
    state, data = start(learner)
    shift = lambda x: x + 0.3 * jax.random.normal(KEYS[3], x.shape)
    other = dataclasses.replace(state, actor=jax.tree.map(shift, state.actor))
    state = learner.set_reference(state, learner.policy(other))
    silent = data._replace(
        reward=data.extras["value"], discount=jnp.zeros((STEPS, ENVS)), cut=jnp.ones((STEPS, ENVS))
    )
    update = jitted_update(learner)
    one_step = make(dataclasses.replace(ONE_STEP, kl_weight=1.0), space)
    _, first = jitted_update(one_step)(state, silent, KEYS[1])
    state, _ = update(state, silent, KEYS[1])
    # The moments of observations have moved, and the reference keeps its own.
    state = dataclasses.replace(state, obs_stats=other.obs_stats)
    _, last = update(state, silent, KEYS[2])
    assert first["reference_kl"] > 0.01
    assert last["reference_kl"] < 0.2 * first["reference_kl"]


def test_a_policy_that_is_its_own_reference_has_no_divergence():
    learner = make(ONE_STEP)
    state, data = start(learner)
    state, _ = jitted_update(learner)(state, data, KEYS[1])
    data = collect(learner, state, KEYS[2])
    _, before = jitted_update(learner)(state, data, KEYS[1])
    state = learner.set_reference(state, learner.policy(state))
    _, after = jitted_update(learner)(state, data, KEYS[1])
    assert before["reference_kl"] > 1e-4
    np.testing.assert_allclose(after["reference_kl"], 0.0, atol=1e-6)


def test_entropy_weight_raises_the_entropy():
    entropies = []
    for weight in (0.0, 1.0):
        config = dataclasses.replace(CONFIG, epochs=20, entropy_weight=weight)
        learner = make(config)
        state, data = start(learner)
        state, _ = jitted_update(learner)(state, data, KEYS[1])
        dist = ppo.distribution(learner.policy(state), data.obs[0], learner.action_space, config)
        entropies.append(float(dist.entropy().mean()))
    assert entropies[1] > entropies[0] + 0.1


@pytest.mark.parametrize("dependent", [False, True])
def test_only_a_state_dependent_deviation_differs_between_observations(dependent):
    config = dataclasses.replace(CONFIG, state_dependent_std=dependent)
    learner = make(config)
    state, data = start(learner)
    state, _ = jitted_update(learner)(state, data, KEYS[1])
    dist = ppo.distribution(learner.policy(state), data.obs[0], learner.action_space, config)
    assert moved(dist.log_std, jnp.full((ENVS, 2), np.log(config.init_std))) > 1e-3
    assert (np.ptp(dist.log_std, axis=0).max() > 1e-4) == dependent


def test_minibatches_must_divide_the_rollout():
    learner = make(dataclasses.replace(CONFIG, minibatches=5))
    state, data = start(learner)
    with pytest.raises(ValueError, match="minibatches is 5, which does not divide a rollout of 8"):
        learner.update(state, data, KEYS[1])


def test_min_std_must_be_below_init_std():
    with pytest.raises(ValueError, match="min_std .* must be less than init_std"):
        ppo.PPOConfig(min_std=0.5, init_std=0.5)


def test_a_warm_up_of_the_value_network_leaves_the_policy_as_it_is():
    learner = make(dataclasses.replace(CONFIG, value_warm_up=1))
    state, data = start(learner)
    first, _ = jitted_update(learner)(state, data, KEYS[1])
    assert moved(state.actor, first.actor) == 0.0 and moved(state.actor_opt, first.actor_opt) == 0.0
    assert moved(state.value, first.value) > 0.0
    second, _ = jitted_update(learner)(first, data, KEYS[2])
    assert moved(first.actor, second.actor) > 0.0
