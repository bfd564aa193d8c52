"""panda-gym's tasks as the registry lists them: what each is called and how it is described.

Nothing here needs JAX. The six tasks are three worlds with two kinds of control.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core_jax.envs.camera import Camera
from core_jax.envs.task_spec import Field, GoalFields, PaperBudget, TaskEntry, TaskSpec

if TYPE_CHECKING:
    from jaxtyping import Array, Float

CLOSE = 0.05  # m, the distance to the goal at which a task is done
NEUTRAL = (0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79)  # rad, the arm at a reset
_REWARDS = ("dense", "sparse")
_CAMERA = Camera.look_at((0.857, -0.857, 0.7), (0.0, 0.0, 0.0), 60.0)
_BUDGET = PaperBudget(env_steps=300_000, labels=500, clip_length=10)


class _World(NamedTuple):
    """What tells a task's world from the others.

    Attributes:
        thing: what is moved; empty if it is the hand.
        instruction, success, target: as in `TaskSpec`.
        start, goal: what follows the joint angles in a snapshot of the start.
        done: the snapshot of a world in which the task is done.
    """

    thing: str
    instruction: str
    success: str
    target: str
    start: tuple[float, ...]
    done: tuple[float, ...]


_WORLDS = {
    "panda-reach": _World(
        thing="",
        instruction="move the robot's fingertips to the yellow ball",
        success="the end effector is within 0.05 m of the goal",
        target="position xyz of the goal, m: x and y within 0.15 of 0, z 0 to 0.3",
        start=(*NEUTRAL, -0.08, 0.1, 0.08),
        done=(0.144, 0.378, 0.043, -2.291, -0.035, 2.669, 1.0, -0.08, 0.1, 0.08),
    ),
    "panda-push": _World(
        thing="cube",
        instruction="push the green cube onto the yellow square",
        success="the middle of the cube is within 0.05 m of the goal",
        target="position xyz of the goal of the cube's middle, m: x and y within 0.15 of 0, z 0.02",
        start=(*NEUTRAL, -0.05, -0.1, 0.02, 0.0, 0.1, 0.08, 0.02),
        done=(0.076, 0.792, 0.017, -1.742, -0.021, 2.534, 0.89)
        + (0.1, 0.08, 0.02, 0.4, 0.1, 0.08, 0.02),
    ),
    "panda-slide": _World(
        thing="puck",
        instruction="strike the green puck so that it slides onto the yellow disc",
        success="the middle of the puck is within 0.05 m of the goal, 1.6 cm of which is height",
        target="position xyz of the goal of the puck's middle, m: x 0.25 to 0.55, y within 0.15 of "
        "0, z 0.03",
        start=(*NEUTRAL, 0.05, -0.08, 0.0144, 0.0, 0.4, 0.08, 0.03),
        done=(*NEUTRAL, 0.4, 0.08, 0.0144, 0.0, 0.4, 0.08, 0.03),
    ),
}
_HAND = (
    Field("end_effector", 0, 3, "m", "position xyz between the tips of the closed fingers"),
    Field("end_effector_velocity", 3, 6, "m/s", "its velocity"),
)
_EE = (
    "3 numbers in [-1, 1]: dx, dy, dz ask for a move of the end effector by up to 5 cm, the hand "
    "upright; about half of it happens in a step"
)
_JOINTS = (
    "7 numbers in [-1, 1]: each turns a joint of the arm, from its base to its hand, by up to "
    "0.05 rad"
)


def reach_view(obs: Float[Array, "*batch 9"]) -> Float[Array, "*batch 6"]:
    """Returns what a picture of panda-reach shows of an observation: hand and goal."""
    return _joined(obs, (0, 3), (6, 9))


def thing_view(obs: Float[Array, "*batch 21"]) -> Float[Array, "*batch 10"]:
    """Returns what a picture shows of an observation: hand, object, its yaw, goal."""
    return _joined(obs, (0, 3), (6, 9), (11, 12), (18, 21))


def hand_formal_view(obs: Float[Array, "*batch 9"]) -> Float[Array, "*batch 6"]:
    """Returns a formal reward's input: the observation without the goal."""
    return obs[..., :6]


def thing_formal_view(obs: Float[Array, "*batch 21"]) -> Float[Array, "*batch 18"]:
    """Returns a formal reward's input: the observation without the goal."""
    return obs[..., :18]


@functools.cache
def spec(name: str, protocol: str = "paper", **_: object) -> TaskSpec:
    """Returns the spec of one of the six tasks.

    Args:
        name: of the task.
        protocol: both have panda-gym's resets.
    """
    del protocol
    joints = name.endswith("-joints")
    world = _WORLDS[name.removesuffix("-joints")]
    state = (*_HAND, *_thing_fields(world.thing)) if world.thing else _HAND
    size = state[-1].stop
    what = f"position xyz where the {world.thing or 'end effector'} should be"
    goal = Field("goal", size, size + 3, "m", what)
    view, formal = (
        (thing_view, thing_formal_view) if world.thing else (reach_view, hand_formal_view)
    )
    return TaskSpec(
        name=name,
        instruction=world.instruction,
        horizon=50,
        observation_fields=(*state, goal),
        formal_fields=state,
        action_size=7 if joints else 3,
        action_description=f"{_JOINTS if joints else _EE}. The robot's base is at (-0.6, 0, 0), "
        "the table's top at z = 0; x points away from the robot, z up. An episode has 50 steps of "
        "40 ms and ends at success.",
        target_description=world.target,
        success_description=world.success,
        formal_view=formal,
        frame_view=view,
        suite="panda",
        target_size=3,
        expert=f"core_jax.envs.panda.experts:{name.removeprefix('panda-').replace('-', '_')}",
        camera=_CAMERA,
        start=world.start,
        goal=world.done,
        goal_fields=GoalFields(
            achieved=(6, 9) if world.thing else (0, 3), desired=(size, size + 3), close=CLOSE
        ),
        paper_budget=_BUDGET,
        step_seconds=0.04,
    )


def _thing_fields(thing: str) -> tuple[Field, ...]:
    rows = (
        (thing, "m", "position xyz of its middle"),
        (f"{thing}_angles", "rad", "its Euler angles about x, y, z"),
        (f"{thing}_velocity", "m/s", "its velocity"),
        (f"{thing}_spin", "rad/s", "its angular velocity"),
    )
    return tuple(Field(n, 6 + 3 * i, 9 + 3 * i, unit, d) for i, (n, unit, d) in enumerate(rows))


def _joined(obs: Float[Array, "*batch obs"], *slices: tuple[int, int]) -> Float[Array, "*batch n"]:
    return obs[..., np.concatenate([np.arange(*s) for s in slices])]


def _entry(name: str) -> TaskEntry:
    words = name.removeprefix("panda-").split("-")
    return TaskEntry(
        name=name,
        suite="panda",
        env=f"core_jax.envs.panda.base:{''.join(word.capitalize() for word in words)}",
        spec=functools.partial(spec, name),
        overrides={"reward": _REWARDS},
    )


TASKS = tuple(_entry(name + control) for name in _WORLDS for control in ("", "-joints"))
