"""Meta-World's button-press-topdown: press a button on top of a box down into it.

Geometry, reward v2 and success are the original's (Yu et al. 2019); protocol `paper` is CoRe's
fixed start. The trap: the button's slide ends 9 mm short of success. The rest is the give of the
soft joint limit, 5 N for 8 mm, and then of the box's rim under the button's flange: success takes
70 N. At 137 N the flange slips through the rim, and the cap stops it 13 mm further down.

Nothing here rotates, so fingers are points and what they touch is grown by a finger's half sizes
(see `hand.POINT`).
"""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld import base, hand, looks, rewards
from core_jax.envs.metaworld.scene import Box, Physics, SceneXml, grown_boxes

# The original tilts the box by 1.57, not pi/2, and what is in it with it.
TOP = 0.193  # m, from the box up to the button's top when the slide is at 0
TARGET = (0.0, -0.0000796, 0.1)  # m, from the box to where the button's top should go
SKEW = 0.000796  # m along -y for every metre that the button moves up
QUAT = (0.7073883, -0.7068252, 0.0, 0.0)
REST = 0.0004615  # m, how far the button's spring pushes it past the end of its slide
START = 0.0935  # m, the reward's margin
SUCCESS = 0.024  # m


# The cap is a disc in the original; fingers are 3 cm wide, so its square corners are a detail.
_CASE: Box = ((-0.12, -0.12, -0.114), (0.12, 0.12, 0.09))
_CAP: Box = ((-0.041, -0.041, 0.172), (0.041, 0.041, 0.194))
_BODIES = f"""
<body name="fixture" pos="0 .8 .115">
  {grown_boxes({"case_to_finger": _CASE}, hand.FINGER_HALF, hand.POINT)}
  {grown_boxes({"case_to_palm": _CASE}, hand.PALM_HALF, 0.0)}
  <geom name="floor" type="plane" pos="0 0 .09" size=".1 .1 .1"/>
  <geom name="rim" type="capsule" fromto="0 0 .0938 0 0 .05" size=".005"/>
  <body name="button">
    <inertial pos="0 0 .1935" mass=".01" diaginertia=".001 .001 .001"/>
    <joint name="button_slide" type="slide" axis="0 0 1" range="-.06 0" damping="1" armature=".001"
           stiffness=".5" springref=".5"/>
    <geom name="flange" type="sphere" pos=".008 0 .168" size=".005"/>
    <geom name="stop" type="sphere" pos="0 0 .1824" size=".01"/>
    {grown_boxes({"cap_to_finger": _CAP}, hand.FINGER_HALF, hand.POINT)}
    {grown_boxes({"cap_to_palm": _CAP}, hand.PALM_HALF, 0.0)}
  </body>
</body>"""

# Impedances as stiff as the original's contacts are together, by the button's force and depth.
_PRESS = 'condim="3" friction="1 1 .1 .002 .002" solref=".01 1" solimp=".99 .995 .003"'
_WALL = 'condim="1" solref=".01 1" solimp=".99 .998 .003"'
_FLANGE = 'condim="1" solref=".01 1" solimp=".9987 .9987 .001"'
_STOP = 'condim="1" solref=".01 1" solimp=".998 .999 .001"'
_PAIRS = (
    ("right_point", "cap_to_finger", _PRESS),
    ("left_point", "cap_to_finger", _PRESS),
    ("palm_point", "cap_to_palm", _WALL),
    ("right_point", "case_to_finger", _WALL),
    ("left_point", "case_to_finger", _WALL),
    ("palm_point", "case_to_palm", _WALL),
    ("flange", "rim", _FLANGE),
    ("stop", "floor", _STOP),
)

_SHAPES = {
    "world": looks.TABLE,
    "fixture": """
      <geom type="box" pos="0 0 -.012" size=".12 .12 .102" material="yellow"/>
      <geom type="cylinder" pos="0 0 .095" size=".06 .008" material="dark"/>""",
    "button": """
      <geom type="cylinder" pos="0 0 .183" size=".041 .011" material="red"/>
      <geom type="cylinder" pos="0 0 .13" size=".02 .045" material="red"/>""",
}


class ButtonPressTopdown(base.MetaWorldEnv):
    """Press the button. Joints after the hand's: the button's slide, 0 out to -0.06 m and less."""

    NAME = "button-press-topdown"
    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.65, 0.3),
            settled=(0.004409, 0.651311, 0.295565),
            tcp=(0.004149, 0.651396, 0.250604),
        ),
        "random": base.BACK_START,
    }

    def scene_xml(self) -> SceneXml:
        """Returns the box, the button on its slide, and what the hand can touch of them."""
        return SceneXml(
            bodies=_BODIES,
            shapes=_SHAPES,
            pairs=_PAIRS,
            hand_points=True,
            iterations=2,
            ls_iterations=4,
        )

    def place(self, key: jax.Array) -> base.Placement:
        """Puts the box at (0, 0.8) m (paper) or uniformly in x +-0.1, y 0.8 to 0.9 m (random)."""
        fixture = jnp.array([0.0, 0.8, 0.115])
        if self.protocol == "random":
            low, high = jnp.array([-0.1, 0.8]), jnp.array([0.1, 0.9])
            fixture = fixture.at[:2].set(low + (high - low) * jax.random.uniform(key, (2,)))
        slide = jnp.array([REST])
        return base.Placement(fixture, fixture + jnp.array(TARGET), _top(fixture, REST), slide)

    def objects(self, physics: Physics) -> jax.Array:
        """Returns the button's top and its quaternion (w first) [7]."""
        top = _top(physics.fixture, physics.qpos[hand.N_JOINTS])
        return jnp.concatenate([top, jnp.array(QUAT)])

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2 (come near, press), success and progress."""
        del action
        top, target = frame[4:7], physics.target
        error = jnp.abs(target[2] - top[2])
        distance = jnp.linalg.norm(top - gripper.tcp)
        near = rewards.tolerance(distance, 0.0, 0.01, jnp.linalg.norm(top - self.tcp_init))
        pressed = rewards.tolerance(error, 0.0, 0.005, START)
        reach = 5.0 * rewards.hamacher(1.0 - frame[3], near)
        return base.Judgement(
            dense=reach + jnp.where(distance <= 0.03, 5.0 * pressed, 0.0),
            success=(error <= SUCCESS).astype(jnp.float32),
            progress=rewards.progress(error, TOP + REST - TARGET[2], SUCCESS),
        )


def _top(fixture: jax.Array, slide: jax.Array | float) -> jax.Array:
    return fixture + jnp.array([0.0, -SKEW, 1.0]) * slide + jnp.array([0.0, 0.0, TOP])
