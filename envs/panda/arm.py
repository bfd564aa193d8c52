"""The Franka arm's kinematics and dynamics, over one world: seven hinges, a hand with closed
fingers.

Frames, masses and inertias are those of the URDF that panda-gym 3.0.7 loads, read from the running
simulator. The inverse kinematics is Bullet's damped least squares with its default settings, which
stops a little before it converges.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

JOINTS = 7
BASE = np.array([-0.6, 0.0, 0.0])
NEUTRAL = np.array([0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79])
LOWEST = np.array([-2.9671, -1.8326, -2.9671, -3.1416, -2.9671, -0.0873, -2.9671])
HIGHEST = np.array([2.9671, 1.8326, 2.9671, 0.0, 2.9671, 3.8223, 2.9671])
# Of each joint: where it is in the frame of the one before, m, and its quarter turns about x.
_ORIGINS = (
    ((0.0, 0.0, 0.333), 0),
    ((0.0, 0.0, 0.0), -1),
    ((0.0, -0.316, 0.0), 1),
    ((0.0825, 0.0, 0.0), 1),
    ((-0.0825, 0.384, 0.0), -1),
    ((0.0, 0.0, 0.0), 1),
    ((0.088, 0.0, 0.0), 1),
)
_HAND_TURN = -np.pi / 4  # of the hand about the last joint's axis
_FLANGE, _GRASP = 0.107, 0.105  # m, from the last joint to the hand, and on to the end effector
_FINGER = 0.0584  # m, from the hand to its fingers
# Mass, kg, diagonal of the inertia, kg m^2, and centre of mass in the joint's frame, m.
_LINKS = (
    (2.7, (0.02297, 0.01777, 0.01148), (0.0, -0.04, -0.05)),
    (2.73, (0.02349, 0.01161, 0.01823), (0.0, -0.04, 0.06)),
    (2.04, (0.01092, 0.01258, 0.01197), (0.01, 0.01, -0.05)),
    (2.08, (0.01134, 0.01225, 0.01306), (-0.03, 0.03, 0.02)),
    (3.0, (0.03568, 0.02985, 0.0128), (0.0, 0.04, -0.12)),
    (1.3, (0.00343, 0.00512, 0.00599), (0.04, 0.0, 0.0)),
    (0.2, (0.00036, 0.00036, 0.00059), (0.0, 0.0, 0.08)),
)
# The same of hand and fingers, in the hand's frame.
_HAND_LINKS = (
    (0.81, (0.00372, 0.00102, 0.00339), (0.0, 0.0, 0.04)),
    (0.1, (0.00004, 0.00004, 0.00002), (0.0, 0.01, _FINGER + 0.02)),
    (0.1, (0.00004, 0.00004, 0.00002), (0.0, -0.01, _FINGER + 0.02)),
)
_GRAVITY = 9.81
_DAMPING = 0.5  # of the inverse kinematics
_ITERATIONS = 20
_LARGEST_TURN = np.pi / 4  # rad, of a joint in one iteration
_CLOSE = 1e-4  # m, the distance at which the iterations end


class Pose(NamedTuple):
    """Where the arm is, in the world's frame."""

    points: Float[Array, "7 3"]  # m, of the joints
    turns: Float[Array, "7 3 3"]  # axes of the joints' frames, as columns
    hand: Float[Array, "3 3"]  # axes of the hand, as columns; z points out of the fingers
    end: Float[Array, " 3"]  # m, the end effector, between the finger tips

    @property
    def axes(self) -> Float[Array, "7 3"]:
        """Directions that the joints turn about."""
        return self.turns[:, :, 2]


class Dynamics(NamedTuple):
    """Of an arm at some angles and speeds: `mass a + bias = torque`."""

    mass: Float[Array, "7 7"]  # kg m^2
    bias: Float[Array, " 7"]  # N m, of gravity, Coriolis and centrifugal forces


