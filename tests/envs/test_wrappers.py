"""Batches: vmap, tracing, time limits, fresh resets, contained NaNs, brax's wrappers."""

import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.wrappers import training as brax_training

from core_jax.envs.wrappers import TrainingWrapper

N, LENGTH = 4, 5


def actions(seed):
    return jax.random.uniform(jax.random.key(seed), (N, 4), minval=-1, maxval=1)


def start(wrapped, seed=0):
    return wrapped[0](jax.random.split(jax.random.key(seed), N))


def one(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


def poison(state, i):
    physics = state.pipeline_state
    return state.replace(pipeline_state=physics.replace(qpos=physics.qpos.at[i, 0].set(jnp.nan)))


def leaves(state):
    info = {k: v for k, v in state.info.items() if k != "key"}
    info["key"] = jax.random.key_data(state.info["key"])
    return [np.asarray(x) for x in jax.tree.leaves(state.replace(info=info))]


def test_vmap_is_a_loop(expert_run, step):
    for i in (0, 57):
        state = one(expert_run["start"], i)
        for t in range(90):  # far enough to grip the handle
            np.testing.assert_allclose(state.obs, expert_run["obs"][t, i], atol=1e-3)
            state = step(state, expert_run["action"][t, i])
        np.testing.assert_allclose(state.obs, expert_run["next_obs"][89, i], atol=1e-3)


def test_step_is_traced_once(step, reset):
    before = step.traces
    state = reset(jax.random.key(0))
    for t in range(4):
        state = step(state, [0.1 * t, 0, 0, 0])
    state = step(reset(jax.random.key(1)), [1, 1, 1, 1])
    assert step.traces - before <= 1 <= step.traces  # 0: another test had it traced


def test_env_contains_a_nan(step, reset):
    state = step(reset(jax.random.key(0)), [0, 0, 0, 0])
    after = step(state, [jnp.nan, 0, 0, 0])
    assert after.done == 1 and after.metrics["nonfinite"] == 1 and after.reward == 0
    np.testing.assert_array_equal(after.obs, state.obs)
    assert all(np.isfinite(x).all() for x in map(np.asarray, jax.tree.leaves(after)))
    assert step(state, [0, 0, 0, 0]).metrics["nonfinite"] == 0


def test_wrapper_contains_a_nan(wrapped):
    state = wrapped[1](start(wrapped), actions(0))
    clean, dirty = wrapped[1](state, actions(1)), wrapped[1](poison(state, 1), actions(1))
    np.testing.assert_array_equal(dirty.done, [0, 1, 0, 0])
    np.testing.assert_array_equal(dirty.metrics["nonfinite"], [0, 1, 0, 0])
    assert dirty.reward[1] == 0 and dirty.info["truncation"][1] == 0
    np.testing.assert_array_equal(dirty.info["last_obs"][1], state.obs[1])
    for a, b in zip(leaves(clean), leaves(dirty), strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_array_equal(a[[0, 2, 3]], b[[0, 2, 3]])
    # the poisoned world begins a new episode and lives on
    after = wrapped[1](dirty, actions(2))
    np.testing.assert_array_equal(after.info["steps"], [3, 1, 3, 3])
    assert after.done.sum() == 0 and after.metrics["nonfinite"].sum() == 0


def test_truncation_and_last_obs(wrapped, step):
    state = start(wrapped)
    for t in range(1, 2 * LENGTH + 1):
        expected = step(one(state_for_env(state), 2), actions(t)[2])
        state = wrapped[1](state, actions(t))
        ended = t % LENGTH == 0
        np.testing.assert_array_equal(state.done, [float(ended)] * N)
        np.testing.assert_array_equal(state.info["truncation"], [float(ended)] * N)
        np.testing.assert_array_equal(state.info["steps"], [(t - 1) % LENGTH + 1] * N)
        np.testing.assert_allclose(state.info["last_obs"][2], expected.obs, atol=1e-5)
        np.testing.assert_allclose(state.reward[2], expected.reward, atol=1e-4)
        assert np.array_equal(state.obs[2], state.info["last_obs"][2]) == (not ended)


def state_for_env(state):
    own = {"target": state.info["target"]}
    return state.replace(info=own, done=jnp.zeros_like(state.done))


def test_resets_are_fresh(wrapped):
    state = start(wrapped)
    seen = [np.asarray(state.obs[:, 4])]
    for t in range(3 * LENGTH):
        state = wrapped[1](state, actions(t))
        if (t + 1) % LENGTH == 0:
            seen.append(np.asarray(state.obs[:, 4]))
            np.testing.assert_allclose(state.info["target"][:, 0], state.obs[:, 4], atol=1e-6)
            np.testing.assert_array_equal(state.obs[:, :18], state.obs[:, 18:36])
    assert len(np.unique(np.concatenate(seen))) == 4 * N


def test_same_keys_same_episodes(wrapped):
    a, b = start(wrapped, 5), start(wrapped, 5)
    for t in range(LENGTH + 1):
        a, b = wrapped[1](a, actions(t)), wrapped[1](b, actions(t))
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(a.obs, start(wrapped, 6).obs)


def test_episode_success_lasts_to_the_end_of_the_episode(wrapped):
    state = wrapped[1](start(wrapped), actions(0))
    physics = state.pipeline_state
    shut = physics.qpos
    opened = state.replace(pipeline_state=physics.replace(qpos=physics.qpos.at[1, 5].set(-0.165)))
    state = wrapped[1](opened, actions(1))
    np.testing.assert_array_equal(state.info["episode_success"], [0, 1, 0, 0])
    state = state.replace(pipeline_state=state.pipeline_state.replace(qpos=shut))
    for t in range(2, LENGTH):
        state = wrapped[1](state, actions(t))
        np.testing.assert_array_equal(state.metrics["success"], 0)
        np.testing.assert_array_equal(state.info["episode_success"], [0, 1, 0, 0])
    assert state.done.all()
    np.testing.assert_array_equal(wrapped[1](state, actions(9)).info["episode_success"], 0)


def test_stagger_spreads_the_first_episodes(random_env):
    wrapper = TrainingWrapper(random_env, stagger=True)
    assert wrapper.episode_length == 500
    state = jax.jit(wrapper.reset)(jax.random.split(jax.random.key(0), 1000))
    steps = np.asarray(state.info["steps"])
    assert steps.min() >= 0 and steps.max() < 500
    assert abs(steps.mean() - 249.5) < 20 and len(np.unique(steps)) > 300
    plain = jax.jit(TrainingWrapper(random_env).reset)(jax.random.split(jax.random.key(0), 8))
    assert not plain.info["steps"].any()


def test_brax_wrappers(random_env):
    env = brax_training.wrap(random_env, episode_length=3)
    first = env.reset(jax.random.split(jax.random.PRNGKey(0), 2))
    step, state = jax.jit(env.step), first
    for t in range(1, 4):
        state = step(state, jnp.ones((2, 4)))
        np.testing.assert_array_equal(state.done, [t == 3] * 2)
    np.testing.assert_array_equal(state.info["truncation"], 1)
    np.testing.assert_array_equal(state.obs, first.obs)
    assert len(np.unique(first.obs[:, 4])) == 2


def test_a_seed_axis_goes_over_the_batch(random_env):
    wrapper = TrainingWrapper(random_env)
    keys = jax.random.split(jax.random.key(0), (2, N))
    run = jax.vmap(lambda k: wrapper.step(wrapper.reset(k), jnp.zeros((N, 4))))
    state = jax.eval_shape(run, keys)
    assert state.obs.shape == (2, N, 39)
    assert state.info["steps"].shape == state.done.shape == (2, N)
