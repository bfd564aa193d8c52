"""Meta-World's peg-insert-side: pick up a peg and push it sideways into the hole of a block.

Reward v2 and success are the original's (Yu et al. 2019); protocol `paper` is CoRe's fixed start.
The original gives its peg of 0.1 kg an inertia of 1e5 kg m^2, so it cannot rotate: here it has
three slides. Peg, fingers and block are then boxes that only translate, and two of those touch
exactly as a point and a grown box do (see `hand.POINT`): the peg is a point to the block, which
is there once for each of those who can touch it, grown by their half sizes.
"""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld import base, hand, looks, rewards
from core_jax.envs.metaworld.scene import Box, Physics, SceneXml, grown_boxes

GRASP = (0.03, 0.0, 0.01)  # m, from the peg's middle to what an observation shows
HEAD = (-0.1, 0.0, 0.0)  # m, from the peg's middle to its head
TARGET = (0.03, 0.0, 0.13)  # m, from the block to where the head should go
SUCCESS = 0.07  # m
# The original measures its in-place margin before it moves the peg to its start.
HEAD_INIT = (-0.1, 0.6, 0.0147847)
# The regions in front of the block that a head should not be in: corners of value 0 and 1, from
# the block; the original's block is turned by 1.57, not by a right angle.
LOW_REGION = ((0.1100796, 0.0999124, 0.01), (0.1499203, -0.1001194, 0.096))
HIGH_REGION = ((0.1100796, 0.0999124, 0.16), (0.1699203, -0.1001353, 0.19))
# In `progress`, a peg is picked up from the first height on, more and more up to the second, m;
# below the first it lies on the table, whose soft contact lets a touch move it by a millimetre.
LYING, LIFT = 0.002, 0.05

# Peg and block of a random reset: lower and upper ends of the six numbers, m.
_RANDOM = ((0.0, 0.5, 0.02, -0.35, 0.4, -0.001), (0.2, 0.7, 0.02, -0.25, 0.7, 0.001))

_PEG_HALF = (0.12, 0.015, 0.015)  # m

# The block's parts from its own origin. To a finger, 9 cm tall, it is solid: the hole is 6 cm.
_BLOCK: Box = ((-0.1, -0.1, 0.0), (0.1, 0.1, 0.2))
_AROUND_HOLE: dict[str, Box] = {
    "below": ((-0.096, -0.1, 0.0), (0.096, 0.1, 0.1)),
    "above": ((-0.096, -0.1, 0.16), (0.096, 0.1, 0.2)),
    "right": ((-0.096, -0.1, 0.1), (0.096, -0.03, 0.16)),
    "left": ((-0.096, 0.03, 0.1), (0.096, 0.1, 0.16)),
}
_PEG: Box = ((-_PEG_HALF[0], -_PEG_HALF[1], -_PEG_HALF[2]), _PEG_HALF)

# The slides' ranges stand for the walls around the table, 0.68 m and 0.38 m from its middle.
_EDGE = 'solreflimit=".01 1" solimplimit=".99 .999 .001"'
_BODIES = f"""
<geom name="table" type="plane" pos="0 0 {_PEG_HALF[2] - hand.POINT}" size="1 1 .1"/>
<body name="peg">
  <inertial pos="0 0 0" mass=".1" diaginertia=".01 .01 .01"/>
  <joint name="peg_x" type="slide" axis="1 0 0" damping=".005" range="-.56 .56" {_EDGE}/>
  <joint name="peg_y" type="slide" axis="0 1 0" damping=".005" range=".235 .965" {_EDGE}/>
  <joint name="peg_z" type="slide" axis="0 0 1" damping=".005" limited="false"/>
  <geom name="peg_point" type="sphere" size="{hand.POINT}"/>
  {grown_boxes({"peg_to_finger": _PEG}, hand.FINGER_HALF, hand.POINT)}
  {grown_boxes({"peg_to_palm": _PEG}, hand.PALM_HALF, 0.0)}
</body>
<body name="fixture" pos="-.3 .6 0">
  {grown_boxes({"block_to_finger": _BLOCK}, hand.FINGER_HALF, hand.POINT)}
  {grown_boxes({"block_to_palm": _BLOCK}, hand.PALM_HALF, 0.0)}
  {grown_boxes(_AROUND_HOLE, _PEG_HALF, hand.POINT)}
</body>"""

# The original's parameters, mixed, but one contact does here what four corners do there: 1 - solimp
# is a quarter. Only the grip is fitted: fingers sink into the peg as far as they do there, until
# they reach their stops, and the peg creeps down between them no faster.
_GRIP = 'condim="3" friction="2 2 .1 .002 .002" solref=".02 1" solimp=".99 .9992 .003"'
_TABLE = 'condim="3" friction="1 1 .1 .002 .002" solref=".02 1" solimp=".973 .987 .001"'
_HOLE = 'condim="3" friction="1 1 .1 .002 .002" solref=".015 1" solimp=".985 .992 .0055"'
_WALL = 'condim="1" solref=".01 1" solimp=".99 .998 .003"'
_PAIRS = (
    ("right_point", "peg_to_finger", _GRIP),
    ("left_point", "peg_to_finger", _GRIP),
    ("palm_point", "peg_to_palm", _WALL),
    ("right_point", "block_to_finger", _WALL),
    ("left_point", "block_to_finger", _WALL),
    ("palm_point", "block_to_palm", _WALL),
    ("peg_point", "table", _TABLE),
    ("peg_point", "below", _HOLE),
    ("peg_point", "above", _HOLE),
    ("peg_point", "right", _HOLE),
    ("peg_point", "left", _HOLE),
)

