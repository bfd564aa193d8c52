"""The arm's motors and the finger tips' contact with what is below them: one control step is twenty
steps of 2 ms.

Bullet's motors ask for a tenth of the remaining angle in every step and get it unless that takes
more than their torque, which is what happens in the first steps after a new target: so the hand
moves by about half of what an action asks for. Impulses of
motors and contact are found by projected sweeps, as in Bullet; mass matrix and bias forces are
renewed five times in a control step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from core_jax.envs.panda import arm

STEP = 0.002  # s
SUBSTEPS = 20
PARTS = 5  # times per control step that the dynamics are renewed
SECONDS = STEP * SUBSTEPS
TORQUES = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 120.0, 120.0])  # N m
_GAIN = 0.1
# Bullet makes 50 sweeps over the motors, backwards and forwards in turn. They do not converge, and
# fewer, or the exact solution, move the hand by up to 2 cm elsewhere after 50 control steps.
_PASSES = 25
TIP = 0.0082  # m, from the end effector to the end of the fingers, with Bullet's margin
STIFFNESS, DAMPING = 30_000.0, 1_000.0  # N/m and N s/m of a finger's contact
# Friction of the finger tips across and along the direction in which the fingers move. Bullet's is
# 0.5 both ways; along, its solver does not converge on the light fingers, which weakens it.
_FRICTION = np.array([0.5, 0.2])


@struct.dataclass
class Arm:
    """The arm at the end of a step.

    Attributes:
        angles: [7] rad.
        speeds: [7] rad/s.
        before: [7] the angles one step of 2 ms earlier, which is where Bullet says that links are.
    """

    angles: Array
    speeds: Array
    before: Array


class Part(NamedTuple):
    """What stays the same during a part of a control step."""

    inverse: Float[Array, "7 7"]
    fall: Float[Array, " 7"]  # rad/s^2, what the bias forces make of the speeds
    angles: Float[Array, " 7"]  # that this is linear about
    tip: Float[Array, " 3"]  # m, the finger tips there
    hand: Float[Array, "3 3"]  # axes of the hand there, as columns
    lever: Float[Array, "7 3"]  # m, how the tips move with each joint
    push: Float[Array, "7 3"]  # rad/s, what an impulse at the tips makes of the speeds


class Touch(NamedTuple):
    """What the finger tips do at the end of a substep."""

    position: Float[Array, " 3"]  # m
    velocity: Float[Array, " 3"]  # m/s
    impulse: Float[Array, ""]  # N s, from what is below them


def neutral() -> Arm:
    """The arm at a reset."""
    angles = jnp.asarray(arm.NEUTRAL, jnp.float32)
    return Arm(angles, jnp.zeros(arm.JOINTS), angles)


def tip(at: arm.Pose) -> Float[Array, " 3"]:
    """Returns the end of the fingers, m."""
    return at.end + TIP * at.hand[:, 2]


def prepare(state: Arm) -> Part:
    """Returns what a part of a control step needs of the arm at its beginning."""
    at = arm.pose(state.angles)
    found = arm.dynamics(at, state.speeds)
    inverse = arm.solve(found.mass, jnp.eye(arm.JOINTS))
    point = tip(at)
    lever = arm.jacobian(at, point)
    push = jnp.sum(inverse[:, :, None] * lever[None], axis=1)
    fall = -jnp.sum(inverse * found.bias, axis=1)
    return Part(inverse, fall, state.angles, point, at.hand, lever, push)


def place(state: Arm, part: Part) -> Float[Array, " 3"]:
    """Returns where the finger tips are, m."""
    return part.tip + jnp.sum(part.lever * (state.angles - part.angles)[:, None], axis=0)


def substep(
    state: Arm, part: Part, target: Float[Array, " 7"], floor: Float[Array, ""]
) -> tuple[Arm, Touch]:
    """Moves the arm by 2 ms.

    Args:
        state: of the arm.
        part: from `prepare`.
        target: angles that the motors move to, rad.
        floor: height of what is below the finger tips, m; -inf where nothing is.
    """
    limit = jnp.asarray(TORQUES * STEP, jnp.float32)
    free = state.speeds + STEP * part.fall
    wanted = _GAIN / STEP * (target - state.angles)
    point = place(state, part)

    def both_ways(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        for order in (range(arm.JOINTS - 1, -1, -1), range(arm.JOINTS)):
            speeds, impulse, contact = carry
            speeds, impulse = _sweep_motors(speeds, impulse, part, wanted, limit, order)
            speeds, contact = _sweep_contact(speeds, contact, part, point[2] - floor)
            carry = speeds, impulse, contact
        return carry

    start = (free, jnp.zeros(arm.JOINTS), jnp.zeros(3))
    speeds, _, contact = jax.lax.fori_loop(0, _PASSES, both_ways, start)
    angles = state.angles + STEP * speeds
    velocity = jnp.sum(part.lever * speeds[:, None], axis=0)
    touch = Touch(point + STEP * velocity, velocity, contact[2])
    return Arm(angles, speeds, state.angles), touch


def pushed(state: Arm, part: Part, impulse: Float[Array, " 2"]) -> Arm:
    """Returns the arm after a horizontal impulse at the finger tips, N s."""
    return dataclasses.replace(
        state, speeds=state.speeds + jnp.sum(part.push[:, :2] * impulse, axis=1)
    )


def _sweep_motors(
    speeds: Array, impulse: Array, part: Part, wanted: Array, limit: Array, order: Iterable[int]
) -> tuple[Array, Array]:
    """One pass over the motors: each brings its joint to the wanted speed if its torque does."""
    for i in order:
        more = impulse[i] + (wanted[i] - speeds[i]) / part.inverse[i, i]
        new = jnp.clip(more, -limit[i], limit[i])
        speeds = speeds + part.inverse[:, i] * (new - impulse[i])
        impulse = impulse.at[i].set(new)
    return speeds, impulse


def _sweep_contact(speeds: Array, contact: Array, part: Part, gap: Array) -> tuple[Array, Array]:
    """One pass over the contact of both finger tips with what is below: a spring with a damper, and
    friction."""
    stiffness, damping = 2.0 * STIFFNESS, 2.0 * DAMPING
    share = STEP * stiffness / (STEP * stiffness + damping)
    softness = 1.0 / (STEP * (STEP * stiffness + damping))
    inverse = jnp.sum(part.lever * part.push, axis=0)
    touching = gap < 0.01
    wanted = jnp.where(gap > 0.0, -gap, -share * gap) / STEP
    at = lambda k, speeds: jnp.sum(part.lever[:, k] * speeds)
    step = (wanted - at(2, speeds) - softness * contact[2]) / (inverse[2] + softness)
    up = jnp.where(touching, jnp.maximum(contact[2] + step, 0.0), 0.0)
    speeds = speeds + part.push[:, 2] * (up - contact[2])
    rubs = []
    for k in range(2):
        most = _FRICTION[k] * up
        rub = jnp.clip(contact[k] - at(k, speeds) / inverse[k], -most, most)
        speeds = speeds + part.push[:, k] * (rub - contact[k])
        rubs.append(rub)
    return speeds, jnp.stack([*rubs, up])
