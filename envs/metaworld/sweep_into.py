"""Meta-World's sweep-into: sweep a cube over the table into a square hole."""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld import base, hand, looks, rewards
from core_jax.envs.metaworld.scene import Box, Physics, SceneXml, grown_box, grown_boxes

CUBE = (0.0, 0.65, 0.0699355)  # m, where a reset of the original leaves it
HOLE = (0.0, 0.84, 0.02)  # m
SUCCESS = 0.05  # m, in the horizontal plane
CLOSEST = 0.15  # m, resets nearer to the hole are drawn again
_CANDIDATES = 8  # draws of a reset; one in a hundred is rejected

# Nothing here can turn (the original's cube has an inertia of 1e5), so every contact is one of a
# point with a grown box (see `hand.POINT`).

_TABLE: dict[str, Box] = {  # the raised table around its hole
    "left": ((-0.70, 0.20, -0.05), (-0.08, 1.00, 0.05)),
    "right": ((0.08, 0.20, -0.05), (0.70, 1.00, 0.05)),
    "near": ((-0.08, 0.20, -0.05), (0.08, 0.76, 0.05)),
    "far": ((-0.08, 0.92, -0.05), (0.08, 1.00, 0.05)),
}
_HALF = 0.02  # m, half the cube's side
_CUBE: Box = ((-_HALF, -_HALF, -_HALF), (_HALF, _HALF, _HALF))

# A finger is two plates here, outside a claw and inside a pad: a claw is softer and rubs less, and
# by that the cube flies off it with the speed that it has in the original. Both plates are the
# finger's one point; that they are 1.5 mm further out and in is in the cube's boxes instead, of
# which the low one (along y) is for the left finger's claw and the right one's pad.
_PLATE_HALF = (0.016, 0.004, 0.046)  # m along world x y z, with the original's 1 mm margin
_PLATE_OFFSET = 0.0015  # m along y, from the finger's middle
_CUBES: dict[str, Box] = {
    name: ((-_HALF, y - _HALF, -_HALF), (_HALF, y + _HALF, _HALF))
    for name, y in (("low", -_PLATE_OFFSET), ("high", _PLATE_OFFSET))
}


_PALM_HALF = tuple(half + hand.PALM_RADIUS for half in hand.PALM_HALF)
_BODIES = f"""
<body name="fixture">
  {grown_boxes(_TABLE, (_HALF,) * 3, hand.POINT)}
  {grown_boxes(_TABLE, hand.FINGER_HALF, hand.POINT, "_rim")}
  <geom name="bottom" type="plane" pos="0 0 {_HALF - hand.POINT}" size="1 1 1"/>
</body>
<body name="cube">
  <inertial pos="0 0 0" mass=".01" diaginertia="1 1 1"/>
  <joint name="cube_x" type="slide" axis="1 0 0"/>
  <joint name="cube_y" type="slide" axis="0 1 0"/>
  <joint name="cube_z" type="slide" axis="0 0 1"/>
  <geom name="core" type="sphere" size="{hand.POINT}"/>
  {grown_boxes(_CUBES, _PLATE_HALF, hand.POINT, "_plate")}
  <geom name="top" {grown_box(_CUBE, _PALM_HALF, hand.PALM_RADIUS)}/>
</body>"""

_GROUND = 'condim="3" friction="1 1 .1 .002 .002" solref=".015 1" solimp=".945 .97 .0055"'
# The original's mixture is .895 .945 .01, at four corners; this is what the four do together.
_CLAW = 'condim="3" friction="1 1 .005 .002 .002" solref=".015 1" solimp=".9715 .9857 .01"'
# Softer than the hand's other walls: a hand pressed on the table creeps over it, and this is how
# fast it does so in the original, measured at 160 to 390 N.
_RUB = 'condim="3" friction="2 2 .1 .002 .002" solref=".01 1" solimp=".95 .97 .0055"'
_WALL = 'condim="1" solref=".01 1" solimp=".99 .998 .003"'
_PAIRS = (
    ("right_point", "high_plate", _CLAW),
    ("right_point", "low_plate", hand.PAD),
    ("left_point", "low_plate", _CLAW),
    ("left_point", "high_plate", hand.PAD),
    ("palm_point", "top", _WALL),
    ("core", "bottom", _GROUND),
    *(("core", name, _GROUND) for name in _TABLE),
    *((f"{side}_point", f"{name}_rim", _RUB) for side in ("right", "left") for name in _TABLE),
)