_SHAPES = {
    "world": looks.TABLE,
    "peg": '<geom type="box" size=".12 .015 .015" material="green"/>',
    "fixture": """
      <geom type="box" pos="0 0 .05" size=".096 .1 .05" material="brown"/>
      <geom type="box" pos="0 0 .18" size=".096 .1 .02" material="brown"/>
      <geom type="box" pos="0 -.065 .13" size=".096 .035 .03" material="brown"/>
      <geom type="box" pos="0 .065 .13" size=".096 .035 .03" material="brown"/>""",
}


class PegInsertSide(base.MetaWorldEnv):
    """Insert the peg. Joints after the hand's: the peg's middle, x y z in the world, m."""

    NAME = "peg-insert-side"
    HAND_START = {
        "paper": base.HandStart(
            target=(0.1, 0.6, 0.05),
            settled=(0.103130, 0.602571, 0.046127),
            tcp=(0.102759, 0.602579, 0.001138),
        ),
        "random": base.MIDDLE_START,
    }

    def scene_xml(self) -> SceneXml:
        """Returns the peg, the block, and what can touch what."""
        return SceneXml(bodies=_BODIES, shapes=_SHAPES, pairs=_PAIRS, hand_points=True)

    def place(self, key: jax.Array) -> base.Placement:
        """Puts peg and block where CoRe has them (paper) or uniformly in boxes (random).

        The original draws again if they are closer than 0.1 m, which its boxes rule out.
        """
        peg, block = jnp.array([0.1, 0.6, 0.015]), jnp.array([-0.3, 0.55, 0.0])
        if self.protocol == "random":
            low, high = jnp.array(_RANDOM[0]), jnp.array(_RANDOM[1])
            drawn = low + (high - low) * jax.random.uniform(key, (6,))
            peg, block = drawn[:3], drawn[3:]
        return base.Placement(block, block + jnp.array(TARGET), peg, peg)

    def objects(self, physics: Physics) -> jax.Array:
        """Returns the place to grasp the peg and its quaternion (w last) [7]."""
        peg = physics.qpos[hand.N_JOINTS :]
        return jnp.concatenate([peg + jnp.array(GRASP), jnp.array([0.0, 0.0, 0.0, 1.0])])

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2 (hold the peg, and bring its head in), success and progress."""
        obj, target, origin = frame[4:7], physics.target, physics.origin
        peg = obj - jnp.array(GRASP)  # the original's turns by 0.2 mrad in a long episode
        head = peg + jnp.array(HEAD)
        # y and z weigh more so that the head comes to the hole before it goes in.
        distance = lambda point: jnp.linalg.norm((point - target) * jnp.array([1.0, 2.0, 2.0]))
        error = distance(head)
        in_place = rewards.tolerance(error, 0.0, SUCCESS, distance(jnp.array(HEAD_INIT)))
        block = target - jnp.array(TARGET)
        low, high = (_region(head - block, *r) for r in (LOW_REGION, HIGH_REGION))
        in_place = rewards.hamacher(in_place, rewards.hamacher(low, high))

        is_held = (
            (jnp.linalg.norm(obj - gripper.tcp) < 0.08)
            & (frame[3] > 0.0)
            & (obj[2] - 0.01 > origin[2])
        )
        caging = rewards.caging(gripper, obj, origin, self.tcp_init, action[3], 0.0075, 0.03, 0.005)
        held = jnp.where(is_held, 1.0, caging)
        dense = rewards.hamacher(held, in_place) + jnp.where(is_held, 1.0 + 5.0 * in_place, 0.0)
        success = error <= SUCCESS

        lifted = jnp.clip((peg[2] - origin[2] - LYING) / (LIFT - LYING), 0.0, 1.0)
        at_start = distance(origin + jnp.array(HEAD))
        inserted = rewards.progress(error, at_start, SUCCESS)
        strayed = jnp.clip(error / at_start - 1.0, 0.0, 1.0)  # a peg that is carried away
        return base.Judgement(
            dense=jnp.where(success, 10.0, dense),
            success=success.astype(jnp.float32),
            progress=lifted * (0.3 * (1.0 - strayed) + 0.7 * inserted),
        )


def _region(
    point: jax.Array, zero: tuple[float, float, float], one: tuple[float, float, float]
) -> jax.Array:
    """Returns 1 outside a box; inside, the product of the ways from one corner to the other."""
    way = (point - jnp.array(zero)) / (jnp.array(one) - jnp.array(zero))
    return jnp.where(jnp.all((way >= 0.0) & (way <= 1.0)), jnp.prod(way), 1.0)
