"""Meta-World's hammer: pick up a hammer and drive a nail into an upright board with it."""

import jax
import jax.numpy as jnp

from envs.metaworld import base, hand, rewards
from envs.metaworld.scene import Physics, SceneXml
from envs.task import Camera, TaskSpec

_OBJECT = (
    "hammer's handle, which lies along x; its head is 0.16 m along +x and 0.06 m along +y from here"
)


class Hammer(base.MetaWorldEnv):
    """TODO."""

    HAND_START = {
        "paper": base.HandStart(
            target=(0.0, 0.45, 0.05),
            settled=(0.003963, 0.453150, 0.047026),
            tcp=(0.003661, 0.452607, 0.002112),
            left_pad=(0.002702, 0.500300, 0.046407),
            right_pad=(0.005224, 0.405999, 0.047645),
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
        name="hammer",
        instruction="pick up the hammer and drive the grey nail into the board with it",
        horizon=500,
        observation_fields=base.observation_fields(_OBJECT, "nail's head", quat="w x y z"),
        formal_fields=base.formal_fields(_OBJECT, quat="w x y z"),
        action_description=base.ACTION_DESCRIPTION,
        target_description="position xyz of the nail's head when it is driven in, m; the nail starts 0.1 m"
        " before it along -y and moves along +y",
        success_description="the nail has been driven in by more than 0.09 m",
        formal_view=base.formal_view,
        frame_view=base.frame_view,
        camera=Camera(pos=(-0.5, 0.1, 0.5), xyaxes=(0.64, -0.77, 0.0, 0.3, 0.25, 0.92)),
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
