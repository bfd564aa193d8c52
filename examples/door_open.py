"""A Meta-World task in one file, outside of the package: open a safe's door by its handle.

In this folder: python ../scripts/train.py --task door_open:DoorOpen --method env_dense

Geometry, reward v2 and success are those of Meta-World's door-open (Yu et al. 2019), measured in
metaworld==3.1.1. CoRe's table has no door-open: protocol `paper` is this file's own fixed start.
"""

import jax
import jax.numpy as jnp

from core_jax.envs.camera import Camera
from core_jax.envs.metaworld import base, hand, looks, rewards, tasks
from core_jax.envs.metaworld.scene import Physics, SceneXml

HINGE = (-0.185, -0.1)  # m, x and y from the safe to the hinge
HANDLE = (0.3757, -0.1071)  # m, x and y from the hinge to the handle when closed
TARGET = (-0.3, -0.45, 0.0)  # m, from the safe to the target
SUCCESS = 0.08  # m along x
OPEN = 1.383  # rad, the angle at which the task is done
CLOSED_QUAT = (0.6908, -0.1506, 0.6909, 0.1512)  # x y z w

# 1. The physics: simple geoms only. The body "fixture" is placed at each reset.
_BODIES = """
<body name="fixture" pos=".1 .95 .15">
  <body name="door" pos="-.185 -.1 0">
    <inertial pos=".2237 -.0204 0" mass="2.23" diaginertia=".0117 .0436 .0373"/>
    <joint name="hinge" type="hinge" axis="0 0 1" range="-2 0" damping="2" armature=".001"/>
    <geom name="panel" type="box" pos=".185 0 0" size=".18 .01 .123"/>
    <geom name="stem" type="capsule" fromto=".325 -.018 0 .325 -.112 0" size=".013"/>
    <geom name="bar" type="capsule" fromto=".32 -.12 0 .44 -.12 0" size=".019"/>
  </body>
</body>"""

# Only these pairs can touch. `hand.PAD` has friction, for what is gripped or pulled.
_WALL = 'condim="1" solref=".01 1" solimp=".99 .998 .003"'
_PAIRS = (
    *((f"{side}_finger", "bar", hand.PAD) for side in ("right", "left")),
    *((f"{side}_finger", "stem", _WALL) for side in ("right", "left")),
    *((f"{side}_{part}", "panel", _WALL) for side in ("right", "left") for part in ("tip", "root")),
    ("palm", "bar", _WALL),
)

# 2. What pictures show.
_SHAPES = {
    "world": looks.TABLE,
    "fixture": """
      <geom type="box" pos="-.204 0 0" size=".016 .106 .15" material="grey"/>
      <geom type="box" pos=".204 0 0" size=".016 .106 .15" material="grey"/>
      <geom type="box" pos="0 0 .138" size=".188 .106 .012" material="grey"/>
      <geom type="box" pos="0 0 -.138" size=".189 .106 .012" material="grey"/>
      <geom type="box" pos="0 .094 0" size=".188 .012 .126" material="grey"/>""",
    "door": """
      <geom type="box" pos=".185 0 0" size=".18 .01 .123" material="blue"/>
      <geom type="capsule" fromto=".325 -.018 0 .325 -.112 0" size=".013" material="metal"/>
      <geom type="capsule" fromto=".32 -.12 0 .44 -.12 0" size=".019" material="metal"/>""",
}


