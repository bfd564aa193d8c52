"""Physics that differs from world to world."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.metaworld import variation

WORLDS = 64


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(3), WORLDS)


def scales_of(state):
    return np.stack(jax.tree.leaves(state.pipeline_state.scales))


def test_factors_are_within_the_spread_and_differ_between_worlds(keys):
    found = np.stack(jax.tree.leaves(jax.vmap(lambda key: variation.draw(key, 0.5))(keys)))
    assert found.shape == (4, WORLDS)
    assert found.min() > 1 / 1.5 and found.max() < 1.5
    # Uniform in the logarithm: half of them above 1, and a mean of 0.
    assert np.abs(np.log(found).mean(axis=1)).max() < 0.1
    assert np.std(np.log(found)) == pytest.approx(np.log(1.5) / np.sqrt(3), rel=0.1)
    assert np.abs(np.corrcoef(found) - np.eye(4)).max() < 0.4


def test_what_is_scaled_is_the_tasks(keys):
    env = envs.make("sweep-into")
    model, mj_model = env.scene._model, env.scene.mj_model
    scales = variation.Scales(*(jnp.float32(x) for x in (2.0, 3.0, 5.0, 7.0)))
    found = variation.apply(model, mj_model, scales)
    np.testing.assert_allclose(found.pair_friction, 2.0 * model.pair_friction)
    np.testing.assert_allclose(found.dof_damping[:5], model.dof_damping[:5])
    np.testing.assert_allclose(found.dof_damping[5:], 3.0 * model.dof_damping[5:])
    hand = [mj_model.body(name).id for name in ("hand", "rightclaw", "leftclaw")]
    own = np.setdiff1d(np.arange(1, mj_model.nbody), hand)
    np.testing.assert_allclose(found.body_mass[own], 5.0 * model.body_mass[own])
    np.testing.assert_allclose(found.body_inertia[own], 5.0 * model.body_inertia[own])
    np.testing.assert_allclose(found.body_mass[np.array(hand)], model.body_mass[np.array(hand)])
    np.testing.assert_allclose(found.actuator_gainprm[:2], 7.0 * model.actuator_gainprm[:2])
    np.testing.assert_allclose(found.actuator_gainprm[2:], model.actuator_gainprm[2:])
    assert mj_model.body_mass[own].sum() > 0


def test_worlds_start_alike_and_then_differ(keys):
    env = envs.make("drawer-open", protocol="random")
    varied, same = env.randomised(0.5), env.randomised(1e-7)
    assert varied.nominal.spread == 0.0 and env.nominal is env and env.spread == 0.0
    actions = jax.random.uniform(jax.random.key(0), (40, 4), minval=-1.0)
    few = keys[:4]

    def play(world):
        start, step = jax.vmap(world.reset)(few), jax.vmap(world.step, (0, None))
        end, _ = jax.lax.scan(lambda state, action: (step(state, action), None), start, actions)
        return start, end

    played = (jax.jit(play, static_argnums=0)(world) for world in (env, varied, same))
    (start, end), (first, last), (_, near) = played
    np.testing.assert_array_equal(first.obs, start.obs)
    assert start.pipeline_state.scales is None
    np.testing.assert_array_equal(scales_of(last), scales_of(first))
    np.testing.assert_allclose(near.obs, end.obs, atol=1e-4)
    assert np.abs(last.obs - end.obs).max() > 1e-4


def test_a_task_that_cannot_vary_says_so():
    with pytest.raises(ValueError, match="randomise must be 0, not 0.5: minigrid-unlock cannot"):
        envs.make("minigrid-unlock").randomised(0.5)
