"""Scripted experts of MiniGrid's tasks, of any skill: functions of an observation.

An expert reads the 13 numbers of an observation, finds the shortest way on the grid that they
describe, and takes its first move. `play` makes one worse by random actions.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from core_jax.envs.minigrid import tasks
from core_jax.envs.task import TaskEnv, vector

EXPERT, MIDDLING, POOR, RANDOM = 0.0, 0.5, 0.8, 1.0
"""Shares of random actions."""
_LEFT, _RIGHT, _FORWARD, _PICK_UP, _DROP, _TOGGLE, _NOTHING = range(7)
_FAR = 1e3
_TURNS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


class Plan(NamedTuple):
    """Where an agent should go and what it should do there.

    Attributes:
        cell: [2] row and column of the thing that it needs.
        act: the action in front of it; `_FORWARD` to step onto it.
    """

    cell: Float[Array, "2"]
    act: Int[Array, ""]


def expert_action(layout: tasks.Layout, obs: Float[Array, "307"]) -> Int[Array, ""]:
    """Returns the next action of a short way to success."""
    numbers = jnp.round(tasks.numbers_view(obs))
    agent, facing, door = numbers[:2], numbers[2:4], numbers[7:9]
    plan = _plan(layout, numbers)
    free = _free(layout, numbers)
    distance = _distances(free, plan.cell)
    at = lambda cell, table: table[cell[0].astype(int), cell[1].astype(int)]
    # Of equally short ways the one that needs the fewest turns.
    costs = jnp.stack(
        [
            at(agent + jnp.array(turn), distance) + 0.1 * jnp.sum(jnp.abs(jnp.array(turn) - facing))
            for turn in _TURNS
        ]
    )
    wanted = jnp.argmin(costs)
    now = jnp.argmin(jnp.stack([jnp.sum(jnp.abs(jnp.array(t) - facing)) for t in _TURNS]))
    turn = jnp.where((wanted - now) % 4 == 3, _LEFT, _RIGHT)
    front = agent + facing
    arrived = jnp.all(front == plan.cell)
    action = jnp.where(wanted == now, jnp.where(arrived, plan.act, _FORWARD), turn)
    if layout.target != "box":
        return action.astype(jnp.int32)
    # Hands must be empty for the box: the key is dropped beside the way.
    drops = (numbers[6] > 0) & (numbers[9] > 0) & (agent[1] < door[1])
    beside = (at(front, free) > 0) & jnp.any(front != door)
    return jnp.where(drops, jnp.where(beside, _DROP, _RIGHT), action).astype(jnp.int32)


class Episode(NamedTuple):
    """One episode; T steps. After success the world stays as it is.

    Attributes:
        start: [K] snapshot before the first action.
        snapshot: [T, K] after each action.
        action: [T].
        success: [T] 0 or 1.
        progress: [T] in [0, 1].
    """

    start: Float[Array, " K"]
    snapshot: Float[Array, "T K"]
    action: Int[Array, " T"]
    success: Float[Array, " T"]
    progress: Float[Array, " T"]


def play(env: TaskEnv, key: Key[Array, ""], randomness: float | Array, steps: int) -> Episode:
    """Returns an episode of the expert of a task; vmap it over keys and shares.

    Args:
        env: the environment.
        key: of the reset and of random actions.
        randomness: share of actions that are uniformly random, such as `MIDDLING`.
        steps: length.
    """
    layout = tasks.LAYOUTS[env.spec.name]
    reset_key, act_key = jax.random.split(key)
    start = env.reset(reset_key)

    def body(state, key):
        which, what = jax.random.split(key)
        meant = expert_action(layout, vector(state.obs))
        drawn = jax.random.randint(what, (), 0, env.action_size)
        action = jnp.where(jax.random.uniform(which) < randomness, drawn, meant)
        over = state.done > 0
        new = env.step(state, action)
        new = jax.tree.map(lambda a, b: jnp.where(over, a, b), state, new)
        judged = (new.metrics["success"], new.metrics["progress"])
        return new, (env.snapshot(new.pipeline_state), action, *judged)

    _, rows = jax.lax.scan(body, start, jax.random.split(act_key, steps))
    return Episode(env.snapshot(start.pipeline_state), *rows)


def _plan(layout: tasks.Layout, numbers: Float[Array, "13"]) -> Plan:
    """What the agent should do next."""
    agent, key, door, last = numbers[:2], numbers[4:6], numbers[7:9], numbers[10:12]
    carries, state = numbers[6] > 0, numbers[9]
    end = _FORWARD if layout.target == "goal" else _PICK_UP
    fetches = (state == 0) & ~carries
    opens = (state == 0) & carries | (state == 1) & (agent[1] <= door[1])
    cell = jnp.where(fetches, key, jnp.where(opens, door, last))
    return Plan(cell, jnp.where(fetches, _PICK_UP, jnp.where(opens, _TOGGLE, end)))


def _free(layout: tasks.Layout, numbers: Float[Array, "13"]) -> Float[Array, "h w"]:
    """1 where an agent can go."""
    height, width = layout.height, layout.width
    rows, cols = jnp.arange(height)[:, None], jnp.arange(width)[None]
    is_cell = lambda cell: (rows == cell[0]) & (cols == cell[1])
    door, key, last = numbers[7:9], numbers[4:6], numbers[10:12]
    inside = (rows > 0) & (rows < height - 1) & (cols > 0) & (cols < width - 1)
    free = inside & ((cols != door[1]) | is_cell(door) & (numbers[9] == 2))
    free = free & ~(is_cell(key) & (numbers[6] == 0))
    if layout.target == "box":
        free = free & ~(is_cell(last) & (numbers[12] == 0))
    return free.astype(jnp.float32)


def _distances(free: Float[Array, "h w"], cell: Float[Array, "2"]) -> Float[Array, "h w"]:
    """Moves from each cell to the one that is wanted, which need not be free."""
    height, width = free.shape
    rows, cols = jnp.arange(height)[:, None], jnp.arange(width)[None]
    wanted = (rows == cell[0]) & (cols == cell[1])
    start = jnp.where(wanted, 0.0, _FAR)

    def relax(_, distance):
        padded = jnp.pad(distance, 1, constant_values=_FAR)
        near = jnp.minimum(
            jnp.minimum(padded[:-2, 1:-1], padded[2:, 1:-1]),
            jnp.minimum(padded[1:-1, :-2], padded[1:-1, 2:]),
        )
        return jnp.where(wanted, 0.0, jnp.where(free > 0, near + 1.0, _FAR))

    return jax.lax.fori_loop(0, 3 * (height + width) // 2, relax, start)


minigrid_doorkey_6x6 = functools.partial(expert_action, tasks.LAYOUTS["minigrid-doorkey-6x6"])
minigrid_doorkey_8x8 = functools.partial(expert_action, tasks.LAYOUTS["minigrid-doorkey-8x8"])
minigrid_unlock = functools.partial(expert_action, tasks.LAYOUTS["minigrid-unlock"])
minigrid_unlockpickup = functools.partial(expert_action, tasks.LAYOUTS["minigrid-unlockpickup"])
