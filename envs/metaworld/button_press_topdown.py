"""Meta-World's button-press-topdown: press a button on top of a box down into it."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = "red button's top"


class ButtonPressTopdown(base.MetaWorldEnv):
    """TODO."""

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
        target_description="position xyz of the button's top when it is pressed in, m; the button starts "
        "0.09 m above it",
        success_description="the button's top is within 0.024 m of the target's height",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(-0.55, 0.2, 0.6), xyaxes=(0.77, -0.64, 0.0, 0.3, 0.36, 0.88)),
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
