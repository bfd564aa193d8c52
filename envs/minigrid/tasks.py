"""MiniGrid's tasks as the registry lists them: what each is called and how it is described.

Nothing here needs JAX. Start and goal of a task are layouts drawn as text, which a picture shows;
every reset draws a layout of its own, under both protocols.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_jax.envs.task_spec import Field, PaperBudget, TaskEntry, TaskSpec

if TYPE_CHECKING:
    from jaxtyping import Array, Float

COLOURS = 12
"""Colours of xminigrid: a snapshot's cell is `tile * COLOURS + colour`."""
FLOOR, WALL, BOX, GOAL, KEY, LOCKED, CLOSED, OPEN = 1, 2, 4, 6, 7, 8, 9, 10
"""Tiles of xminigrid; the box is its square."""
GREEN, PURPLE, YELLOW, GREY, BLACK = 2, 4, 5, 6, 7
VIEW = 7
"""Cells along each side of the view in an observation."""
PLANES = ("wall", "locked_door", "closed_door", "open_door", "key", "target")
VIEW_SIZE = len(PLANES) * VIEW**2
CELLS = 8.0
"""Rows and columns are divided by this in an observation."""
_POSITIONS = (0, 1, 4, 5, 7, 8, 10, 11)  # of the numbers, those that are rows and columns
SCALE = np.array([CELLS if i in _POSITIONS else 1.0 for i in range(13)], np.float32)
ACTIONS = (
    "one integer: 0 turn left, 1 turn right, 2 move forward, 3 pick up what is in front, 4 drop "
    "what is carried onto the free cell in front, 5 toggle what is in front (a door opens or "
    "closes; a locked one needs the carried key of its colour; a box is destroyed), 6 do nothing"
)


def numbers_view(obs: Float[Array, "*batch 307"]) -> Float[Array, "*batch 13"]:
    """Returns the positions and flags of an observation, rows and columns counted in cells."""
    return obs[..., VIEW_SIZE:] * SCALE


@dataclass(frozen=True)
class Layout:
    """What distinguishes one task from the others.

    Attributes:
        name: the task's.
        xminigrid: name of the environment in xminigrid.
        height, width: of the grid, cells.
        horizon: Farama's limit of steps.
        target: what the last step is about: `goal`, `door` or `box`.
        instruction: one line for a vision-language model.
        success: when an episode is successful.
        start, goal: pictures in text of the task before and after.
    """

    name: str
    xminigrid: str
    height: int
    width: int
    horizon: int
    target: str
    instruction: str
    success: str
    start: str
    goal: str


_DOOR_KEY = "pick up the yellow key, open the yellow door with it, and go to the green goal"
_ON_GOAL = "the agent stands on the green goal, which ends the episode"
_LAYOUTS = (
    Layout(
        "minigrid-doorkey-6x6", "MiniGrid-DoorKey-6x6", 6, 6, 360, "goal", _DOOR_KEY, _ON_GOAL,
        "###### #K.#.# #..#.# #..L.# #^.#G# ######",
        "###### #..#.# #..#.# #..O.# #..#v# ######",
    ),
    Layout(
        "minigrid-doorkey-8x8", "MiniGrid-DoorKey-8x8", 8, 8, 640, "goal", _DOOR_KEY, _ON_GOAL,
        "######## #...#..# #.K.#..# #...#..# #...#..# #...L..# #.<.#.G# ########",
        "######## #...#..# #...#..# #...#..# #...#..# #...O..# #...#.># ########",
    ),
    Layout(
        "minigrid-unlock", "MiniGrid-Unlock", 6, 11, 288, "door",
        "pick up the key and open the locked door with it",
        "the door is open, which ends the episode",
        "########### #....#....# #.K..L....# #..^.#....# #....#....# ###########",
        "########### #....#....# #...>O....# #....#....# #....#....# ###########",
    ),
    Layout(
        "minigrid-unlockpickup", "MiniGrid-UnlockPickUp", 6, 11, 288, "box",
        "open the locked door with the key, drop the key, and pick up the box in the other room",
        "the agent carries the box, which ends the episode",
        "########### #....#....# #....#..B.# #.K..L....# #v...#....# ###########",
        "########### #....#..v.# #...K#....# #....O....# #....#....# ###########",
    ),
)  # fmt: skip
LAYOUTS: Mapping[str, Layout] = {layout.name: layout for layout in _LAYOUTS}