class DoorOpen(base.MetaWorldEnv):
    """Open the door. Joint after the hand's: the hinge, 0 closed to -2 rad open."""

    NAME = "door-open"
    HAND_START = {"paper": base.MIDDLE_START, "random": base.MIDDLE_START}

    # 3. What the task is, for language models, teachers and pictures.
    @classmethod
    def describe(cls, protocol="paper"):
        """Returns the task's spec."""
        return tasks.describe(
            name=cls.NAME,
            instruction="open the door of the safe",
            obj="door's handle",
            quat="x y z w",
            target="position xyz that the handle is pulled towards, m; only x counts. The hinge is "
            "0.19 m to the left of the safe's middle, and the door opens towards the robot (-y)",
            success="the handle is within 0.08 m of the target along x",
            camera=Camera.look_at((-0.55, 0.1, 0.75), (0.0, 0.72, 0.12), 42.0),
            expert="door_open:expert",
            start=(0.0, 0.6, 0.2, 0.0, 0.0, 0.0, 0.1, 0.95, 0.15),  # joints, then the fixture
            goal=(-0.22, 0.5, 0.15, 0.0, 0.0, -1.5, 0.1, 0.95, 0.15),
        )

    def scene_xml(self) -> SceneXml:
        """Returns the door and what the hand can touch of it."""
        return SceneXml(bodies=_BODIES, shapes=_SHAPES, pairs=_PAIRS)

    # 4. The reset: where the safe, the target and the joints are.
    def place(self, key: jax.Array) -> base.Placement:
        """Puts the safe at (0.1, 0.95) m (paper), or x 0 to 0.1, y 0.85 to 0.95 m (random)."""
        fixture = jnp.array([0.1, 0.95, 0.15])
        if self.protocol == "random":
            low, high = jnp.array([0.0, 0.85]), jnp.array([0.1, 0.95])
            fixture = fixture.at[:2].set(jax.random.uniform(key, (2,), minval=low, maxval=high))
        handle = _handle(fixture, jnp.zeros(()))
        return base.Placement(fixture, fixture + jnp.array(TARGET), handle, jnp.zeros(1))

    # 5. What an observation shows of the object.
    def objects(self, physics: Physics) -> jax.Array:
        """Returns the handle's position and quaternion (x y z w) [7]."""
        angle = physics.qpos[hand.N_JOINTS]
        c, s = jnp.cos(0.5 * angle), jnp.sin(0.5 * angle)
        x, y, z, w = CLOSED_QUAT  # turned about the upright axis
        quat = jnp.stack([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z])
        return jnp.concatenate([_handle(physics.fixture, angle), quat])

    # 6. The ground truth: dense reward, success, and progress, which scripted teachers compare.
    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """Returns reward v2 (hand above a funnel, then behind the handle; opening), success."""
        del gripper
        hand_pos, handle, angle = frame[:3], frame[4:7], -physics.qpos[hand.N_JOINTS]
        door = handle - jnp.array([0.05, 0.0, 0.0])
        radius = jnp.linalg.norm(hand_pos[:2] - door[:2])
        floor = 0.04 * jnp.log(jnp.maximum(radius - 0.12, 1e-9)) + 0.4
        floor = jnp.where(radius <= 0.12, 0.0, floor)
        above = rewards.tolerance(floor - hand_pos[2], 0.0, 0.01, floor / 2.0)
        above = jnp.where(hand_pos[2] >= floor, 1.0, above)
        to_grip = jnp.linalg.norm(hand_pos - door - jnp.array([0.05, 0.03, -0.01]))
        ready = rewards.hamacher(above, rewards.tolerance(to_grip, 0.0, 0.06, 0.5))
        missing = rewards.tolerance(jnp.pi * 2 / 3 - angle, 0.0, 0.5, jnp.pi / 3)
        opened = 0.2 * (angle > jnp.pi / 90) + 0.8 * missing
        success = jnp.abs(handle[0] - physics.target[0]) <= SUCCESS
        dense = 2.0 * rewards.hamacher(ready, 0.5 * (action[3] + 1.0)) + 8.0 * opened
        return base.Judgement(
            dense=jnp.where(success, 10.0, dense),
            success=success.astype(jnp.float32),
            progress=jnp.clip(angle / OPEN, 0.0, 1.0),
        )


def expert(obs: jax.Array) -> jax.Array:
    """Comes down behind the handle with closed fingers and pulls it round: obs [39] -> action [4].

    Waypoints and gain are those of Meta-World's policy.
    """
    hand_pos, door = obs[:3], obs[4:7] - jnp.array([0.05, 0.0, 0.0])
    is_away = jnp.linalg.norm(hand_pos[:2] - door[:2]) > 0.12
    is_high = jnp.abs(hand_pos[2] - door[2]) > 0.04
    behind = jnp.array([0.06, 0.02, 0.0])
    down = jnp.where(is_high, door + behind, door)
    to = jnp.where(is_away, door + behind.at[2].set(0.2), down)
    return jnp.clip(jnp.append(25.0 * (to - hand_pos), 1.0), -1.0, 1.0)


def _handle(fixture: jax.Array, angle: jax.Array) -> jax.Array:
    """Where the handle is, for the safe's place and the hinge's angle."""
    (hx, hy), (x, y) = HINGE, HANDLE
    c, s = jnp.cos(angle), jnp.sin(angle)
    return fixture + jnp.stack([hx + c * x - s * y, hy + s * x + c * y, jnp.zeros(())])
