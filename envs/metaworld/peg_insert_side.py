"""Meta-World's peg-insert-side: pick up a peg and push it sideways into the hole of a block."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = (
    "place to grasp the peg, which lies along x; its head is 0.13 m along -x and 0.01 m below here"
)


class PegInsertSide(base.MetaWorldEnv):
    """TODO."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.1, 0.6, 0.05),
            settled=(0.103130, 0.602571, 0.046127),
            tcp=(0.102759, 0.602579, 0.001138),
            left_pad=(0.102900, 0.649745, 0.046128),
            right_pad=(0.103359, 0.555399, 0.046126),
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
        name="peg-insert-side",
        instruction="pick up the green peg and insert it into the hole in the side of the block",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, quat="x y z w"),
        formal_fields=base.formal_fields(_OBJECT, quat="x y z w"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz that the peg's head should reach inside the block, m; the hole is"
        " 0.13 m above the table, it opens towards +x and the peg has to move along -x "
        "into it",
        success_description="the peg's head is within 0.07 m of the target, its y and z distances counted "
        "twice",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(0.3, 0.05, 0.5), xyaxes=(0.87, 0.5, 0.0, -0.27, 0.47, 0.84)),
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