def snapshot(layout: Layout, text: str) -> tuple[float, ...]:
    """Returns the snapshot of a layout drawn as text: rows of cells, the agent an arrow.

    The agent of a goal stands on the goal where its row and column are those of the start's.
    """
    rows, start = text.split(), layout.start.split()
    yellow = {"K": KEY, "L": LOCKED, "O": OPEN}
    cells, agent = [], (0, 0, 0)
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if cell in "^>v<":
                agent = (r, c, "^>v<".index(cell))
            cell = "G" if start[r][c] == "G" else cell
            tile, colour = {
                "#": (WALL, GREY),
                "G": (GOAL, GREEN),
                "B": (BOX, PURPLE),
                **{k: (tile, YELLOW) for k, tile in yellow.items()},
            }.get(cell, (FLOOR, BLACK))
            cells.append(float(tile * COLOURS + colour))
    return (*cells, *map(float, agent))


def _fields(layout: Layout) -> tuple[Field, ...]:
    """Returns the 13 numbers that determine the world, as a formal reward sees them."""
    last = {
        "goal": ("goal", "the green goal", "padding", "always 0"),
        "door": ("second_door", "the door, again", "padding", "always 0"),
        "box": ("box", "the box; the agent's while it carries it, 0 once it is destroyed",
                "carries_box",
                "1 while the agent carries the box, else 0"),
    }[layout.target]  # fmt: skip
    target, where, flag, meaning = last
    rows = (
        ("agent_row", "cells", "row of the agent, 0 at the top"),
        ("agent_col", "cells", "column of the agent, 0 at the left"),
        ("facing_row", "cells", "change of row by a step forward: -1, 0 or 1"),
        ("facing_col", "cells", "change of column by a step forward: -1, 0 or 1"),
        ("key_row", "cells", "row of the key; the agent's while it carries it"),
        ("key_col", "cells", "column of the key; the agent's while it carries it"),
        ("carries_key", "1", "1 while the agent carries the key, else 0"),
        ("door_row", "cells", "row of the door"),
        ("door_col", "cells", "column of the door, and of the wall between the two rooms"),
        ("door_state", "1", "0 locked, 1 closed but not locked, 2 open"),
        (f"{target}_row", "cells", f"row of {where}"),
        (f"{target}_col", "cells", f"column of {where}"),
        (flag, "1", meaning),
    )
    return tuple(Field(name, i, i + 1, unit, text) for i, (name, unit, text) in enumerate(rows))


def _observation_fields(layout: Layout) -> tuple[Field, ...]:
    view = tuple(
        Field(
            f"view_{plane}",
            i * VIEW**2,
            (i + 1) * VIEW**2,
            "1",
            f"1 where a cell of the {VIEW} x {VIEW} view holds a {plane.replace('_', ' ')}; the "
            "view is turned so that the agent, in the middle of its last row, looks up",
        )
        for i, plane in enumerate(PLANES)
    )
    numbers = tuple(
        Field(
            f.name,
            VIEW_SIZE + f.start,
            VIEW_SIZE + f.stop,
            "8 cells" if i in _POSITIONS else f.unit,
            f.description,
        )
        for i, f in enumerate(_fields(layout))
    )
    return view + numbers


@functools.cache
def spec(name: str) -> TaskSpec:
    """Returns the spec of a task.

    Raises:
        KeyError: for a name that is not in `LAYOUTS`.
    """
    layout = LAYOUTS[name]
    return TaskSpec(
        name=name,
        instruction=layout.instruction,
        horizon=layout.horizon,
        observation_fields=_observation_fields(layout),
        formal_fields=_fields(layout),
        action_size=7,
        action_description=ACTIONS,
        target_description="empty array; what the task is about is in the observation",
        success_description=layout.success,
        formal_view=numbers_view,
        frame_view=numbers_view,
        suite="minigrid",
        discrete=True,
        expert=f"core_jax.envs.minigrid.experts:{name.replace('-', '_')}",
        tiles=(layout.height, layout.width),
        start=snapshot(layout, layout.start),
        goal=snapshot(layout, layout.goal),
        paper_budget=PaperBudget(env_steps=1_000_000, clip_length=8),
        step_seconds=0.1,
    )


def _describe(name: str) -> Callable[..., TaskSpec]:
    """Returns (protocol, **overrides) -> spec, which depends on neither."""
    return lambda protocol="paper", **_: spec(name)


TASKS = tuple(
    TaskEntry(
        name=name,
        suite="minigrid",
        env=f"core_jax.envs.minigrid.worlds:{name.replace('-', '_')}",
        spec=_describe(name),
        overrides={"reward": ("sparse", "dense")},
    )
    for name in LAYOUTS
)
