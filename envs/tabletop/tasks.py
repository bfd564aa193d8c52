"""The table-top tasks as the registry lists them: what each is called and how it is described.

Nothing here needs JAX.
"""

from __future__ import annotations

import functools

from core_jax.envs.tabletop.colours import CAMERAS
from core_jax.envs.task_spec import Field, PaperBudget, TaskEntry, TaskSpec

_FIELDS: dict[str, tuple[Field, ...]] = {
    "block-in-bowl": (
        Field("red_blocks", 0, 9, "m, rad", "x, y and angle of each of up to three red blocks; 0 "
              "where there are fewer"),
        Field("other_blocks", 9, 18, "m, rad", "x, y and angle of three blocks of other colours"),
        Field("green_bowls", 18, 24, "m", "x, y of each of up to three green bowls; 0 where there "
              "are fewer"),
        Field("other_bowls", 24, 30, "m", "x, y of three bowls of other colours"),
    ),
    "packing-box-pairs": (
        Field("box", 0, 4, "m", "x, y of the brown box's middle, then its half sides"),
        Field("pieces", 4, 28, "m, rad", "of each of up to four cyan and red blocks: x, y, angle, "
              "two half sides (0 where there are fewer), 1 if it lies on another block"),
        Field("other_blocks", 28, 52, "m, rad", "the same of four blocks of other colours"),
        Field("fits", 52, 60, "m", "x, y from the box's middle where each of the pieces fits"),
    ),
    "separating-piles": (
        Field("yellow_square", 0, 2, "m", "x, y of the middle of the square to fill"),
        Field("blue_square", 2, 4, "m", "x, y of the middle of the other square"),
        Field("pile", 4, 104, "m", "x, y of each of the fifty red cubes"),
    ),
}  # fmt: skip
_WORDS = {
    "block-in-bowl": (
        "put the red blocks in a green bowl",
        "picks what is at the first place and puts it down at the second",
        "every red block's middle is within 0.05 m of the middle of a green bowl of its own",
        4,
    ),
    "packing-box-pairs": (
        "pack all the cyan and red blocks into the brown box",
        "picks what is at the first place and puts it down at the second",
        "more than 0.99 of the cyan and red blocks' volume is in the box, none on another block",
        20,
    ),
    "separating-piles": (
        "push the pile of red blocks into the yellow square",
        "pushes a blade along the table from the first place to 5 cm before the second",
        "more than 0.99 of the fifty cubes are in the yellow square",
        20,
    ),
}


@functools.cache
def spec(name: str, protocol: str = "paper", **_: object) -> TaskSpec:
    """Returns the spec of one of the three tasks.

    Args:
        name: of the task.
        protocol: both have CLIPort's resets.
    """
    del protocol
    instruction, does, success, horizon = _WORDS[name]
    fields = _FIELDS[name]
    start, goal = _snapshots(name)
    return TaskSpec(
        name=name,
        instruction=instruction,
        horizon=horizon,
        observation_fields=fields,
        formal_fields=fields,
        action_size=5,
        action_description=f"5 numbers in [-1, 1]: {does}; x and y of both places, from 0.25 to "
        "0.75 m and from -0.5 to 0.5 m, then a turn from minus to plus half a turn. An episode has "
        f"{horizon} steps and ends at success.",
        target_description="empty array; the goal is in the observation",
        success_description=success,
        suite="tabletop",
        expert=f"core_jax.envs.tabletop.{_MODULES[name]}:expert",
        camera=CAMERAS["front"],
        start=start,
        goal=goal,
        paper_budget=PaperBudget(clip_length=2, frames_shown=2),
        step_seconds=1.0,
    )


_MODULES = {
    "block-in-bowl": "block_in_bowl",
    "packing-box-pairs": "packing",
    "separating-piles": "piles",
}


def _snapshots(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns a start and a table on which the task is done."""
    if name == "block-in-bowl":
        bowls = (0.45, 0.25, 0.55, -0.25, 0.0, 0.0, 0.4, 0.0, 0.6, 0.1, 0.35, -0.35)
        others = (0.6, 0.35, 0.3, 0.4, -0.2, 0.7, 0.65, -0.05, 0.2)
        start = (0.35, 0.1, 0.4, 0.6, -0.4, 0.9, 0.0, 0.0, 0.0)
        goal = (0.45, 0.25, 0.4, 0.55, -0.25, 0.9, 0.0, 0.0, 0.0)
        return (*start, *others, *bowls), (*goal, *others, *bowls)
    if name == "packing-box-pairs":
        box, fits = (0.5, 0.0, 0.06, 0.03), (-0.03, 0.0, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0)
        sizes = (0.03, 0.03, 0.0)
        none = (0.0,) * 12
        others = ()
        for x, y in ((0.35, 0.3), (0.6, 0.35), (0.4, -0.35), (0.65, -0.3)):
            others += (x, y, 0.5, 0.03, 0.035, 0.0)
        start = (0.4, 0.15, 0.6, *sizes, 0.6, -0.15, 0.2, *sizes)
        goal = (0.47, 0.0, 0.0, *sizes, 0.53, 0.0, 0.0, *sizes)
        return (*box, *start, *none, *others, *fits), (*box, *goal, *none, *others, *fits)
    zones = (0.5, 0.3, 0.5, -0.3)
    grid = [(0.018 * (i % 10 - 4.5), 0.018 * (i // 10 - 2.0)) for i in range(50)]
    at = lambda y: tuple(c for a, b in grid for c in (0.5 + 0.7 * a, y + b))
    return (*zones, *at(0.0)), (*zones, *at(0.3))


TASKS = tuple(
    TaskEntry(
        name=name,
        suite="tabletop",
        env=f"core_jax.envs.tabletop.{_MODULES[name]}:{cls}",
        spec=functools.partial(spec, name),
        overrides={"reward": ("dense", "sparse")},
    )
    for name, cls in (
        ("block-in-bowl", "BlockInBowl"),
        ("packing-box-pairs", "PackingBoxPairs"),
        ("separating-piles", "SeparatingPiles"),
    )
)
