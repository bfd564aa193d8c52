"""Meta-World's dial-turn: turn a dial half way round by its lever."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = "tip of the dial's lever, 0.05 m from the dial's axis"


class DialTurn(base.MetaWorldEnv):
    """TODO."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.6, 0.15),
            settled=(0.004509, 0.601733, 0.144994),
            tcp=(0.004188, 0.601794, 0.100040),
            left_pad=(0.002503, 0.648862, 0.145003),
            right_pad=(0.006515, 0.554603, 0.144986),
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
        name="dial-turn",
        instruction="turn the dial half way round",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, quat="w x y z"),
        formal_fields=base.formal_fields(_OBJECT, quat="w x y z"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz of the place that the lever's tip should get close to, m; "
        "the dial's upright axis is 0.03 m behind it along -y, and the tip starts 0.08 m behind it "
        "along -y. The dial is turned by pushing the lever from its +x side, so that, seen from "
        "above, it turns clockwise and the tip passes on the -x side of the axis",
        success_description="the lever's tip is within 0.07 m of the target",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(0.55, 0.2, 0.5), xyaxes=(0.7, 0.71, 0.0, -0.4, 0.4, 0.82)),
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
