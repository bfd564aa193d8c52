"""Meta-World's dial-turn: turn a dial half way round by its lever.

Geometry, reward v2 and success are the original's (Yu et al. 2019); protocol `paper` is CoRe's
fixed start. Success takes a turn of 78 degrees, either way round. The dial's joint is all damping:
its speed is the finger's torque, and the task is to keep pushing. Unlike the original, the first
observation and the reward's margins know the dial where it is now, not where it was a reset ago.
"""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld import base, hand, looks, rewards
from core_jax.envs.metaworld.scene import CONTROL_DT, SUBSTEPS, Physics, SceneXml

RADIUS = 0.05  # m, from the dial's axis to the lever's tip
TARGET = (0.0, 0.03, 0.03)  # m, from the dial to the target
PUSH = (0.05, 0.02, 0.09)  # m, from the lever's tip to where the reward wants the fingers
REACH = 0.005  # m, around that
SUCCESS = 0.07  # m
TURN = 1.3694384  # rad, arccos(1/5): the turn at which the tip is 0.07 m from the target

# Damping 1 on an inertia of 0.0014 is too stiff for explicit steps. This much armature makes one
# the same as the original's implicit step.
_DAMPING = 1.0
_ARMATURE = 0.001 + _DAMPING * CONTROL_DT / SUBSTEPS

# The lever lies inside the knob's rim, so a finger reaches it from above the knob only. Fingers and
# lever turn against each other about z alone, so an upright finger edge and the original's box meet
# as a sphere and this box do, which is higher by half a finger, and has the original's contact
# margin of 1 mm. (Square ends matter: fingers that come down on the lever must not roll off it.)
_BODIES = f"""
<body name="fixture" pos="0 .7 0">
  <body name="dial">
    <inertial pos="0 0 .03" mass=".3655" diaginertia=".00042 .00034 .000418"/>
    <joint name="dial_turn" type="hinge" axis="0 0 1" range="-3.14 3.14" damping="{_DAMPING}"
           armature="{_ARMATURE:.6g}"/>
    <geom name="lever" type="box" pos="0 0 .051" size=".016 .047 .0565"/>
    <geom name="knob" type="capsule" fromto="0 0 -.1 0 0 -.0155" size=".0515"/>
  </body>
</body>"""

# Torsion: fingers that stand on lever or knob hold it against turning, by a patch in the original.
_LEVER = 'condim="4" friction="2 2 .1 .002 .002" solref=".01 1" solimp=".98 .99 .003"'
_KNOB = 'condim="4" friction="1 1 .1 .002 .002" solref=".01 1" solimp=".98 .99 .003"'
_PAIRS = (
    ("right_edge_near", "lever", _LEVER),
    ("right_edge_far", "lever", _LEVER),
    ("left_edge_near", "lever", _LEVER),
    ("left_edge_far", "lever", _LEVER),
    ("right_tip", "knob", _KNOB),
    ("left_tip", "knob", _KNOB),
)

_SHAPES = {
    "world": looks.TABLE,
    "dial": """
      <geom type="cylinder" pos="0 0 .018" size=".05 .018" material="metal"/>
      <geom type="box" pos="0 0 .051" size=".015 .046 .015" material="blue"/>
      <geom type="box" pos="0 -.037 .067" size=".006 .009 .004" material="red"/>""",
}


class DialTurn(base.MetaWorldEnv):
    """Turn the dial. Joints after the hand's: the dial's hinge, negative clockwise from above."""

    NAME = "dial-turn"
    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.6, 0.15),
            settled=(0.004509, 0.601733, 0.144994),
            tcp=(0.004188, 0.601794, 0.100040),
        ),
        "random": base.MIDDLE_START,
    }

    def scene_xml(self) -> SceneXml:
        """Returns the dial, and what the fingers can touch of it; the palm stays above it."""
        return SceneXml(bodies=_BODIES, shapes=_SHAPES, pairs=_PAIRS, pad_edges="sphere")

    def place(self, key: jax.Array) -> base.Placement:
        """Puts the dial at (0, 0.7) m (paper) or uniformly in x +-0.1, y 0.7 to 0.8 m (random)."""
        fixture = jnp.array([0.0, 0.7, 0.0])
        if self.protocol == "random":
            low, high = jnp.array([-0.1, 0.7]), jnp.array([0.1, 0.8])
            fixture = fixture.at[:2].set(low + (high - low) * jax.random.uniform(key, (2,)))
        tip = _tip(fixture, jnp.float32(0.0))
        return base.Placement(fixture, fixture + jnp.array(TARGET), tip, jnp.zeros(1))

    def objects(self, physics: Physics) -> jax.Array:
        """Returns the lever's tip and the quaternion (w first) of the dial's case [7]."""
        tip = _tip(physics.fixture, physics.qpos[hand.N_JOINTS])
        return jnp.concatenate([tip, jnp.array([1.0, 0.0, 0.0, 0.0])])

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2 (closed fingers beside the tip, tip by the target), success, progress.

        The reward wants closing fingers 9 cm above the tip even when the dial is turned.
        """
        tip, target = frame[4:7], physics.target
        push, push_init = tip + jnp.array(PUSH), physics.origin + jnp.array(PUSH)
        error = jnp.linalg.norm(tip - target)
        in_place = rewards.tolerance(
            error, 0.0, SUCCESS, jnp.abs(jnp.linalg.norm(push_init - target) - SUCCESS)
        )
        reach = rewards.tolerance(
            jnp.linalg.norm(push - gripper.tcp),
            0.0,
            REACH,
            jnp.abs(jnp.linalg.norm(push_init - self.tcp_init) - REACH),
            "gaussian",
        )
        reach = rewards.hamacher(reach, jnp.clip(action[3], 0.0, 1.0))
        x, y, _ = tip - (target - jnp.array(TARGET))
        return base.Judgement(
            dense=10.0 * rewards.hamacher(reach, in_place),
            success=(error <= SUCCESS).astype(jnp.float32),
            progress=jnp.minimum(jnp.arctan2(jnp.abs(x), -y) / TURN, 1.0),
        )


def _tip(fixture: jax.Array, angle: jax.Array) -> jax.Array:
    return fixture + RADIUS * jnp.stack([jnp.sin(angle), -jnp.cos(angle), jnp.zeros(())])
