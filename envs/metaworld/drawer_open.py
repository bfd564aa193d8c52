"""Meta-World's drawer-open: pull a drawer out by its handle until it stops.

Geometry, reward v2 and success are the original's (Yu et al. 2019); protocol `paper` is CoRe's
fixed start. The trap: at the hard stop the handle is exactly 3 cm from the target and success is
"at most 3 cm", so success needs the soft joint limit to give: the limit's solref and solimp are
the original's. Unlike the original, the first observation shows the drawer where it is now.
"""

import jax
import jax.numpy as jnp

from core_jax.envs.metaworld import base, hand, looks, rewards
from core_jax.envs.metaworld.scene import Physics, SceneXml

CLOSED_HANDLE = (0.0, -0.17, 0.09)  # m, from the drawer to its handle when closed
TARGET = (0.0, -0.36, 0.09)  # m, from the drawer to where the handle should go
PULL = 0.2  # m, the reward's margin
SUCCESS = 0.03  # m

# Fingers are thin capsules here and boxes 3 cm wide in x in the original: the bar and its posts are
# wider by the difference (10.5 mm a side), so that a finger is caught and held where it was there.
# Front and floor of the drawer are one panel. "back" meets "stop" 4 mm inside the closed position,
# as in the original: the soft joint limit alone would give 3 cm under the hand's force.
_BODIES = """
<body name="fixture" pos="0 .9 0">
  <geom name="case" type="box" pos="0 0 .084" size=".118 .1 .084"/>
  <geom name="stop" type="plane" pos="0 .084 .09" size=".1 .1 .1" zaxis="0 -1 0"/>
  <body name="drawer_link" pos="0 -.01 .09">
    <inertial pos="0 -.06158 -.00211" mass=".38" diaginertia=".004 .004 .004"/>
    <joint name="drawer_slide" type="slide" axis="0 1 0" range="-.16 0" damping="2"
           armature=".001"/>
    <geom name="back" type="sphere" pos="0 .08 0" size=".01"/>
    <geom name="front" type="box" pos="0 -.082 0" size=".1 .008 .06"/>
    <geom name="bar" type="capsule" fromto="-.0605 -.15 0 .0605 -.15 0" size=".009"/>
    <geom name="right_post" type="capsule" fromto=".05 -.135 0 .05 -.11 0" size=".0195"/>
    <geom name="left_post" type="capsule" fromto="-.05 -.135 0 -.05 -.11 0" size=".0195"/>
  </body>
</body>"""

# Walls only keep the hand out, so they are frictionless: one row a contact, not four.
_WALL = 'condim="1" solref=".01 1" solimp=".99 .998 .003"'
_STOP = 'condim="1" solref=".01 1" solimp=".99 .999 .001"'
_PAIRS = (
    ("right_finger", "bar", hand.PAD),
    ("left_finger", "bar", hand.PAD),
    ("palm", "bar", _WALL),
    ("right_finger", "right_post", _WALL),
    ("left_finger", "right_post", _WALL),
    ("right_finger", "left_post", _WALL),
    ("left_finger", "left_post", _WALL),
    ("right_tip", "front", _WALL),
    ("left_tip", "front", _WALL),
    ("right_root", "front", _WALL),
    ("left_root", "front", _WALL),
    ("right_palm", "front", _WALL),
    ("left_palm", "front", _WALL),
    ("right_tip", "case", _WALL),
    ("left_tip", "case", _WALL),
    ("right_palm", "case", _WALL),
    ("left_palm", "case", _WALL),
    ("back", "stop", _STOP),
)

_SHAPES = {
    "world": looks.TABLE,
    "fixture": """
      <geom type="box" pos="-.11 0 .084" size=".008 .1 .084" material="brown"/>
      <geom type="box" pos=".11 0 .084" size=".008 .1 .084" material="brown"/>
      <geom type="box" pos="0 0 .16" size=".102 .1 .008" material="brown"/>
      <geom type="box" pos="0 .092 .076" size=".102 .008 .076" material="brown"/>""",
    "drawer_link": """
      <geom type="box" pos="0 -.082 .008" size=".1 .008 .052" material="cream"/>
      <geom type="box" pos="-.092 0 .008" size=".008 .074 .052" material="cream"/>
      <geom type="box" pos=".092 0 .008" size=".008 .074 .052" material="cream"/>
      <geom type="box" pos="0 0 -.052" size=".1 .09 .008" material="cream"/>
      <geom type="capsule" fromto="-.05 -.15 0 -.05 -.09 0" size=".009" material="metal"/>
      <geom type="capsule" fromto=".05 -.15 0 .05 -.09 0" size=".009" material="metal"/>
      <geom type="capsule" fromto="-.05 -.15 0 .05 -.15 0" size=".009" material="metal"/>""",
}


class DrawerOpen(base.MetaWorldEnv):
    """Open the drawer. Joints after the hand's: the drawer's slide, 0 closed to -0.16 m open."""

    NAME = "drawer-open"
    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.72, 0.15),
            settled=(0.004181, 0.723113, 0.145040),
            tcp=(0.003713, 0.723061, 0.100062),
        ),
        "random": base.MIDDLE_START,
    }

    def scene_xml(self) -> SceneXml:
        """Returns the drawer, its case, and what the hand can touch of them."""
        # 4 and 6 iterations end scripted pulls and random episodes in the same places.
        return SceneXml(bodies=_BODIES, shapes=_SHAPES, pairs=_PAIRS, iterations=2, ls_iterations=4)

    def place(self, key: jax.Array) -> base.Placement:
        """Puts the drawer at x = 0 (paper) or at x uniform in [-0.1, 0.1] m (random)."""
        fixture = jnp.array([0.0, 0.9, 0.0])
        if self.protocol == "random":
            fixture = fixture.at[0].set(jax.random.uniform(key, (), minval=-0.1, maxval=0.1))
        handle = fixture + jnp.array(CLOSED_HANDLE)
        return base.Placement(fixture, fixture + jnp.array(TARGET), handle, jnp.zeros(1))

    def objects(self, physics: Physics) -> jax.Array:
        """Returns the handle's position and the drawer's quaternion (w first) [7]."""
        slide = physics.qpos[hand.N_JOINTS]
        handle = physics.fixture + jnp.array(CLOSED_HANDLE)
        return jnp.concatenate([handle.at[1].add(slide), jnp.array([1.0, 0.0, 0.0, 0.0])])

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2, 5 (caging + opening), success and progress."""
        del action, gripper
        hand_pos, handle, target = frame[:3], frame[4:7], physics.target
        error = jnp.linalg.norm(handle - target)
        opening = rewards.tolerance(error, 0.0, 0.02, PULL)
        # x and y weigh more so that the hand comes down over the handle, not into it.
        scale = jnp.array([3.0, 3.0, 1.0])
        handle_init = target + jnp.array([0.0, PULL, 0.0])
        caging = rewards.tolerance(
            jnp.linalg.norm((handle - hand_pos) * scale),
            0.0,
            0.01,
            jnp.linalg.norm((handle_init - self.tcp_init) * scale),
        )
        closed = abs(TARGET[1] - CLOSED_HANDLE[1])
        return base.Judgement(
            dense=5.0 * (caging + opening),
            success=(error <= SUCCESS).astype(jnp.float32),
            progress=rewards.progress(error, closed, SUCCESS),
        )
