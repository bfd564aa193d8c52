"""The constraint solver against solutions in closed form, and against MJX's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.engines import mjx
from core_jax.envs.metaworld import hand, newton

solve = jax.jit(newton.solve, static_argnums=(6, 7))


def one_row(mass, smooth, stiffness, reference, guess=0.0):
    array = lambda x: jnp.array([x], jnp.float32)
    found = solve(
        jnp.array([[mass]]), array(smooth), jnp.ones((1, 1)), array(stiffness), array(reference),
        array(guess), 2, 4,
    )  # fmt: skip
    return float(found[0])


@pytest.mark.parametrize("guess", [0.0, 7.0, -50.0])
def test_one_row_is_solved_in_closed_form(guess):
    # It pushes where the free acceleration is below the reference.
    assert one_row(2.0, -3.0, 8.0, 1.0, guess) == pytest.approx((2 * -3 + 8 * 1) / (2 + 8), 1e-5)
    assert one_row(2.0, 3.0, 8.0, 1.0, guess) == pytest.approx(3.0, 1e-5)
    assert one_row(2.0, -3.0, 0.0, 1.0, guess) == pytest.approx(-3.0, 1e-5)


def problem(key, nv, rows):
    keys = jax.random.split(key, 6)
    root = jax.random.normal(keys[0], (nv, nv))
    mass = root @ root.T + jnp.eye(nv)
    stiffness = jnp.exp(3.0 * jax.random.normal(keys[1], (rows,)))
    jacobian = jax.random.normal(keys[2], (rows, nv))
    reference, smooth = jax.random.normal(keys[3], (rows,)), jax.random.normal(keys[4], (nv,))
    return mass, smooth, jacobian, stiffness, reference


def gradient(acc, mass, smooth, jacobian, stiffness, reference):
    gap = jacobian @ acc - reference
    return mass @ (acc - smooth) + jacobian.T @ (stiffness * jnp.minimum(gap, 0.0))


@pytest.mark.parametrize(("nv", "rows"), [(6, 28), (12, 60)])
def test_the_gradient_vanishes_at_the_solution(nv, rows):
    keys = jax.random.split(jax.random.key(0), 64)
    problems = jax.vmap(lambda key: problem(key, nv, rows))(keys)
    guess = jnp.zeros((64, nv))
    found = jax.jit(jax.vmap(lambda *x: newton.solve(*x, 12, 6)))(*problems, guess)
    left = np.linalg.norm(jax.vmap(gradient)(found, *problems), axis=1)
    before = np.linalg.norm(jax.vmap(gradient)(problems[1], *problems), axis=1)
    assert (left < 1e-4 * before).all()


def test_every_step_lowers_the_cost():
    def cost(acc, mass, smooth, jacobian, stiffness, reference):
        gap, away = jacobian @ acc - reference, acc - smooth
        return 0.5 * (away @ mass @ away + jnp.sum(stiffness * jnp.minimum(gap, 0.0) ** 2))

    keys = jax.random.split(jax.random.key(1), 64)
    problems = jax.vmap(lambda key: problem(key, 6, 28))(keys)
    costs = [jax.vmap(cost)(problems[1], *problems)]
    for steps in (1, 2, 3):
        run = jax.vmap(functools.partial(newton.solve, steps=steps, line_steps=4))
        costs.append(jax.vmap(cost)(jax.jit(run)(*problems, problems[1]), *problems))
    for before, after in zip(costs, costs[1:], strict=False):
        assert (after <= before * (1 + 1e-5)).all()
    assert (costs[1] < 0.9 * costs[0]).mean() > 0.5


def test_the_worlds_solution_is_mjxs():
    """Worlds in which random actions have made contacts: as near to MJX's solution as MJX's own
    few iterations come to it."""
    env = envs.make("sweep-into", protocol="random")
    scene = env.scene

    @jax.jit
    def solutions(key):
        def step(state, key):
            action = jax.random.uniform(key, (4,), minval=-1.0).at[2].set(-1.0)  # down to the table
            return env.step(state, action), None

        state, _ = jax.lax.scan(step, env.reset(key), jax.random.split(key, 40))
        physics = state.pipeline_state
        fixed = scene._model.body_pos.at[scene._fixture].set(physics.fixture)
        model = scene._model.replace(body_pos=fixed)
        force = hand.MASS * jnp.array([0.0, 0.0, hand.GRAVITY - 30.0])
        data = scene._data.replace(
            qpos=physics.qpos, qvel=physics.qvel, qacc_warmstart=physics.qacc_warmstart,
            ctrl=jnp.array([1.0, -1.0]),
            qfrc_applied=jnp.concatenate([force, jnp.zeros(scene.mj_model.nv - 3)]),
        )  # fmt: skip
        own = data
        for stage in (mjx.fwd_position, mjx.fwd_velocity, mjx.fwd_actuation, mjx.fwd_acceleration):
            own = stage(model, own)
        return scene._solve(own), mjx.forward(model, data).qacc, own.qacc_smooth

    own, theirs, smooth = jax.vmap(solutions)(jax.random.split(jax.random.key(0), 8))
    pushed = np.linalg.norm(theirs - smooth, axis=1)
    assert (pushed > 1.0).any(), "no constraint acts in these worlds"
    np.testing.assert_allclose(own, theirs, atol=2e-2 * float(pushed.max()), rtol=2e-2)


def test_no_loop_of_a_step_depends_on_data():
    from core_jax.accelerators import kernels

    env = envs.make("drawer-open")
    state = jax.eval_shape(jax.vmap(env.reset), jax.random.split(jax.random.key(0), 2))
    text = jax.jit(jax.vmap(env.step)).lower(state, jnp.zeros((2, 4))).compile().as_text()
    assert kernels.count(text).loops == ()
