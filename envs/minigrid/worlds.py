"""`MiniGridEnv`: one world of a MiniGrid task, on xminigrid's grids and rules.

What is Farama MiniGrid's (3.2.0): seven actions in its order, the layouts, the limit of steps, a
reward of 1 - 0.9 * step / horizon at success, boxes, and that toggling a box destroys it. Different
are: the view sees through walls, and an agent may start in front of an object.
"""

from __future__ import annotations

import functools
from typing import ClassVar, cast

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, UInt8
from xminigrid.core.actions import take_action
from xminigrid.core.constants import DIRECTIONS
from xminigrid.core.observation import transparent_field_of_view
from xminigrid.registration import make
from xminigrid.types import AgentState

from core_jax.envs.engines import State
from core_jax.envs.minigrid import pictures, tasks
from core_jax.envs.minigrid.numbers import numbers_of, steps_to_go
from core_jax.envs.minigrid.tasks import BLACK, BOX, CLOSED, FLOOR, GOAL, KEY, LOCKED, OPEN, WALL
from core_jax.envs.rendering import Scene
from core_jax.envs.task import Judgement, TaskEnv, replaced

_TOGGLE, _NOTHING = 5, 6
_THEIRS = (2, 1, 0, 3, 4, 5, 0)  # each action in xminigrid's order; of the last nothing is kept


@struct.dataclass
class World:
    """One world.

    Attributes:
        grid: [h, w, 2] tile and colour of each cell.
        position: [2] row and column of the agent.
        direction: 0 up, 1 right, 2 down, 3 left.
        pocket: [2] tile and colour of what the agent carries; 0, 0 for nothing.
        steps: steps taken.
    """

    grid: UInt8[Array, "h w 2"]
    position: Int[Array, "2"]
    direction: Int[Array, ""]
    pocket: UInt8[Array, "2"]
    steps: Int[Array, ""]