def pose(angles: Float[Array, " 7"]) -> Pose:
    """Returns the pose of an arm at some joint angles, rad."""
    at = jnp.asarray(BASE, jnp.float32)
    x, y, z = jnp.eye(3)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    points, turns = [], []
    for i, (origin, quarter) in enumerate(_ORIGINS):
        for length, axis in zip(origin, (x, y, z), strict=True):
            at = at + length * axis if length else at
        if quarter:
            y, z = quarter * z, -quarter * y
        x, y = cos[i] * x + sin[i] * y, cos[i] * y - sin[i] * x
        points.append(at)
        turns.append(jnp.stack([x, y, z], axis=1))
    c, s = float(np.cos(_HAND_TURN)), float(np.sin(_HAND_TURN))
    hand = jnp.stack([c * x + s * y, c * y - s * x, z], axis=1)
    return Pose(jnp.stack(points), jnp.stack(turns), hand, at + (_FLANGE + _GRASP) * z)


def jacobian(at: Pose, point: Float[Array, " 3"]) -> Float[Array, "7 3"]:
    """Returns how fast a point of the hand moves, m, for each joint's speed, rad."""
    return jnp.cross(at.axes, point - at.points)


def inverse_kinematics(
    angles: Float[Array, " 7"],
    target: Float[Array, " 3"],
    damping: float = _DAMPING,
    iterations: int = _ITERATIONS,
) -> Float[Array, " 7"]:
    """Returns joint angles that bring the end effector towards a target, the hand upright.

    Args:
        angles: of the arm, rad.
        target: of the end effector, m.
        damping, iterations: Bullet's unless given.
    """
    down = jnp.array([1.0, -1.0, -1.0])

    def iterate(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        angles, distance = carry
        at = pose(angles)
        # Rows of the hand's rotation times the upright hand's, which is diagonal.
        error = jnp.concatenate([target - at.end, _rotation(down[:, None] * at.hand.T)])
        columns = jnp.concatenate([jacobian(at, at.end), at.axes], axis=1)
        normal = _products(columns, columns) + damping * jnp.eye(6)
        step = jnp.sum(columns * solve(normal, error[:, None])[:, 0], axis=1)
        step = step * jnp.minimum(1.0, _LARGEST_TURN / jnp.max(jnp.abs(step)))
        step = jnp.where(distance > _CLOSE, step, 0.0)
        distance = jnp.where(distance > _CLOSE, jnp.linalg.norm(target - at.end), distance)
        return (angles + step, distance), None

    start = (angles, jnp.asarray(jnp.inf))
    return jax.lax.scan(iterate, start, length=iterations)[0][0]


def dynamics(at: Pose, speeds: Float[Array, " 7"]) -> Dynamics:
    """Returns mass matrix and bias forces of an arm at a pose, at some joint speeds, rad/s."""
    centres = at.points + jnp.einsum("iab,ib->ia", at.turns, jnp.asarray(_CENTRES))
    turned = jnp.einsum("iab,ibc->iac", at.turns, jnp.asarray(_INERTIAS))
    inertias = jnp.einsum("iab,icb->iac", turned, at.turns)
    return Dynamics(_mass_matrix(at, centres, inertias), _bias(at, centres, inertias, speeds))


def solve(a: Float[Array, "n n"], b: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Solves `a x = b` for a positive definite matrix, by elimination without pivots.

    For matrices as small as these XLA makes one loop over a batch of it, where a call of LAPACK for
    each world takes several times as long.
    """
    n = a.shape[0]
    rows = jnp.concatenate([a, b], axis=1)
    for k in range(n):
        pivot = rows[k] / rows[k, k]
        rows = (rows - rows[:, k, None] * pivot).at[k].set(pivot)
    return rows[:, n:]


def _mass_matrix(at: Pose, centres: Array, inertias: Array) -> Float[Array, "7 7"]:
    """Composite rigid bodies (Featherstone 2008, chapter 6), with moments about the world's origin.

    Entry (i, j), i before j, is the torque about joint i of the momentum that the links from j on
    have when joint j turns at unit speed.
    """
    masses = jnp.asarray(_MASSES)
    squared = jnp.sum(centres * centres, axis=1)[:, None, None] * jnp.eye(3)
    about_origin = inertias + masses[:, None, None] * (
        squared - centres[:, :, None] * centres[:, None, :]
    )
    mass, moment, inertia = (
        jnp.flip(jnp.cumsum(jnp.flip(x, 0), axis=0), 0)
        for x in (masses, masses[:, None] * centres, about_origin)
    )
    axes, points = at.axes, at.points
    linear = jnp.cross(axes, moment - mass[:, None] * points)
    turning = jnp.sum(inertia * axes[:, None, :], axis=2)
    turning = turning - jnp.cross(moment, jnp.cross(axes, points))
    # Torque about joint i: axes_i . (turning_j - points_i x linear_j).
    levers = jnp.cross(axes, points)
    upper = axes[:, None, :] * turning[None] - levers[:, None, :] * linear[None]
    upper = jnp.triu(jnp.sum(upper, axis=2))
    return upper + jnp.triu(upper, 1).T


def _bias(at: Pose, centres: Array, inertias: Array, speeds: Array) -> Float[Array, " 7"]:
    """Recursive Newton-Euler without accelerations; gravity as an acceleration of the base."""
    zero = jnp.zeros(3)
    spin, gain, pull = zero, zero, jnp.array([0.0, 0.0, _GRAVITY])
    last = at.points[0]
    forces, torques = [], []
    for i in range(JOINTS):
        arm = at.points[i] - last
        pull = pull + jnp.cross(gain, arm) + jnp.cross(spin, jnp.cross(spin, arm))
        turn = at.axes[i] * speeds[i]
        gain = gain + jnp.cross(spin, turn)
        spin = spin + turn
        arm = centres[i] - at.points[i]
        moved = pull + jnp.cross(gain, arm) + jnp.cross(spin, jnp.cross(spin, arm))
        force = _MASSES[i] * moved
        inertia = inertias[i]
        torque = inertia @ gain + jnp.cross(spin, inertia @ spin)
        forces.append(force)
        torques.append(torque + jnp.cross(centres[i], force))
        last = at.points[i]
    force, torque = (
        jnp.flip(jnp.cumsum(jnp.flip(jnp.stack(x), 0), axis=0), 0) for x in (forces, torques)
    )
    return jnp.sum(at.axes * (torque - jnp.cross(at.points, force)), axis=1)


def _rotation(matrix: Float[Array, "3 3"]) -> Float[Array, " 3"]:
    """Axis times angle of a rotation by less than half a turn."""
    axis = 0.5 * jnp.array(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    sin = jnp.sqrt(jnp.sum(axis * axis) + 1e-16)
    angle = jnp.arctan2(sin, 0.5 * (jnp.trace(matrix) - 1.0))
    return axis * (angle / sin)


def _products(a: Float[Array, "k n"], b: Float[Array, "k m"]) -> Float[Array, "n m"]:
    """`a.T @ b`, as one loop over a batch."""
    return jnp.sum(a[:, :, None] * b[:, None, :], axis=0)


def _merged() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masses [7], centres [7, 3] and inertias [7, 3, 3] of the links; the last carries the hand."""
    c, s = np.cos(_HAND_TURN), np.sin(_HAND_TURN)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    parts = [(m, np.diag(i), np.array(x)) for m, i, x in _LINKS]
    flange = np.array([0.0, 0.0, _FLANGE])
    group = [parts.pop()]
    group += [(m, turn @ np.diag(i) @ turn.T, turn @ x + flange) for m, i, x in _HAND_LINKS]
    mass = sum(m for m, _, _ in group)
    centre = np.sum([m * x for m, _, x in group], axis=0) / mass
    inertia = np.zeros((3, 3))
    for m, i, x in group:
        d = x - centre
        inertia += i + m * (d @ d * np.eye(3) - np.outer(d, d))
    parts.append((mass, inertia, centre))
    masses, inertias, centres = zip(*parts, strict=True)
    f32 = lambda x: np.asarray(x, np.float32)
    return f32(masses), f32(centres), f32(inertias)


_MASSES, _CENTRES, _INERTIAS = _merged()
