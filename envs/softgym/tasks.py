"""SoftGym's tasks as the registry lists them: what each is called and how it is described.

A task is one row of `TASKS` and the module that the row names. Nothing here needs JAX; what a
picture of start and goal depends on is recorded in `snapshots.npz`
(`scripts/tools/record_softgym_snapshots.py`), and a test compares it with the worlds.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core_jax.envs.camera import Camera
from core_jax.envs.task_spec import Field, PaperBudget, TaskEntry, TaskSpec

if TYPE_CHECKING:
    from jaxtyping import Array, Float

SNAPSHOTS = Path(__file__).parent / "snapshots.npz"
ROPE_KEY_POINTS = (0, 4, 8, 12, 16, 20, 24, 28, 32, 40)
"""Of the rope's 41 particles, those in an observation."""
_REWARDS = ("dense", "sparse")


def cloth_view(obs: Float[Array, "*batch 111"]) -> Float[Array, "*batch 108"]:
    """Returns what a picture of fold-cloth shows of an observation: the cloth."""
    return obs[..., :108]


def rope_view(obs: Float[Array, "*batch 36"]) -> Float[Array, "*batch 30"]:
    """Returns what a picture of flatten-rope shows of an observation: the rope."""
    return obs[..., :30]


@functools.cache
def fold_cloth(
    protocol: str = "paper", preset: str = "fast", moves: int = 3, **_: object
) -> TaskSpec:
    """Returns fold-cloth's spec; see `fold_cloth.FoldCloth` for the arguments."""
    del protocol  # both have the one flat start
    fields = []
    for k, (i, j) in enumerate((i, j) for i in range(6) for j in range(6)):
        description = f"position xyz of the cloth's point {i} of 0 to 5 along x and {j} along z"
        fields.append(Field(f"point_{i}_{j}", 3 * k, 3 * k + 3, "m", description))
    held = "position xyz of the picker, which holds point 0, 0"
    fields.append(Field("picker", 108, 111, "m", held))
    # One field for a reward's author: 36 lines that differ by two numbers would hide the layout.
    formal_fields = (
        Field(
            "cloth_points",
            0,
            108,
            "m",
            "positions xyz (y up) of 6 x 6 points of the cloth; those of the point i along x and "
            "j along z, both 0 to 5, begin at index 18 * i + 3 * j. The cloth starts flat on the "
            "table, the point 0, 0 at (-0.122, 0.005, -0.122), the point 5, 5 at (0.122, 0.005, "
            "0.122)",
        ),
        fields[-1],
    )
    start, goal = _snapshots(f"fold-cloth/{preset}")
    return TaskSpec(
        name="fold-cloth",
        instruction="fold the cloth diagonally from one corner to the opposite corner",
        horizon=moves,
        observation_fields=tuple(fields),
        formal_fields=formal_fields,
        action_size=2,
        action_description="2 numbers in [-1, 1]: where on the table the picker takes the corner "
        "that it holds, x and z in units of 0.15 m; it lifts the corner by 6 cm, carries it there "
        f"and puts it down, all in one step. An episode has {moves} "
        f"{'step' if moves == 1 else 'steps'}.",
        target_description="position xyz of the corner opposite to the held one, where the held "
        "corner should be in the end, m",
        success_description="the half of the cloth at the held corner lies mirrored on the other "
        "half, which has not moved: the mean distance of all its points from where they should be "
        "is less than a tenth of what it was at the start",
        frame_view=cloth_view,
        suite="softgym",
        target_size=3,
        expert="core_jax.envs.softgym.fold_cloth:expert",
        camera=Camera((0.0, 0.0, 0.42), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 45.0),
        start=start,
        goal=goal,
        paper_budget=PaperBudget(
            env_steps=15_000,
            labels=150,
            labels_per_round=10,
            round_every=1_000,
            first_round=500,
            refine_at=(2_400, 4_800, 7_200, 9_600),
            clip_length=3,
        ),
        step_seconds=1.0,
    )


