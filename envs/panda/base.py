"""`PandaEnv`: what panda-gym's tasks share; a task is a small class that says what object there is.

Spaces, resets, rewards and the end of an episode at success are panda-gym 3.0.7's (Gallouedec et
al. 2021). An observation is the original's `observation` followed by its `desired_goal`.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import ClassVar, cast

import jax
import jax.numpy as jnp
from flax import struct

from core_jax.envs import rendering
from core_jax.envs.engines import State
from core_jax.envs.panda import arm, looks, motors, planar, tasks
from core_jax.envs.panda.motors import Arm
from core_jax.envs.panda.planar import Body, Thing
from core_jax.envs.task import Judgement, TaskEnv

_STEP = 0.05  # m or rad, the most that an action asks for


@struct.dataclass
class Physics:
    """A world.

    Attributes:
        arm: the robot.
        body: the object; at rest far away in a task without one.
        goal: [3] where the object should be, m.
        began: distance to the goal at the start, m.
    """

    arm: Arm
    body: Body
    goal: jax.Array
    began: jax.Array


class PandaEnv(TaskEnv):
    """One world. Subclasses define `NAME`, `THING` and `place`."""

    NAME: ClassVar[str]
    THING: ClassVar[Thing | None] = None
    JOINTS: ClassVar[bool] = False  # whether actions turn the joints

    def __init__(self, protocol: str = "paper", reward: str = "dense"):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`; both have panda-gym's resets.
            reward: which ground truth `state.reward` is: minus the distance, or success.
        """
        self.protocol = protocol
        self.reward = reward
        self.spec = tasks.spec(self.NAME, protocol)

    @abc.abstractmethod
    def place(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draws the object's start [3] and the goal [3], m."""

    @property
    def backend(self) -> str:
        """The physics engine."""
        return "arm"

    def reset(self, rng: jax.Array) -> State:
        """Returns a world at its start.

        Args:
            rng: a key, typed or not; called `rng` because brax's signature is.
        """
        at, goal = self.place(rng)
        zero = jnp.zeros(())
        physics = Physics(motors.neutral(), Body(at, jnp.zeros(3), zero, zero), goal, zero)
        began = jnp.linalg.norm(self.achieved(physics) - goal)
        physics = dataclasses.replace(physics, began=began)
        return self.started(physics, self.observe(physics), self.judge(physics), goal)

    def step(self, state: State, action: jax.Array) -> State:
        """Moves a world by one control step (40 ms); see `stepped`.

        Args:
            state: of one world.
            action: clipped to [-1, 1].
        """
        self.check_action(action)
        physics = cast(Physics, state.pipeline_state)
        physics = self.advance(physics, jnp.clip(action, -1.0, 1.0))
        judged = self.judge(physics)
        return self.stepped(state, physics, self.observe(physics), judged, judged.success)

    def advance(self, physics: Physics, action: jax.Array) -> Physics:
        """Moves a world by 20 steps of 2 ms."""
        target = self._target(physics.arm, action)

        def part(now: tuple[Arm, Body], _: None) -> tuple[tuple[Arm, Body], None]:
            prepared = motors.prepare(now[0])
            move = functools.partial(_substep, prepared, target, self.THING)
            return jax.lax.scan(move, now, length=motors.SUBSTEPS // motors.PARTS)[0], None

        robot, body = jax.lax.scan(part, (physics.arm, physics.body), length=motors.PARTS)[0]
        return dataclasses.replace(physics, arm=robot, body=body)

    def achieved(self, physics: Physics) -> jax.Array:
        """Returns what should be at the goal: the object's position, or the hand's [3]."""
        if self.THING is None:
            return arm.pose(physics.arm.before).end
        return physics.body.place

    def observe(self, physics: Physics) -> jax.Array:
        """Returns hand, object and goal, [21], or [9] without an object."""
        at = arm.pose(physics.arm.before)
        velocity = jnp.sum(arm.jacobian(at, at.end) * physics.arm.speeds[:, None], axis=0)
        parts = [at.end, velocity]
        if self.THING is not None:
            body, flat = physics.body, jnp.zeros(2)
            yaw = jnp.arctan2(jnp.sin(body.yaw), jnp.cos(body.yaw))
            parts += [body.place, flat, yaw[None], body.velocity, flat, body.spin[None]]
        return jnp.concatenate([*parts, physics.goal])

    def judge(self, physics: Physics) -> Judgement:
        """Returns minus the distance to the goal, and success within 5 cm."""
        distance = jnp.linalg.norm(self.achieved(physics) - physics.goal)
        success = (distance < tasks.CLOSE).astype(jnp.float32)
        gained = (physics.began - distance) / jnp.maximum(physics.began - tasks.CLOSE, 1e-3)
        return Judgement(-distance, success, jnp.where(success > 0, 1.0, jnp.clip(gained, 0, 1)))

    def snapshot(self, pipeline_state: Physics) -> jax.Array:
        """Returns joint angles [7], place and yaw [4] of the object if there is one, goal [3]."""
        parts = [pipeline_state.arm.angles]
        if self.THING is not None:
            parts += [pipeline_state.body.place, pipeline_state.body.yaw[None]]
        return jnp.concatenate([*parts, pipeline_state.goal])

    def view(self, snapshot: jax.Array, gripper: bool = True) -> rendering.Scene:
        """Returns the scene of a snapshot, with or without the robot."""
        return looks.scene(jnp.asarray(snapshot, jnp.float32), self.THING, gripper)

    def _target(self, robot: Arm, action: jax.Array) -> jax.Array:
        """Joint angles that an action asks for, rad."""
        if self.JOINTS:
            target = robot.angles + _STEP * action
        else:
            to = arm.pose(robot.before).end + _STEP * action
            target = arm.inverse_kinematics(robot.angles, to.at[2].set(jnp.maximum(to[2], 0.0)))
        return jnp.clip(target, jnp.asarray(arm.LOWEST), jnp.asarray(arm.HIGHEST))


def _substep(
    prepared: motors.Part, target: jax.Array, thing: Thing | None, now: tuple[Arm, Body], _: None
) -> tuple[tuple[Arm, Body], None]:
    """Robot and object, 2 ms later."""
    robot, body = now
    tip = motors.place(robot, prepared)
    floor = planar.table(tip, 0.25) if thing is None else planar.floor(body, thing, tip)
    robot, touch = motors.substep(robot, prepared, target, floor)
    if thing is not None:
        by = planar.fingers(touch, prepared.hand, thing.height)
        body, back = planar.advance(body, thing, by, touch, floor > 0.0)
        robot = motors.pushed(robot, prepared, back)
    return (robot, body), None


class Reach(PandaEnv):
    """Bring the hand to a point."""

    NAME = "panda-reach"

    def place(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """There is no object; the goal is in a box above the table."""
        low, high = jnp.array([-0.15, -0.15, 0.0]), jnp.array([0.15, 0.15, 0.3])
        return jnp.zeros(3), jax.random.uniform(key, (3,), minval=low, maxval=high)


class Push(PandaEnv):
    """Push a cube to a place on the table."""

    NAME = "panda-push"

    THING = planar.CUBE

    def place(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draws cube and goal in the same square."""
        at = jax.random.uniform(key, (2, 2), minval=-0.15, maxval=0.15)
        height = jnp.full(1, planar.CUBE.rest)
        return jnp.concatenate([at[0], height]), jnp.concatenate([at[1], height])


class Slide(PandaEnv):
    """Strike a puck so that it slides to a place out of the hand's reach."""

    NAME = "panda-slide"

    THING = planar.PUCK

    def place(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Draws the puck near the hand and the goal 40 cm further. The original drops the puck by
        1.6 cm; here it rests. The goal is at the height from which it falls there."""
        at = jax.random.uniform(key, (2, 2), minval=-0.15, maxval=0.15)
        goal = jnp.append(at[1] + jnp.array([0.4, 0.0]), 0.03)
        return jnp.append(at[0], planar.PUCK.rest), goal


class ReachJoints(Reach):
    """`Reach` with joint control."""

    NAME = "panda-reach-joints"
    JOINTS = True


class PushJoints(Push):
    """`Push` with joint control."""

    NAME = "panda-push-joints"
    JOINTS = True


class SlideJoints(Slide):
    """`Slide` with joint control."""

    NAME = "panda-slide-joints"
    JOINTS = True
