"""`SoftGymEnv`: what the three SoftGym tasks share; a task defines its hooks and `spec`.

Spaces, action repeats and rewards are RL-VLM-F's variants of SoftGym (Lin et al. 2020; Wang et al.
2024), which CoRe uses. Physics has y upwards, pictures have z upwards (`to_picture`).
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.engines import State
from core_jax.envs.rendering import AMBIENT, LIGHT, Scene
from core_jax.envs.rendering.rasterising import Sheet
from core_jax.envs.task import Judgement, TaskEnv

Colour = tuple[float, float, float]
WOOD: tuple[Colour, Colour, float] = ((0.80, 0.64, 0.45), (0.77, 0.60, 0.41), 0.1)
"""A table: two colours and the edge of its checks, m."""
_LIES = 0.0005  # m, the height of a shadow above the table


class SoftGymEnv(TaskEnv):
    """One world of particles. `pipeline_state` is the task's own physics, a pytree."""

    target: ClassVar[tuple[float, ...]]

    def __init__(self, protocol: str = "paper", reward: str = "dense"):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`.
            reward: which ground truth `state.reward` is: SoftGym's own, or success.
        """
        self.protocol = protocol
        self.reward = reward

    @abc.abstractmethod
    def place(self, key: jax.Array) -> Any:
        """Draws a world at an episode's start."""

    @abc.abstractmethod
    def advance(self, physics: Any, action: jax.Array) -> Any:
        """Moves a world by one environment step; the action is clipped already."""

    @abc.abstractmethod
    def observe(self, physics: Any) -> jax.Array:
        """Returns the observation of a world."""

    @abc.abstractmethod
    def judge(self, physics: Any) -> Judgement:
        """Returns the ground truth of a world."""

    def ended(self, physics: Any) -> jax.Array:
        """Returns 1 where the task itself is over; time limits belong to wrappers."""
        del physics
        return jnp.zeros(())

    @property
    def backend(self) -> str:
        """The physics engine."""
        return "particles"

    def reset(self, rng: jax.Array) -> State:
        """Returns a world at its start.

        Args:
            rng: a key, typed or not; called `rng` because brax's signature is.
        """
        physics = self.place(rng)
        judged = self.judge(physics)
        return self.started(physics, self.observe(physics), judged, jnp.array(self.target))

    def step(self, state: State, action: jax.Array) -> State:
        """Moves a world by one environment step; see `stepped`.

        Args:
            state: of one world.
            action: clipped to [-1, 1].
        """
        self.check_action(action)
        physics = self.advance(state.pipeline_state, jnp.clip(action, -1.0, 1.0))
        obs, judged = self.observe(physics), self.judge(physics)
        return self.stepped(state, physics, obs, judged, self.ended(physics))


def to_picture(x: jax.Array) -> jax.Array:
    """Returns points [3, ...] with y upwards as points with z upwards; x stays x."""
    return jnp.stack([x[0], -x[2], x[1]])


def shadow(x: jax.Array, edge: float, nearest: float) -> Sheet:
    """Returns a sheet's shadow on the table, as a sheet: rasterised objects cast none themselves.

    Args:
        x: [3, n, m] the sheet's points, z upwards, m.
        edge, nearest: the sheet's.
    """
    along = np.array(LIGHT) / LIGHT[2]
    fallen = x - x[2] * along[:, None, None]
    # The renderer lights it as it does the table; it should have the ambient light only.
    lit = AMBIENT + (1.0 - AMBIENT) * LIGHT[2] / np.linalg.norm(LIGHT)
    red, green, blue = (float(AMBIENT / lit * c) for c in np.mean(WOOD[:2], axis=0))
    dark = red, green, blue
    return Sheet(fallen.at[2].set(_LIES), dark, dark, edge, nearest)


def primitives_scene(rows: list[tuple[str, Any, Any, Any, Colour]], **more: Any) -> Scene:
    """Returns a scene of primitives on a wooden table.

    Args:
        rows: of each primitive: kind, position [3], axes [3, 3], size [3], colour.
        **more: further fields of the scene.
    """
    table = ("plane", np.zeros(3), np.eye(3), np.zeros(3), WOOD[0])
    rows = [table, *rows]
    stack = lambda i: jnp.stack([jnp.asarray(row[i], jnp.float32) for row in rows])
    second = np.array([row[4] for row in rows], np.float32)
    second[0] = WOOD[1]
    return Scene(
        pos=stack(1),
        mat=stack(2),
        size=stack(3),
        rgb=stack(4),
        second=jnp.asarray(second),
        kinds=tuple(row[0] for row in rows),
        checks=(WOOD[2], *[0.0] * (len(rows) - 1)),
        **more,
    )
