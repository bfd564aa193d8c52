"""What is shown of a task and of trajectories: start and goal, and strips of counter-examples."""

from __future__ import annotations

import jax
import numpy as np

from core_jax import envs
from core_jax.methods.vlm_car.config import CarConfig
from core_jax.methods.vlm_car.trajectories import Trajectories
from core_jax.prompts.vlm_car import Sight
from core_jax.visual.frames import to_png

_SHOWN = 256  # pixels at least along the longer side, of pictures that are enlarged
_STRIP = 6


class Camera:
    """Takes the pictures that programs see, enlarged for a model or a person.

    Args:
        env: whose snapshots.
        car: size of the pictures.
    """

    def __init__(self, env: envs.TaskEnv, car: CarConfig):
        self._env, self._car = env, car
        draw = lambda shot: env.picture(shot, car.height, car.width, 1, False, car.gripper)
        self._draw = jax.jit(jax.vmap(draw))
        self.enlarged = max(1, _SHOWN // max(car.height, car.width))

    def take(self, snapshots: np.ndarray) -> np.ndarray:
        """Pictures [N, H, W, 3] of snapshots [N, K], enlarged."""
        found = np.asarray(self._draw(np.asarray(snapshots, np.float32)))
        return found.repeat(self.enlarged, axis=1).repeat(self.enlarged, axis=2)

    def sight(self) -> Sight:
        """The task's start and goal."""
        spec = self._env.spec
        start, goal = (to_png(p) for p in self.take(np.array([spec.start, spec.goal])))
        return Sight(start, goal, self._car.height, self._car.width, self.enlarged)

    def strip(self, trajectories: Trajectories, index: int, middle: int) -> bytes:
        """A PNG of six pictures of a trajectory in a row: the first, and those around one."""
        steps = trajectories.snapshots.shape[1]
        first = min(max(middle - _STRIP // 2, 0), max(steps - _STRIP + 1, 0))
        at = np.minimum([0, *range(first, first + _STRIP - 1)], steps - 1)
        shots = self.take(trajectories.snapshots[index, at])
        shots[:, :, -self.enlarged :] = 255  # a gap
        return to_png(np.concatenate(list(shots), axis=1))

    def caption(self, kind: str, middle: int, steps: int) -> str:
        """What `strip` shows."""
        first = min(max(middle - _STRIP // 2, 0), max(steps - _STRIP + 1, 0))
        whose = "an expert" if kind == "experts" else "random actions"
        last = min(first + _STRIP - 2, steps - 1)
        return (
            f"A trajectory of {whose} that shows it: the first picture, then pictures {first} to "
            f"{last}; the problem is at picture {middle}."
        )
