"""`TableEnv`: what the table-top tasks share: the workspace, the action, rewards and pictures.

An action says where to pick (or to begin a push), where to place (or to end it), and by how much to
turn what is picked. All of it happens in one step, as CLIPort's primitives do (Shridhar et al.,
CoRL 2021). The reward of a step is by how much the task's measure has grown, so an episode's is at
most 1.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs import rendering
from core_jax.envs.engines import State
from core_jax.envs.tabletop import tasks
from core_jax.envs.tabletop.colours import TABLE, Rgb
from core_jax.envs.task import Judgement, TaskEnv

MIDDLE, REACH = (
    np.array([0.5, 0.0]),
    np.array([0.25, 0.5]),
)  # m, the workspace and half of its sides
DONE = 0.99  # of the measure
Row = tuple[str, Any, Any, Any, Rgb | jax.Array]


class Command(NamedTuple):
    """An action in metres and radians."""

    start: jax.Array  # [2]
    end: jax.Array  # [2]
    turn: jax.Array  # []


class TableEnv(TaskEnv):
    """One table. Subclasses define `NAME` and the hooks; `pipeline_state` is a pytree with a field
    `measure`, the measure at the step before."""

    NAME: ClassVar[str]

    def __init__(self, protocol: str = "paper", reward: str = "dense"):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`; both have CLIPort's resets.
            reward: which ground truth `state.reward` is: growth of the measure, or success.
        """
        self.protocol = protocol
        self.reward = reward
        self.spec = tasks.spec(self.NAME, protocol)

    @abc.abstractmethod
    def lay(self, key: jax.Array) -> Any:
        """Draws a table at an episode's start."""

    @abc.abstractmethod
    def act(self, table: Any, command: Command) -> Any:
        """Carries out an action and lets everything settle."""

    @abc.abstractmethod
    def observe(self, table: Any) -> jax.Array:
        """Returns the observation of a table."""

    @abc.abstractmethod
    def measure(self, table: Any) -> jax.Array:
        """Returns how much of the task is done, 0 to 1."""

    @abc.abstractmethod
    def rows(self, snapshot: jax.Array) -> list[Row]:
        """Returns what stands on the table, as primitives: kind, position, axes, size, colour."""

    @property
    def backend(self) -> str:
        """The physics engine."""
        return "table"

    def reset(self, rng: jax.Array) -> State:
        """Returns a table at its start.

        Args:
            rng: a key, typed or not; called `rng` because brax's signature is.
        """
        table = self.lay(rng)
        judged = self._judge(table, self.measure(table))
        return self.started(table, self.observe(table), judged, jnp.zeros(0))

    def step(self, state: State, action: jax.Array) -> State:
        """Carries out one action; see `stepped`.

        Args:
            state: of one table.
            action: [5], clipped to [-1, 1].
        """
        self.check_action(action)
        action = jnp.clip(action, -1.0, 1.0)
        before: Any = state.pipeline_state
        table = self.act(before, command(action))
        judged = self._judge(table, self.measure(before))
        return self.stepped(state, table, self.observe(table), judged, judged.success)

    def view(self, snapshot: jax.Array, gripper: bool = True) -> rendering.Scene:
        """Returns the scene of a snapshot; there is no robot in it."""
        del gripper
        ground = ("plane", np.zeros(3), np.eye(3), np.zeros(3), TABLE)
        rows = [ground, *self.rows(jnp.asarray(snapshot, jnp.float32))]
        stack = lambda i: jnp.stack([jnp.asarray(row[i], jnp.float32) for row in rows])
        return rendering.Scene(
            pos=stack(1),
            mat=stack(2),
            size=stack(3),
            rgb=stack(4),
            second=stack(4),
            kinds=tuple(row[0] for row in rows),
            checks=(0.0,) * len(rows),
        )

    def _judge(self, table: Any, before: jax.Array) -> Judgement:
        now = self.measure(table)
        return Judgement(now - before, (now > DONE).astype(jnp.float32), now)


def command(action: jax.Array) -> Command:
    """Returns what an action [5] in [-1, 1] asks for."""
    place = lambda xy: jnp.asarray(MIDDLE) + xy * REACH
    return Command(place(action[:2]), place(action[2:4]), jnp.pi * action[4])


def action_of(start: jax.Array, end: jax.Array, turn: jax.Array) -> jax.Array:
    """Returns the action [5] that asks for places, m, and a turn, rad."""
    unit = lambda xy: (xy - MIDDLE) / REACH
    turn = jnp.arctan2(jnp.sin(turn), jnp.cos(turn)) / jnp.pi
    return jnp.clip(jnp.concatenate([unit(start), unit(end), turn[None]]), -1.0, 1.0)


def scatter(
    key: jax.Array, radii: jax.Array, taken: jax.Array, taken_radii: jax.Array
) -> jax.Array:
    """Draws places [n, 2] in the workspace for discs that touch neither each other nor what is
    there: of 64 candidates the first with room, else that with the most.

    Args:
        key: of the draw.
        radii: [n] m.
        taken, taken_radii: [k, 2] and [k] m, of what is there.
    """
    n, k = radii.shape[0], taken.shape[0]
    places = jnp.concatenate([taken, jnp.full((n, 2), 9.0)])
    sizes = jnp.concatenate([taken_radii, radii])
    edge = jnp.asarray(REACH) - 0.07
    drawn = jax.random.uniform(key, (n, 64, 2), minval=-1.0) * edge + MIDDLE

    def put(places: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
        apart = jnp.linalg.norm(drawn[i][:, None] - places[None], axis=-1)
        room = jnp.min(apart - sizes[None] - radii[i], axis=1)
        best = jnp.where(jnp.any(room > 0.0), jnp.argmax(room > 0.0), jnp.argmax(room))
        return places.at[k + i].set(drawn[i, best]), None

    return jax.lax.scan(put, places, jnp.arange(n))[0][k:]


def turned(yaw: jax.Array) -> jax.Array:
    """Axes [3, 3], as columns, of what is turned about the vertical."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    return jnp.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotated(points: jax.Array, yaw: jax.Array) -> jax.Array:
    """Points [..., 2] turned about the origin."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    x, y = points[..., 0], points[..., 1]
    return jnp.stack([c * x - s * y, s * x + c * y], axis=-1)
