"""How the hand of Meta-World's Sawyer follows its mocap target in free motion.

In the original a seven-joint arm is dragged by a soft weld to a mocap body. Here the arm is gone
and this is what is left of it: a spring and damper per axis, whose rest point a small recurrent
network (a GRU, Cho et al. 2014) moves away from the target by at most `LEAD`. The network stands
for what a spring cannot say: the pose-dependent inertia, the tilt, the joint limits, the end of
the arm's reach, the sag. The springs are fixed and the rest point is bounded, so the path is
bounded and smooth whatever the network says, and a hand at rest stays near its target.

Weights: scripts/tools/fit_hand.py, from traces of Meta-World 3.1.1 (MuJoCo 3.3.0) that
scripts/tools/record_metaworld.py records.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

CONTROL_DT = 0.0125  # s
STEPS = 3  # the spring's own steps in a control step, whatever the physics' substeps are
STIFFNESS = (1650.0, 4000.0, 1900.0)  # 1/s^2, x y z: the best linear fit
DAMPING = (82.0, 235.0, 105.0)  # 1/s
LEAD = 0.2  # m, most that the network moves the rest point on each axis
HIDDEN = 24
WEIGHTS = Path(__file__).with_name("hand_response.npz")


class Weights(NamedTuple):
    """The network's arrays, M = 9 + HIDDEN inputs.

    Attributes:
        gates: [M + 1, 2 HIDDEN] update and reset gates; the last row is the bias.
        candidate: [M + 1, HIDDEN] the GRU's candidate state.
        lead: [M + 1, 3] output, before tanh.
    """

    gates: jax.Array
    candidate: jax.Array
    lead: jax.Array


@struct.dataclass
class ArmState:
    """State of the response.

    Attributes:
        pos: [3] the hand, m.
        vel: [3] its velocity, m/s.
        hidden: [HIDDEN] memory; zero in a hand that has settled after a reset.
    """

    pos: jax.Array
    vel: jax.Array
    hidden: jax.Array


def init(hand_pos: jax.Array, target: jax.Array) -> ArmState:
    """Returns the settled hand after a reset.

    Args:
        hand_pos: [3] where the hand is, m.
        target: [3] the mocap target it is held at, m; unused, the hand's position says it all.
    """
    del target
    return ArmState(pos=hand_pos, vel=jnp.zeros_like(hand_pos), hidden=jnp.zeros(HIDDEN))


def advance(
    arm: ArmState, target: jax.Array, substeps: int, weights: Weights | None = None
) -> tuple[ArmState, jax.Array]:
    """Moves the hand through one control step with the target held.

    Args:
        arm: the response's state.
        target: [3] mocap target during this control step, m.
        substeps: physics substeps in a control step.
        weights: the network; the fitted one by default.

    Returns:
        The new state and the hand's position at the end of each substep [substeps, 3], m.
    """
    weights = fitted() if weights is None else weights
    hidden, lead = _network(weights, arm, target)
    stiffness, damping = jnp.array(STIFFNESS), jnp.array(DAMPING)
    pos, vel, dt = arm.pos, arm.vel, CONTROL_DT / STEPS
    path = [pos]
    for _ in range(STEPS):
        # Implicit in the damping: the y axis would not survive an explicit step of 4 ms.
        vel = (vel + dt * stiffness * (target + lead - pos)) / (1.0 + dt * damping)
        pos = pos + dt * vel
        path.append(pos)
    after = ArmState(pos=pos, vel=vel, hidden=hidden)
    if substeps == STEPS:
        return after, jnp.stack(path[1:])
    at = jnp.arange(1, substeps + 1) * (STEPS / substeps)
    known = jnp.arange(STEPS + 1.0)
    return after, jax.vmap(lambda p: jnp.interp(at, known, p), 1, 1)(jnp.stack(path))


@functools.cache
def fitted() -> Weights:
    """The weights that are shipped. Host arrays: jit makes constants of them."""
    with np.load(WEIGHTS) as file:
        return Weights(*(file[name] for name in Weights._fields))


def _network(weights: Weights, arm: ArmState, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the new memory and how far the spring's rest point leads the target [3], m."""
    place = (target - jnp.array([0.0, 0.65, 0.25])) / 0.25
    features = jnp.concatenate([place, 10.0 * (target - arm.pos), 2.0 * arm.vel])
    inputs = jnp.concatenate([features, arm.hidden])
    layer = lambda kernel, x: x @ kernel[:-1] + kernel[-1]
    update, reset = jnp.split(jax.nn.sigmoid(layer(weights.gates, inputs)), 2)
    candidate = jnp.tanh(layer(weights.candidate, jnp.concatenate([features, reset * arm.hidden])))
    hidden = (1.0 - update) * arm.hidden + update * candidate
    out = layer(weights.lead, jnp.concatenate([features, hidden]))
    return hidden, LEAD * jnp.tanh(out)