_SHAPES = {
    "world": looks.FLOOR,
    "fixture": """
      <geom type="box" pos="-.39 .6 0" size=".31 .4 .05" material="wood"/>
      <geom type="box" pos=".39 .6 0" size=".31 .4 .05" material="wood"/>
      <geom type="box" pos="0 .48 0" size=".08 .28 .05" material="wood"/>
      <geom type="box" pos="0 .96 0" size=".08 .04 .05" material="wood"/>
      <geom type="plane" size=".08 .08 .1" pos="0 .84 0" material="dark"/>""",
    "cube": '<geom type="box" size=".02 .02 .02" material="green"/>',
}


class SweepInto(base.MetaWorldEnv):
    """Sweep the cube into the hole. Joints after the hand's: the cube's x, y and z, m."""

    NAME = "sweep-into"
    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.53, 0.05),
            settled=(-0.014897, 0.522814, 0.095179),
            tcp=(-0.015331, 0.523059, 0.050247),
        ),
        "random": base.MIDDLE_START,
    }

    def scene_xml(self) -> SceneXml:
        """Returns the cube and the table with its hole."""
        return SceneXml(
            bodies=_BODIES,
            shapes=_SHAPES,
            pairs=_PAIRS,
            hand_points=True,
            max_contacts=8,  # of 17: a finger or the cube in a corner touches three boxes at most
            iterations=3,
            ls_iterations=5,
        )

    def place(self, key: jax.Array) -> base.Placement:
        """Puts the cube at (0, 0.65) or, under `random`, anywhere in 0.2 x 0.1 m, off the hole."""
        cube, hole = jnp.array(CUBE), jnp.array(HOLE)
        if self.protocol == "random":
            low, high = jnp.array([-0.1, 0.6]), jnp.array([0.1, 0.7])
            drawn = jax.random.uniform(key, (_CANDIDATES, 2), minval=low, maxval=high)
            is_far = jnp.linalg.norm(drawn - hole[:2], axis=-1) >= CLOSEST
            cube = cube.at[:2].set(drawn[jnp.argmax(is_far)])
        return base.Placement(jnp.zeros(3), hole, cube, cube)

    def objects(self, physics: Physics) -> jax.Array:
        """Returns the cube's position and quaternion (x y z w) [7]: it cannot turn."""
        cube = physics.qpos[hand.N_JOINTS :]
        return jnp.concatenate([cube, jnp.array([0.0, 0.0, 0.0, 1.0])])

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2, 2 caged + 6 (caged and in place), success and progress."""
        del action
        cube, hole = frame[4:7], physics.target
        error = jnp.linalg.norm(cube[:2] - hole[:2])
        # The original measures the margin to the hole's place at the cube's present height.
        margin = jnp.linalg.norm(physics.origin - hole.at[2].set(cube[2]))
        in_place = rewards.tolerance(error, 0.0, SUCCESS, margin)
        caged = rewards.caged_between_pads(
            cube, physics.origin, gripper, self.tcp_init, radius=0.02, slack=0.005, xz=0.01
        )
        dense = 2.0 * caged + 6.0 * rewards.hamacher(caged, in_place)
        return base.Judgement(
            dense=jnp.where(error < SUCCESS, 10.0, dense),
            success=(error <= SUCCESS).astype(jnp.float32),
            progress=rewards.progress(
                error, jnp.linalg.norm(physics.origin[:2] - hole[:2]), SUCCESS
            ),
        )
