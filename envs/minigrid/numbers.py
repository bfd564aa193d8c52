"""The 13 numbers that determine a world (`tasks.spec(name).formal_fields`), and how far it is from
success."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8
from xminigrid.core.constants import DIRECTIONS

from core_jax.envs.minigrid.tasks import BOX, GOAL, KEY, LOCKED, OPEN


def numbers_of(
    grid: UInt8[Array, "h w 2"],
    position: Int[Array, "2"],
    direction: Int[Array, ""],
    pocket: UInt8[Array, "2"],
    target: str,
) -> Float[Array, "13"]:
    """Returns the numbers of a world.

    Args:
        grid, position, direction, pocket: see `worlds.World`.
        target: of the task: goal, door or box.
    """
    tiles = grid[..., 0]
    carries_key, carries_box = pocket[0] == KEY, pocket[0] == BOX
    # What is neither on the grid nor carried is found at 0, 0, where a wall is.
    key = jnp.where(carries_key, position, _where(tiles == KEY))
    doors = (tiles >= LOCKED) & (tiles <= OPEN)
    door = _where(doors)
    state = jnp.sum(jnp.where(doors, tiles - LOCKED, 0))
    last, flag = door, jnp.bool_(False)
    if target == "goal":
        last = _where(tiles == GOAL)
    elif target == "box":
        last, flag = jnp.where(carries_box, position, _where(tiles == BOX)), carries_box
    parts = (position, DIRECTIONS[direction], key, carries_key[None], door, state[None], last)
    return jnp.concatenate([jnp.asarray(x, jnp.float32) for x in (*parts, flag[None])])


def steps_to_go(numbers: Float[Array, "13"], target: str) -> Float[Array, ""]:
    """Returns moves and actions until success, without turns and ways around the key.

    Args:
        numbers: of a world that is not successful yet.
        target: of the task.
    """
    agent, key, door, last = numbers[:2], numbers[4:6], numbers[7:9], numbers[10:12]
    carries_key, state = numbers[6], numbers[9]
    beyond = 0.0 if target == "door" else _apart(door, last)
    ahead = _apart(agent, door) + beyond
    fetch = _apart(agent, key) + 1.0 + _apart(key, door) + beyond
    locked = jnp.where(carries_key > 0, ahead, fetch) + 1.0
    passed = jnp.where(agent[1] > door[1], _apart(agent, last), ahead + (state == 1))
    steps = jnp.where(state == 0, locked, passed)
    if target == "box":  # picked up by empty hands
        steps = steps + 1.0 + jnp.where(state == 0, 1.0, carries_key)
    return steps


def _where(mask: jax.Array) -> jax.Array:
    """Row and column of the first cell of a mask [h, w]; 0, 0 if there is none."""
    return jnp.stack(jnp.divmod(jnp.argmax(mask), mask.shape[1]))


def _apart(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.sum(jnp.abs(a - b))