@functools.cache
def flatten_rope(protocol: str = "paper", **_: object) -> TaskSpec:
    """Returns flatten-rope's spec."""
    del protocol  # `random` turns the start, which a picture of the goal need not show
    fields = [
        Field(
            f"rope_point_{i}",
            3 * k,
            3 * k + 3,
            "m",
            f"position xyz of the rope's particle {i} of 0 to 40",
        )
        for k, i in enumerate(ROPE_KEY_POINTS)
    ]
    fields += [
        Field("first_picker", 30, 33, "m", "position xyz of the picker that holds particle 0"),
        Field("second_picker", 33, 36, "m", "position xyz of the picker that holds particle 40"),
    ]
    start, goal = _snapshots("flatten-rope")
    return TaskSpec(
        name="flatten-rope",
        instruction="straighten the blue rope",
        horizon=40,
        observation_fields=tuple(fields),
        formal_fields=tuple(fields),
        action_size=8,
        action_description="8 numbers in [-1, 1]: dx, dy, dz move the first picker by up to 6 cm "
        "per step along x (right), y (up), z (towards the viewer), the fourth has no effect; then "
        "the same four for the second picker. The pickers hold the rope's ends all the time and "
        "start on the table (y = 0), 0.03 to 0.54 m apart. A move that would take either beyond "
        "0.325 m from the table's middle (0, 0, 0) along x or z does not happen. An episode has 40 "
        "steps.",
        target_description="array of one number, how far the two ends of the rope must be apart, m",
        success_description="the two ends of the rope are at least 0.475 m apart; the rope is "
        "0.54 m long",
        frame_view=rope_view,
        suite="softgym",
        target_size=1,
        expert="core_jax.envs.softgym.flatten_rope:expert",
        camera=Camera((0.0, 0.0, 0.85), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 45.0),
        start=start,
        goal=goal,
        paper_budget=PaperBudget(
            env_steps=101_000,
            labels=200,
            labels_per_round=10,
            round_every=5_000,
            first_round=10_000,
            refine_at=(25_000, 50_000, 75_000, 100_000),
            clip_length=3,
        ),
        step_seconds=0.06,
    )


@functools.cache
def pass_water(protocol: str = "paper", preset: str = "fast", **_: object) -> TaskSpec:
    """Returns pass-water's spec; see `pass_water.PassWater` for the arguments."""
    del protocol  # both draw the glass from the same nine
    rows = (
        (
            "glass_x",
            "m",
            "x of the middle of the glass; it starts at 0 and stays within -0.25 to 1.4",
        ),
        ("glass_length", "m", "inner length of the glass along x"),
        ("glass_width", "m", "inner length of the glass along z"),
        ("glass_height", "m", "height of the glass's walls"),
        (
            "water_top",
            "m",
            "height of the highest drop above the glass's floor; at rest 0.15 to 0.18",
        ),
        ("part_inside", "1", "part of the water that is in the glass, 0 to 1"),
        ("part_spilled", "1", "part of the water that is not in the glass, 0 to 1"),
    )
    fields = tuple(Field(name, i, i + 1, unit, text) for i, (name, unit, text) in enumerate(rows))
    start, goal = _snapshots(f"pass-water/{preset}")
    return TaskSpec(
        name="pass-water",
        instruction="move the glass of water onto the red circle without spilling the water",
        horizon=75,
        observation_fields=fields,
        formal_fields=fields,
        action_size=1,
        action_description="1 number in [-1, 1]: moves the glass along x, by up to 8.8 cm per "
        "step; the faster it starts or stops, the more the water sloshes. An episode has 75 steps.",
        target_description="array of one number, x of the middle of the red circle, m (1.2)",
        success_description="10 times the part of the water that was spilled, plus the glass's "
        "distance from the target in metres, is less than 0.36",
        suite="softgym",
        target_size=1,
        expert="core_jax.envs.softgym.pass_water:expert",
        camera=Camera.look_at((0.58, -1.6, 1.15), (0.58, 0.0, 0.06), 50.0),
        start=start,
        goal=goal,
        paper_budget=PaperBudget(
            env_steps=100_050,
            labels=200,
            labels_per_round=10,
            round_every=5_000,
            first_round=10_000,
            refine_at=(24_975, 49_950, 74_925, 99_900),
            clip_length=3,
        ),
        step_seconds=0.08,
    )


def _snapshots(key: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the recorded snapshots of start and goal."""
    with np.load(SNAPSHOTS) as recorded:
        start, goal = recorded[key].tolist()
    return tuple(start), tuple(goal)


TASKS = (
    TaskEntry(
        name="fold-cloth",
        suite="softgym",
        env="core_jax.envs.softgym.fold_cloth:FoldCloth",
        spec=fold_cloth,
        overrides={"reward": _REWARDS, "preset": ("fast", "full"), "moves": (3, 1)},
    ),
    TaskEntry(
        name="flatten-rope",
        suite="softgym",
        env="core_jax.envs.softgym.flatten_rope:FlattenRope",
        spec=flatten_rope,
        overrides={"reward": _REWARDS},
    ),
    TaskEntry(
        name="pass-water",
        suite="softgym",
        env="core_jax.envs.softgym.pass_water:PassWater",
        spec=pass_water,
        overrides={"reward": _REWARDS, "preset": ("fast", "full")},
    ),
)
