"""Updates that are not finite are skipped or undone, and the next ones count."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import guard, ppo, sac
from core_jax.agents.types import ActionSpace, Rollout

KEY = jax.random.key(0)
BAD = pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, 1e30])


def test_one_number_is_enough():
    for bad in (jnp.nan, jnp.inf, -jnp.inf):
        gradients = {"a": jnp.ones(3), "b": jnp.ones((2, 2)).at[1, 0].set(bad)}
        assert not guard.finite(gradients, jnp.ones(1)) and guard.finite(gradients["a"])
    kept = guard.choose(jnp.bool_(False), {"a": jnp.float32(jnp.nan)}, {"a": jnp.float32(1)})
    assert kept == {"a": 1.0}


def test_a_state_is_kept_only_if_all_of_it_is_finite():
    old = {"x": jnp.zeros(2), "count": jnp.int32(1), "key": KEY}
    new = {"x": jnp.ones(2), "count": jnp.int32(2), "key": jax.random.key(1)}
    kept, taken = guard.finite_or(new, old)
    assert taken
    chex.assert_trees_all_equal(kept, new)
    for bad in (jnp.nan, jnp.inf, -jnp.inf):
        kept, taken = guard.finite_or(new | {"x": new["x"].at[1].set(bad)}, old)
        assert not taken
        chex.assert_trees_all_equal(kept, old)
    both = jax.tree.map(lambda a: jnp.stack([a, a]), old)  # under vmap: each on its own
    ruined = both | {"x": jnp.array([[1.0, 1.0], [1.0, jnp.nan]])}
    kept, taken = jax.vmap(guard.finite_or)(ruined, both)
    np.testing.assert_array_equal(taken, [True, False])
    np.testing.assert_array_equal(kept["x"], [[1, 1], [0, 0]])


@functools.cache
def learner():
    config = sac.SACConfig(hidden=(8, 8), normalise_obs=True)
    made = sac.SAC(config, obs_size=3, action_space=ActionSpace(2))
    return jax.jit(made.init), jax.jit(made.update)


def batch():
    obs = jax.random.normal(KEY, (8, 3))
    return sac.Batch(obs, jnp.full((8, 2), 0.5), jnp.arange(8.0), obs + 1.0, jnp.full((8,), 0.9))


@BAD
@pytest.mark.parametrize("field", ["reward", "obs", "next_obs", "action", "discount"])
def test_a_batch_that_ruins_sac_is_seen_in_its_state(field, bad):
    """1e30 too, where it overflows: finite in the parameters, it is not in Adam's moments."""
    init, update = learner()
    state, _ = update(init(KEY), batch(), KEY)
    ruined = batch()._replace(**{field: getattr(batch(), field).at[3].set(bad)})
    after, metrics = update(state, ruined, KEY)
    kept, taken = guard.finite_or(after, state)
    if taken:  # 1e30 is squashed where it is an action
        assert bad == 1e30 and field != "reward"
        assert all(jnp.isfinite(x) for x in metrics.values())
    else:
        chex.assert_trees_all_equal(kept, state)


def test_ppo_skips_the_gradient_steps_of_a_rollout_that_ruins_it():
    space = ActionSpace(2)
    made = ppo.PPO(ppo.PPOConfig(hidden=(8,), minibatches=2, epochs=2), 3, space)
    init, act, update = jax.jit(made.init), jax.jit(made.act), jax.jit(made.update)
    state, obs = init(KEY), jax.random.normal(KEY, (4, 3))
    action, _, extras = act(state, obs, (), KEY, jnp.bool_(False))
    steps = lambda x: jnp.stack([x] * 6)
    rollout = Rollout(
        obs=steps(obs), action=steps(action), reward=jnp.ones((6, 4)), next_obs=steps(obs),
        discount=jnp.ones((6, 4)), cut=jnp.zeros((6, 4)), extras=jax.tree.map(steps, extras),
    )  # fmt: skip
    for ruined in (
        rollout._replace(reward=jnp.full((6, 4), jnp.nan)),
        rollout._replace(obs=rollout.obs.at[0, 0, 0].set(jnp.nan), reward=jnp.full((6, 4), 1e30)),
    ):
        after, metrics = update(state, ruined, KEY)
        assert metrics["skipped_updates"] == 4.0 and metrics["gradient_steps"] == 0.0
        chex.assert_trees_all_equal((after.actor, after.value), (state.actor, state.value))
        chex.assert_tree_all_finite((after.obs_stats, after.actor_opt, after.value_opt))
    after, metrics = update(after, rollout, KEY)
    assert metrics["skipped_updates"] == 0.0 and np.isfinite(metrics["policy_loss"])
    chex.assert_tree_all_finite(after)
