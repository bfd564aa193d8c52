"""Meta-World's tasks as the registry lists them: what each is called and how it is described.

A task is one row of `TASKS` and the module that the row names. Nothing here needs JAX.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from core_jax.envs.camera import Camera
from core_jax.envs.task_spec import Field, TaskEntry, TaskSpec

if TYPE_CHECKING:
    from jaxtyping import Array, Float

ACTION_DESCRIPTION = (
    "4 numbers in [-1, 1]: dx, dy, dz move the hand's target by up to 1 cm per step along world "
    "x (right), y (away from the robot), z (up); the fourth closes the gripper (+) or opens it (-)."
)
OVERRIDES = {"reward": ("dense", "sparse"), "goal_observable": (True, False)}


def observation_fields(obj: str, second: str | None = None, quat: str = "") -> tuple[Field, ...]:
    """Returns the names of the 39 numbers of an observation.

    Args:
        obj: what the object is, for the descriptions.
        second: what the second object is, if the task has one.
        quat: the order of the object's quaternion: the original has both, task by task.
    """
    order = f" ({quat})" if quat else ""
    fields = []
    for prefix, start, when in (("", 0, "now"), ("previous_", 18, "one step ago")):
        parts = [
            ("hand_pos", 3, "m", f"hand position xyz {when}"),
            ("gripper_opening", 1, "1", f"gripper opening {when}, 0 closed to 1 open"),
            ("object_pos", 3, "m", f"{obj}: position xyz {when}"),
            ("object_quat", 4, "1", f"{obj}: orientation quaternion{order} {when}"),
        ]
        if second:
            parts += [
                ("second_pos", 3, "m", f"{second}: position xyz {when}"),
                ("second_quat", 4, "1", f"{second}: orientation quaternion {when}"),
            ]
        else:
            parts += [("padding", 7, "1", "always 0")]
        for name, size, unit, description in parts:
            fields.append(Field(prefix + name, start, start + size, unit, description))
            start += size
    fields.append(Field("goal_pos", 36, 39, "m", "where the object should go, xyz"))
    return tuple(fields)


def formal_fields(obj: str, quat: str = "") -> tuple[Field, ...]:
    """Returns the names of the 11 numbers that a formal reward is called with."""
    return tuple(f for f in observation_fields(obj, quat=quat) if f.stop <= 11)


def formal_view(obs: Float[Array, "*batch 39"]) -> Float[Array, "*batch 11"]:
    """Returns hand xyz, opening, object xyz and quaternion."""
    return obs[..., :11]


def frame_view(obs: Float[Array, "*batch 39"]) -> Float[Array, "*batch 14"]:
    """Returns what one picture shows of an observation: no past, no padding."""
    import jax.numpy as jnp

    return jnp.concatenate([obs[..., :11], obs[..., 36:39]], axis=-1)


def frame_view_of_two(obs: Float[Array, "*batch 39"]) -> Float[Array, "*batch 17"]:
    """Returns what `frame_view` does, and where the second object is."""
    import jax.numpy as jnp

    return jnp.concatenate([obs[..., :14], obs[..., 36:39]], axis=-1)


def spec(name: str, protocol: str = "paper") -> TaskSpec:
    """Returns the spec of a Meta-World task under a protocol.

    Raises:
        KeyError: for a name that is not in `TASKS`.
    """
    described = _SPECS[name]
    assert described is not None
    return described(protocol)


def describe(
    name: str,
    instruction: str,
    obj: str,
    target: str,
    success: str,
    camera: Camera,
    quat: str = "",
    second: str | None = None,
    expert: str | None = None,
    start: tuple[float, ...] = (),
    goal: tuple[float, ...] = (),
) -> TaskSpec:
    """Returns the spec of a Meta-World task, of this folder or of your own.

    Args:
        name: the task's.
        instruction: one line for a vision-language model.
        obj: what the object is.
        target: what the target is.
        success: when the task is done.
        camera: where pictures are taken from.
        quat: the order of the object's quaternion.
        second: what the second object is, if the task has one.
        expert: the scripted expert as "module:function".
        start, goal: snapshots of the task at its start and when it is done.
    """
    return TaskSpec(
        name=name,
        instruction=instruction,
        horizon=500,
        observation_fields=observation_fields(obj, second, quat),
        formal_fields=formal_fields(obj, quat),
        action_size=4,
        action_description=ACTION_DESCRIPTION,
        target_description=target,
        success_description=success,
        formal_view=formal_view,
        frame_view=frame_view_of_two if second else frame_view,
        suite="metaworld",
        target_size=3,
        dense_scale=0.1,
        expert=expert,
        camera=camera,
        start=start,
        goal=goal,
    )


def _task(
    name: str,
    env: str,
    instruction: str,
    obj: str,
    quat: str,
    target: str,
    success: str,
    camera: Camera,
    second: str | None = None,
    random_camera: Camera | None = None,
) -> TaskEntry:
    """Returns a task's row: what all seven share, and what is its own.

    Args:
        name: the task's.
        env: "module:class" of its environment, the module in this folder.
        instruction: one line for a vision-language model.
        obj: what the object is.
        quat: the order of the object's quaternion.
        target: what the target is.
        success: when the task is done.
        camera: where pictures are taken from.
        second: what the second object is, if the task has one.
        random_camera: where pictures are taken from under protocol `random`, if the usual camera
            would not show everything.
    """

    @functools.cache
    def spec_under(protocol: str = "paper", **_: object) -> TaskSpec:
        snapshots = _snapshots().get(name, {"start": (), "goal": ()})  # a new task has none yet
        return describe(
            name=name,
            instruction=instruction,
            obj=obj,
            quat=quat,
            second=second,
            target=target,
            success=success,
            camera=camera if random_camera is None or protocol != "random" else random_camera,
            expert=f"core_jax.envs.metaworld.controllers:{name.replace('-', '_')}",
            start=tuple(snapshots["start"]),
            goal=tuple(snapshots["goal"]),
        )

    return TaskEntry(name, "metaworld", f"core_jax.envs.metaworld.{env}", spec_under, OVERRIDES)


@functools.cache
def _snapshots() -> dict[str, dict[str, list[float]]]:
    return json.loads((Path(__file__).parent / "goals.json").read_text())


TASKS = (
    _task(
        name="soccer",
        env="soccer:Soccer",
        instruction="push the soccer ball into the goal",
        obj="soccer ball",
        quat="x y z w",
        target="position xyz of the middle of the goal's mouth on the table, m; the "
        "ball starts about 0.2 m in front of it along -y",
        success="the ball's centre is within 0.07 m of the target",
        camera=Camera.look_at((0.2, 0.1, 0.45), (0.02, 0.74, 0.05), 33.0),
    ),
    _task(
        name="sweep-into",
        env="sweep_into:SweepInto",
        instruction="sweep the green cube into the square hole in the table",
        obj="green cube",
        quat="x y z w",
        target="position xyz of the middle of the hole, m; the cube starts about 0.2 m "
        "in front of it along -y, its centre 0.07 m high on the raised table",
        success="the cube's centre is within 0.05 m of the target in the horizontal "
        "plane; its height does not count",
        camera=Camera.look_at((-0.4, 0.25, 0.62), (0.0, 0.74, 0.05), 31.0),
    ),
    _task(
        name="drawer-open",
        env="drawer_open:DrawerOpen",
        instruction="open the drawer",
        obj="drawer handle",
        quat="",
        target="position xyz of the drawer handle when the drawer is open, m; the "
        "handle starts 0.19 m behind it along +y",
        success="the handle is within 0.03 m of the target",
        camera=Camera.look_at((-0.45, 0.25, 0.5), (0.0, 0.76, 0.08), 33.0),
        random_camera=Camera.look_at((-0.45, 0.25, 0.5), (0.0, 0.72, 0.08), 36.0),
    ),
    _task(
        name="button-press-topdown",
        env="button_press_topdown:ButtonPressTopdown",
        instruction="press the red button down from above",
        obj="red button's top",
        quat="w x y z",
        target="position xyz of the button's top when it is pressed in, m; the button "
        "starts 0.09 m above it",
        success="the button's top is within 0.024 m of the target's height",
        camera=Camera.look_at((-0.5, 0.2, 0.62), (0.0, 0.8, 0.19), 31.0),
    ),
    _task(
        name="dial-turn",
        env="dial_turn:DialTurn",
        instruction="turn the dial half way round",
        obj="tip of the dial's lever, 0.05 m from the dial's axis",
        quat="w x y z",
        target="position xyz of the place that the lever's tip should get close to, m; "
        "the dial's upright axis is 0.03 m behind it along -y, and the tip starts 0.08 m behind it "
        "along -y. The dial is turned by pushing the lever from its +x side, so that, seen from "
        "above, it turns clockwise and the tip passes on the -x side of the axis",
        success="the lever's tip is within 0.07 m of the target",
        camera=Camera.look_at((-0.1, 0.95, 0.65), (0.0, 0.7, 0.04), 14.5),
        random_camera=Camera.look_at((-0.42, 0.8, 0.56), (-0.015, 0.735, 0.05), 26.0),
    ),
    _task(
        name="hammer",
        env="hammer:Hammer",
        instruction="pick up the hammer and drive the grey nail into the board with it",
        obj="hammer's handle, which lies along x; its head is 0.16 m along +x and 0.06 m along +y "
        "from here",
        second="nail's head",
        quat="w x y z",
        target="position xyz of the nail's head when it is driven in, m; the nail "
        "starts 0.1 m before it along -y and moves along +y",
        success="the nail has been driven in by more than 0.09 m",
        camera=Camera.look_at((0.8, 0.2, 0.48), (0.1, 0.62, 0.06), 40.0),
    ),
    _task(
        name="peg-insert-side",
        env="peg_insert_side:PegInsertSide",
        instruction="pick up the green peg and insert it into the hole in the side of the block",
        obj="place to grasp the peg, which lies along x; its head is 0.13 m along -x and 0.01 m "
        "below here",
        quat="x y z w",
        target="position xyz that the peg's head should reach inside the block, m; "
        "the hole is 0.13 m above the table, it opens towards +x and the peg has to move along -x "
        "into it",
        success="the peg's head is within 0.07 m of the target, its y and z distances "
        "counted twice",
        camera=Camera.look_at((0.45, 0.1, 0.3), (-0.035, 0.59, 0.07), 34.0),
        random_camera=Camera.look_at((0.45, 0.08, 0.48), (-0.055, 0.6, 0.08), 46.0),
    ),
)
_SPECS = {entry.name: entry.spec for entry in TASKS}
