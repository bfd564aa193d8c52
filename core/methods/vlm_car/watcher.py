"""`SubTaskWatcher`: the accepted programs in order, as the reward of an episode's steps."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from core_jax import envs
from core_jax.methods.vlm_car.config import CarConfig
from core_jax.reward_models.subtasks import (
    Chain,
    ChainState,
    bonus,
    pack,
    potential_difference,
    size_in_bytes,
    unpack,
)


@dataclasses.dataclass(frozen=True)
class SubTaskWatcher:
    """Renders each step and pays for completed sub-tasks (`core_jax.training.watching.Watcher`).

    Attributes:
        env: whose snapshots.
        chain: the programs in order.
        car: form and size of the reward, and how pictures are taken.
        gamma: the learner's discount, for potentials.
    """

    env: envs.TaskEnv
    chain: Chain
    car: CarConfig
    gamma: float

    @functools.cached_property
    def _like(self) -> ChainState:
        shape = (self.car.height, self.car.width, 3)
        return jax.eval_shape(self.chain.start, jax.ShapeDtypeStruct(shape, jnp.uint8))

    @property
    def memory(self) -> int:
        """Bytes of the chain's state."""
        return size_in_bytes(self._like)

    def start(self, snapshot: Float[Array, " K"]) -> UInt8[Array, " B"]:
        """The memory at an episode's start."""
        return pack(self.chain.start(self._draw(snapshot)), self.memory)

    def watch(
        self, memory: UInt8[Array, " B"], snapshot: Float[Array, " K"], discount: Float[Array, ""]
    ) -> tuple[UInt8[Array, " B"], Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The memory after a step, its reward, and which sub-tasks are done."""
        before: ChainState = unpack(memory, self._like)
        after, _ = self.chain.advance(before, self._draw(snapshot))
        if self.car.form == "bonus":
            reward = bonus(before.stage, after.stage, self.car.bonus)
        else:
            reward = potential_difference(
                before.stage, after.stage, discount, self.car.bonus, self.gamma
            )
        count = len(self.chain.programs)
        done = {f"subtask_{k + 1}": (after.stage > k).astype(jnp.float32) for k in range(count)}
        return pack(after, self.memory), reward, done

    def _draw(self, snapshot: jax.Array) -> Any:
        size = (self.car.height, self.car.width)
        return self.env.picture(snapshot, *size, 1, False, self.car.gripper)
