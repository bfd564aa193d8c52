"""How the hand of Meta-World's Sawyer follows its mocap target in free motion.

In the original a seven-joint arm is dragged by a weld to a mocap body. Here the arm is gone; this
filter is what is left of it: it maps the target to the path that the hand would take if nothing
touched it. First version: one second-order filter per axis, with the constants of the feasibility
study and a constant sag.
"""

import jax
import jax.numpy as jnp
from flax import struct

STIFFNESS = (1650.0, 4000.0, 1900.0)  # 1/s^2, x y z
DAMPING = (82.0, 235.0, 105.0)  # 1/s
SAG = (0.0, 0.0, -0.0039)  # m, from the target to the hand at rest


@struct.dataclass
class ArmState:
    """State of the free-motion filter.

    Attributes:
        pos: [3] hand position, m.
        vel: [3] hand velocity, m/s.
    """

    pos: jax.Array
    vel: jax.Array


def init(hand_pos: jax.Array, target: jax.Array) -> ArmState:
    """Returns the filter at rest.

    Args:
        hand_pos: [3] where the hand is, m.
        target: [3] the mocap target it is held at, m.
    """
    del target
    return ArmState(pos=hand_pos, vel=jnp.zeros_like(hand_pos))


def advance(
    arm: ArmState, target: jax.Array, dt: float, substeps: int
) -> tuple[ArmState, jax.Array, jax.Array, jax.Array]:
    """Moves the filter through one control step with the target held.

    Args:
        arm: the filter's state.
        target: [3] mocap target during this control step, m.
        dt: length of one physics substep, s.
        substeps: physics substeps in a control step.

    Returns:
        The filter's new state and, for the end of each substep, the hand's position [substeps, 3]
        in m, velocity [substeps, 3] in m/s and acceleration [substeps, 3] in m/s^2.
    """
    stiffness, damping = jnp.array(STIFFNESS), jnp.array(DAMPING)
    goal = target + jnp.array(SAG)
    pos, vel = arm.pos, arm.vel
    path = []
    for _ in range(substeps):
        acc = stiffness * (goal - pos) - damping * vel
        vel = vel + dt * acc
        pos = pos + dt * vel
        path.append((pos, vel, acc))
    ref_pos, ref_vel, ref_acc = (jnp.stack(x) for x in zip(*path, strict=True))
    return ArmState(pos=pos, vel=vel), ref_pos, ref_vel, ref_acc
