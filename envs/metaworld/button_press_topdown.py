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

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = "red button's top"

# The original tilts the box by 1.57, not pi/2, and what is in it with it.
TOP = 0.193  # m, from the box up to the button's top when the slide is at 0
TARGET = (0.0, -0.0000796, 0.1)  # m, from the box to where the button's top should go
SKEW = 0.000796  # m along -y for every metre that the button moves up
QUAT = (0.7073883, -0.7068252, 0.0, 0.0)
REST = 0.0004615  # m, how far the button's spring pushes it past the end of its slide
START = 0.0935  # m, the reward's margin
SUCCESS = 0.024  # m


def _box(name: str, z: float, half: tuple[float, ...], grow: tuple[float, ...], less: float) -> str:
    """Returns a box on the axis, m from the parent, grown by what touches it, as MJCF."""
    size = " ".join(f"{a + b - less:.6g}" for a, b in zip(half, grow, strict=True))
    return f'<geom name="{name}" type="box" pos="0 0 {z}" size="{size}"/>'


# The cap is a disc in the original; fingers are 3 cm wide, so its square corners are a detail.
_CASE = (-0.012, (0.12, 0.12, 0.102))
_CAP = (0.183, (0.041, 0.041, 0.011))
_FINGER = (hand.FINGER_HALF, hand.POINT)
_PALM = (hand.PALM_HALF, 0.0)
_BODIES = f"""
<body name="fixture" pos="0 .8 .115">
  {_box("case_to_finger", *_CASE, *_FINGER)}
  {_box("case_to_palm", *_CASE, *_PALM)}
  <geom name="floor" type="plane" pos="0 0 .09" size=".1 .1 .1"/>
  <geom name="rim" type="capsule" fromto="0 0 .0938 0 0 .05" size=".005"/>
  <body name="button">
    <inertial pos="0 0 .1935" mass=".01" diaginertia=".001 .001 .001"/>
    <joint name="button_slide" type="slide" axis="0 0 1" range="-.06 0" damping="1" armature=".001"
           stiffness=".5" springref=".5"/>
    <geom name="flange" type="sphere" pos=".008 0 .168" size=".005"/>
    <geom name="stop" type="sphere" pos="0 0 .1824" size=".01"/>
    {_box("cap_to_finger", *_CAP, *_FINGER)}
    {_box("cap_to_palm", *_CAP, *_PALM)}
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


class ButtonPressTopdown(base.MetaWorldEnv):
    """Press the button. Joints after the hand's: the button's slide, 0 out to -0.06 m and less."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.65, 0.3),
            settled=(0.004409, 0.651311, 0.295565),
            tcp=(0.004149, 0.651396, 0.250604),
            left_pad=(0.000371, 0.698310, 0.295591),
            right_pad=(0.008447, 0.604312, 0.295539),
        ),
        "random": base.HandStart(
            target=(0.0, 0.4, 0.2),
            settled=(0.004529, 0.400308, 0.195686),
            tcp=(0.004407, 0.400271, 0.150740),
            left_pad=(0.003200, 0.447461, 0.195633),
            right_pad=(0.005857, 0.353155, 0.195740),
        ),
    }
    spec = TaskSpec(
        name="button-press-topdown",
        instruction="press the red button down from above",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, quat="w x y z"),
        formal_fields=base.formal_fields(_OBJECT, quat="w x y z"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz of the button's top when it is pressed in, m; the button "
        "starts 0.09 m above it",
        success_description="the button's top is within 0.024 m of the target's height",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(-0.55, 0.2, 0.6), xyaxes=(0.77, -0.64, 0.0, 0.3, 0.36, 0.88)),
    )

    def scene_xml(self) -> SceneXml:
        """Returns the box, the button on its slide, and what the hand can touch of them."""
        return SceneXml(
            bodies=_BODIES, pairs=_PAIRS, hand_points=True, iterations=2, ls_iterations=4
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