class MiniGridEnv(TaskEnv):
    """One world of a MiniGrid task.

    The dense reward is the change of progress, and 1 at success; progress falls with the number of
    moves and actions that are still needed.
    """

    target: ClassVar[tuple[float, ...]] = ()

    def __init__(self, layout: tasks.Layout, protocol: str = "paper", reward: str = "sparse"):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            layout: the task's.
            protocol: `paper` or `random`; both draw a layout at every reset.
            reward: which ground truth `state.reward` is: Farama's, or the dense reward.
        """
        self.layout, self.protocol, self.reward = layout, protocol, reward
        self.spec = tasks.spec(layout.name)
        self._theirs, self._params = make(layout.xminigrid)

    @property
    def backend(self) -> str:
        """The engine."""
        return "xminigrid"

    def reset(self, rng: jax.Array) -> State:
        """Returns a world with a layout of its own, from a key."""
        drawn = self._theirs.reset(self._params, rng).state
        tiles = drawn.grid[..., 0]
        # xminigrid draws one of five things to pick up, Farama always a box.
        fixed = (tiles == FLOOR) | (tiles == WALL) | (tiles == GOAL) | (tiles == KEY)
        thing = ~fixed & (tiles != LOCKED)
        world = World(
            grid=drawn.grid.at[..., 0].set(jnp.where(thing, BOX, tiles).astype(jnp.uint8)),
            position=jnp.asarray(drawn.agent.position, jnp.int32),
            direction=jnp.asarray(drawn.agent.direction, jnp.int32),
            pocket=jnp.asarray(drawn.agent.pocket, jnp.uint8),
            steps=jnp.int32(0),
        )
        numbers = self._numbers(world)
        judged = self._judged(numbers, jnp.zeros(()), jnp.zeros(()))
        judged = judged._replace(dense=jnp.zeros(()))
        return self.started(world, _observed(world, numbers), judged, jnp.zeros(0))

    def step(self, state: State, action: Int[Array, ""]) -> State:
        """Moves a world by one step.

        Args:
            state: of one world.
            action: one of the seven.

        Raises:
            ValueError: for an action of another shape, at trace time.
        """
        self.check_action(action)
        world = _advanced(cast(World, state.pipeline_state), action)
        numbers = self._numbers(world)
        success = self._success(world, numbers)
        judged = self._judged(numbers, success, state.metrics["progress"])
        after = self.stepped(state, world, _observed(world, numbers), judged, success)
        if self.reward == "dense":
            return after
        earned = 1.0 - 0.9 * world.steps / self.spec.horizon
        return replaced(after, reward=after.reward * earned)

    def snapshot(self, pipeline_state: World) -> Float[Array, " K"]:
        """Returns the code of each cell, then the agent's row, column and direction."""
        grid = pipeline_state.grid.astype(jnp.float32)
        cells = grid[..., 0] * tasks.COLOURS + grid[..., 1]
        agent = jnp.append(pipeline_state.position, pipeline_state.direction)
        return jnp.concatenate([cells.ravel(), agent.astype(jnp.float32)])

    def picture(
        self,
        snapshot: Float[Array, " K"],
        height: int,
        width: int,
        samples: int = 2,
        shadows: bool = True,
        gripper: bool = True,
        shift: Float[Array, "2"] | None = None,
    ) -> UInt8[Array, "height width 3"]:
        """Returns the grid from above, in square tiles in the middle of the picture.

        Args:
            snapshot: of a world.
            height, width: of the picture, pixels; at least 3 for each cell.
            samples, shadows, gripper: no effect: tiles have neither.
            shift: pixels by which the picture moves to the right and up, rounded.
        """
        del samples, shadows, gripper
        size = (self.layout.height, self.layout.width)
        return pictures.draw(snapshot, size, height, width, shift)

    def view(self, snapshot: Float[Array, " K"], gripper: bool = True) -> Scene:
        """Raises: pictures are made of tiles.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.spec.name} is drawn in tiles, not as a scene: use `picture`")

    def _numbers(self, world: World) -> Float[Array, "13"]:
        target = self.layout.target
        return numbers_of(world.grid, world.position, world.direction, world.pocket, target)

    def _success(self, world: World, numbers: Float[Array, "13"]) -> Float[Array, ""]:
        """1 in a world in which the task is done."""
        done = {
            "goal": world.grid[world.position[0], world.position[1], 0] == GOAL,
            "door": numbers[9] == OPEN - LOCKED,
            "box": world.pocket[0] == BOX,
        }[self.layout.target]
        return done.astype(jnp.float32)

    def _judged(
        self, numbers: Float[Array, "13"], success: jax.Array, before: jax.Array
    ) -> Judgement:
        """Ground truth of a world; `before` is the progress of the step before."""
        longest = 3.0 * (self.layout.height + self.layout.width - 6) + 4.0
        progress = 1.0 - steps_to_go(numbers, self.layout.target) / longest
        progress = jnp.where(success > 0, 1.0, jnp.clip(progress, 0.0, 1.0))
        return Judgement(dense=progress - before + success, success=success, progress=progress)


def _advanced(world: World, action: Int[Array, ""]) -> World:
    """The world after an action."""
    agent = AgentState(world.position, world.direction, world.pocket)
    theirs = jnp.asarray(_THEIRS)[action]
    grid, agent, _ = take_action(world.grid, agent, theirs)
    # xminigrid's toggle leaves a box as it is; Farama's replaces it by what is in it: nothing.
    row, col = world.position + DIRECTIONS[world.direction]
    breaks = (action == _TOGGLE) & (world.grid[row, col, 0] == BOX)
    floor = jnp.array([FLOOR, BLACK], jnp.uint8)
    grid = grid.at[row, col].set(jnp.where(breaks, floor, grid[row, col]))
    moved = World(grid, agent.position, agent.direction, agent.pocket, world.steps)
    kept = jax.tree.map(lambda old, new: jnp.where(action == _NOTHING, old, new), world, moved)
    return kept.replace(steps=world.steps + 1)


def _observed(world: World, numbers: Float[Array, "13"]) -> Float[Array, "307"]:
    """The view in planes, then the numbers, rows and columns in units of 8 cells."""
    agent = AgentState(world.position, world.direction, world.pocket)
    seen = transparent_field_of_view(world.grid, agent, tasks.VIEW, tasks.VIEW)[..., 0]
    planes = ((seen == WALL) | (seen == 0), *(seen == t for t in (LOCKED, CLOSED, OPEN, KEY)))
    planes = jnp.stack([*planes, (seen == GOAL) | (seen == BOX)]).astype(jnp.float32)
    return jnp.concatenate([planes.ravel(), numbers / tasks.SCALE])


minigrid_doorkey_6x6 = functools.partial(MiniGridEnv, tasks.LAYOUTS["minigrid-doorkey-6x6"])
minigrid_doorkey_8x8 = functools.partial(MiniGridEnv, tasks.LAYOUTS["minigrid-doorkey-8x8"])
minigrid_unlock = functools.partial(MiniGridEnv, tasks.LAYOUTS["minigrid-unlock"])
minigrid_unlockpickup = functools.partial(MiniGridEnv, tasks.LAYOUTS["minigrid-unlockpickup"])
