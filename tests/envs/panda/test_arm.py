"""The arm's kinematics and dynamics against derivatives of the kinematics alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs.panda import arm

KEYS = range(3)


def drawn(seed):
    """Angles near the neutral ones, and speeds."""
    rng = np.random.default_rng(seed)
    angles = arm.NEUTRAL + rng.uniform(-0.5, 0.5, 7)
    return jnp.asarray(angles, jnp.float32), jnp.asarray(rng.normal(size=7), jnp.float32)


def kinetic_and_potential(angles, speeds):
    """Energies of the links, J, from how their centres and frames move."""

    def frames(q):
        at = arm.pose(q)
        centres = at.points + jnp.einsum("iab,ib->ia", at.turns, jnp.asarray(arm._CENTRES))
        return centres, at.turns

    (centres, turns), (velocities, turning) = jax.jvp(frames, (angles,), (speeds,))
    skew = jnp.einsum("iab,icb->iac", turning, turns)
    spins = jnp.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    local = jnp.einsum("iba,ib->ia", turns, spins)
    turn = jnp.einsum("ia,iab,ib->", local, jnp.asarray(arm._INERTIAS), local)
    mass = jnp.asarray(arm._MASSES)
    kinetic = 0.5 * (jnp.sum(mass[:, None] * velocities**2) + turn)
    return kinetic, 9.81 * jnp.sum(mass * centres[:, 2])


def test_the_neutral_hand_is_where_the_originals_is():
    at = arm.pose(jnp.asarray(arm.NEUTRAL, jnp.float32))
    np.testing.assert_allclose(at.end, [0.0384, 0.0, 0.1974], atol=5e-5)
    np.testing.assert_allclose(at.hand, np.diag([1.0, -1.0, -1.0]), atol=0.03)


@pytest.mark.parametrize("seed", KEYS)
def test_the_jacobian_is_the_derivative(seed):
    angles, _ = drawn(seed)
    at = arm.pose(angles)
    expected = jax.jacfwd(lambda q: arm.pose(q).end)(angles)
    np.testing.assert_allclose(arm.jacobian(at, at.end).T, expected, atol=1e-5)


@pytest.mark.parametrize("seed", KEYS)
def test_mass_and_bias_are_those_of_lagrange(seed):
    angles, speeds = drawn(seed)
    found = arm.dynamics(arm.pose(angles), speeds)
    kinetic = lambda q, v: kinetic_and_potential(q, v)[0]
    np.testing.assert_allclose(found.mass, jax.hessian(kinetic, 1)(angles, speeds), atol=2e-5)
    # d/dt dT/dv - dT/dq + dV/dq, without accelerations
    momentum = lambda q: jax.grad(kinetic, 1)(q, speeds)
    change = jax.jvp(momentum, (angles,), (speeds,))[1]
    slope = jax.grad(lambda q: kinetic(q, speeds) - kinetic_and_potential(q, speeds)[1])(angles)
    np.testing.assert_allclose(found.bias, change - slope, atol=2e-3)


def test_inverse_kinematics_reaches_a_target_upright_if_it_may():
    target = jnp.array([0.05, -0.12, 0.05])
    neutral = jnp.asarray(arm.NEUTRAL, jnp.float32)
    angles = arm.inverse_kinematics(neutral, target, damping=1e-3, iterations=30)
    at = arm.pose(angles)
    np.testing.assert_allclose(at.end, target, atol=1e-4)
    np.testing.assert_allclose(at.hand, np.diag([1.0, -1.0, -1.0]), atol=1e-3)
    # With Bullet's damping and iterations not quite all of the way is done.
    part = arm.pose(arm.inverse_kinematics(neutral, target)).end - arm.pose(neutral).end
    share = jnp.linalg.norm(part) / jnp.linalg.norm(target - arm.pose(neutral).end)
    assert 0.9 < share < 0.999


def test_elimination_solves():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(7, 7))
    a, b = half @ half.T + np.eye(7), rng.normal(size=(7, 2))
    found = arm.solve(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
    np.testing.assert_allclose(found, np.linalg.solve(a, b), rtol=1e-3, atol=1e-4)
