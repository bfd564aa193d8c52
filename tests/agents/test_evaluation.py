"""The evaluation rollout on a world whose every number is known."""

import brax.envs.base
import jax
import jax.numpy as jnp
import numpy as np

from core_jax.agents import evaluation


def reset(key):
    return brax.envs.base.State(
        pipeline_state=jnp.float32(0),
        obs=jax.random.uniform(key, (1,)),
        reward=jnp.float32(0),
        done=jnp.float32(0),
        metrics={"success": jnp.float32(0), "progress": jnp.float32(0)},
        info={},
    )


def step(state, action):
    """Counts steps; reward 1; success at step 3 only; breaks at step 5 if obs > 0.5."""
    t = state.pipeline_state + 1
    broken = (t == 5) & (state.obs[0] > 0.5)
    progress = jnp.where(broken, jnp.nan, t / 10)
    return state.replace(
        pipeline_state=t,
        reward=jnp.where(broken, jnp.nan, 1.0),
        done=broken.astype(jnp.float32),
        metrics={"success": (t == 3).astype(jnp.float32), "progress": progress},
    )


def test_rollout_counts_once_and_freezes_a_broken_world():
    play = jax.jit(
        lambda key: evaluation.rollout(
            reset, step, lambda obs, key: obs, key, 20, 10, lambda s, a: (s.pipeline_state, a)
        )
    )
    key = jax.random.key(0)
    got, (times, actions) = play(key)
    start = jax.vmap(reset)(jax.random.split(jax.random.split(key)[0], 20))
    broken = np.asarray(start.obs[:, 0]) > 0.5
    assert broken.any() and not broken.all()
    np.testing.assert_array_equal(got.success, np.ones(20))
    np.testing.assert_array_equal(got.first_success, 2)  # the third step
    np.testing.assert_allclose(got.episode_return, np.where(broken, 4.0, 10.0))
    np.testing.assert_allclose(got.progress, np.where(broken, 0.4, 1.0))
    # The first episode's record, frozen where it broke.
    np.testing.assert_array_equal(times, np.minimum(np.arange(1, 11), 4 if broken[0] else 10))
    np.testing.assert_array_equal(actions[0], start.obs[0])


def test_the_last_step_of_a_world_that_ends_counts():
    def ending(state, action):
        t = state.pipeline_state + 1
        metrics = {"success": (t == 3) * 1.0, "progress": t / 10, "nonfinite": 0.0 * t}
        done = (t >= 3).astype(jnp.float32)
        return state.replace(pipeline_state=t, reward=t, done=done, metrics=metrics)

    def start(key):
        state = reset(key)
        return state.replace(metrics={**state.metrics, "nonfinite": jnp.float32(0)})

    act = lambda obs, key: obs
    got, _ = evaluation.rollout(start, ending, act, jax.random.key(0), 2, 5)
    np.testing.assert_allclose(got.episode_return, 1.0 + 2.0 + 3.0)
    np.testing.assert_array_equal(got.success, 1.0)
    np.testing.assert_allclose(got.progress, 0.3)
