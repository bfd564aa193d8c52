"""Meta-World's sweep-into: sweep a cube over the table into a square hole."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = "green cube"


class SweepInto(base.MetaWorldEnv):
    """TODO."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.53, 0.05),
            settled=(-0.014897, 0.522814, 0.095179),
            tcp=(-0.015331, 0.523059, 0.050247),
            left_pad=(-0.019114, 0.569789, 0.095528),
            right_pad=(-0.010680, 0.475825, 0.094829),
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
        name="sweep-into",
        instruction="sweep the green cube into the square hole in the table",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, quat="x y z w"),
        formal_fields=base.formal_fields(_OBJECT, quat="x y z w"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz of the middle of the hole, m; the cube starts about 0.2 m in "
        "front of it along -y, its centre 0.07 m high on the raised table",
        success_description="the cube's centre is within 0.05 m of the target in the horizontal plane; its "
        "height does not count",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(-0.6, 0.2, 0.45), xyaxes=(-1.0, 1.0, 0.0, -0.3, -0.3, -1.0)),
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
