"""Meta-World's soccer: push a ball over the table into a goal."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = "soccer ball"


class Soccer(base.MetaWorldEnv):
    """TODO."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.56, 0.05),
            settled=(0.003158, 0.563243, 0.046284),
            tcp=(0.002881, 0.563086, 0.001301),
            left_pad=(0.002709, 0.610416, 0.046108),
            right_pad=(0.003607, 0.516074, 0.046459),
        ),
        "random": base.HandStart(
            target=(0.0, 0.6, 0.2),
            settled=(0.004584, 0.601388, 0.195143),
            tcp=(0.004286, 0.601489, 0.150189),
            left_pad=(0.001944, 0.648486, 0.195195),
            right_pad=(0.007225, 0.554290, 0.195092),
        ),
    }
    spec = TaskSpec(
        name="soccer",
        instruction="push the soccer ball into the goal",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, quat="x y z w"),
        formal_fields=base.formal_fields(_OBJECT, quat="x y z w"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz of the middle of the goal's mouth on the table, m; the ball "
        "starts about 0.2 m in front of it along -y",
        success_description="the ball's centre is within 0.07 m of the target",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(0.55, 0.15, 0.45), xyaxes=(0.79, 0.61, 0.0, -0.27, 0.35, 0.9)),
    )

    def scene_xml(self) -> SceneXml:
        """TODO."""
        raise NotImplementedError

    def place(self, key: jax.Array) -> base.Placement:
        """TODO."""
        raise NotImplementedError

    def objects(self, physics: Physics) -> jax.Array:
        """TODO."""
        raise NotImplementedError

    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> base.Judgement:
        """TODO."""
        raise NotImplementedError
