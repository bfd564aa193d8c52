"""`MetaWorldEnv`: what all Meta-World tasks share; a task is one file that defines its hooks.

Actions, observation layout, reset and termination are Meta-World's (Yu et al. 2019, v3 package);
the fixed starts of protocol `paper` are those of CoRe's code.
"""

import abc
import copy
import dataclasses
from typing import ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp

from core_jax.envs import rendering
from core_jax.envs.engines import State
from core_jax.envs.metaworld import hand, looks, tasks, variation
from core_jax.envs.metaworld.looks import Looks
from core_jax.envs.metaworld.scene import Physics, Scene, SceneXml
from core_jax.envs.task import Judgement, TaskEnv, vector
from core_jax.envs.task_spec import TaskSpec

_SCALES = 7  # of the random stream of `variation`, beside that of the placement
# Bounds of the hand in an observation; the original clips to them.
_HAND_LOW = (-0.525, 0.348, -0.0525)
_HAND_HIGH = (0.525, 1.025, 0.7)


class HandStart(NamedTuple):
    """The hand at a reset, m; constants measured once in the original (MuJoCo 3.3.0).

    Attributes:
        target: mocap target.
        settled: where the original's hand is after its 250 substeps under that target.
        tcp: middle of the finger tips there; reward margins depend on it.
    """

    target: tuple[float, float, float]
    settled: tuple[float, float, float]
    tcp: tuple[float, float, float]


# The benchmark's own starts: the first is that of five tasks, the second that of two.
MIDDLE_START = HandStart(
    target=(0.0, 0.6, 0.2),
    settled=(0.004584, 0.601388, 0.195143),
    tcp=(0.004286, 0.601489, 0.150189),
)
BACK_START = HandStart(
    target=(0.0, 0.4, 0.2),
    settled=(0.004529, 0.400308, 0.195686),
    tcp=(0.004407, 0.400271, 0.150740),
)


class Placement(NamedTuple):
    """Positions at a reset, m.

    Attributes:
        fixture: [3] position of the body "fixture".
        target: [3] where the object should go.
        origin: [3] where the object starts; rewards measure from it.
        object_qpos: [nq - 5] the task's joint positions.
    """

    fixture: jax.Array
    target: jax.Array
    origin: jax.Array
    object_qpos: jax.Array


class MetaWorldEnv(TaskEnv):
    """One hand-only Meta-World world. Subclasses define `NAME`, `HAND_START` and the hooks."""

    NAME: ClassVar[str]
    HAND_START: ClassVar[dict[str, HandStart]]
    spread: float = 0.0  # of the physics, between worlds

    def __init__(
        self, protocol: str = "paper", reward: str = "dense", goal_observable: bool = True
    ):
        """Compiles the scene. Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`.
            reward: which ground truth `state.reward` is: `dense` (v2, 0 to 10) or `sparse`.
            goal_observable: whether the last three numbers of an observation are the goal or 0.
        """
        self.protocol = protocol
        self.spec = self.describe(protocol)
        self.reward = reward
        self._goal_observable = goal_observable
        if protocol not in self.HAND_START:
            known = ", ".join(self.HAND_START)
            raise ValueError(f"{self.NAME}: HAND_START has no {protocol!r}; it has {known}")
        start = self.HAND_START[protocol]
        self.hand_init = jnp.array(start.target)
        self.hand_settled = jnp.array(start.settled)
        self.tcp_init = jnp.array(start.tcp)
        xml = self.scene_xml()
        self.scene = Scene(xml)
        looks.check(xml.shapes, self.scene.mj_model)
        self._check_snapshots()
        self._looks: dict[bool, Looks] = {}

    @classmethod
    def describe(cls, protocol: str = "paper") -> TaskSpec:
        """Returns the task's spec: its row in `tasks`, unless a class outside overrides this."""
        return tasks.spec(cls.NAME, protocol)

    @abc.abstractmethod
    def scene_xml(self) -> SceneXml:
        """Returns the task's bodies and contacts."""

    @abc.abstractmethod
    def place(self, key: jax.Array) -> Placement:
        """Draws the positions at a reset."""

    @abc.abstractmethod
    def objects(self, physics: Physics) -> jax.Array:
        """Returns positions and quaternions of one object [7] or two [14]."""

    @abc.abstractmethod
    def judge(
        self, frame: jax.Array, action: jax.Array, physics: Physics, gripper: hand.Gripper
    ) -> Judgement:
        """Returns the ground truth of a step.

        Args:
            frame: [18] the newest third of the observation at the step's end.
            action: [4] that was taken, clipped.
            physics: the world at the step's end.
            gripper: where finger tips and pads are then; a test passes recorded ones.
        """

    def randomised(self, spread: float) -> "MetaWorldEnv":
        """Returns the same task with physics that differs from world to world: friction, damping,
        masses and the fingers' stiffness by up to a factor of `1 + spread` each."""
        found = copy.copy(self)
        found.spread = spread
        return found

    @property
    def nominal(self) -> "MetaWorldEnv":
        """The same task with its own physics in all worlds."""
        return self.randomised(0.0) if self.spread else self

    @property
    def backend(self) -> str:
        """The physics engine."""
        return "mjx"

    def reset(self, rng: jax.Array) -> State:
        """Returns a world at its start.

        Args:
            rng: a key, typed or not; called `rng` because brax's signature is.
        """
        placed = self.place(rng)
        joints = (self.scene.mj_model.nq - hand.N_JOINTS,)
        for name, value in placed._asdict().items():
            shape = joints if name == "object_qpos" else (3,)
            if jnp.shape(value) != shape:
                found = list(jnp.shape(value))
                message = f"{self.NAME}: place: {name} must have the shape {list(shape)}"
                raise ValueError(f"{message}, not {found}")
        physics = self.scene.rest(
            self.hand_init,
            self.hand_settled,
            placed.fixture,
            placed.target,
            placed.origin,
            placed.object_qpos,
        )
        if self.spread:
            scales = variation.draw(jax.random.fold_in(rng, _SCALES), self.spread)
            physics = dataclasses.replace(physics, scales=scales)
        frame = self._frame(physics)
        judged = self.judge(frame, jnp.zeros(4), physics, hand.gripper(physics.qpos))
        obs = self._observe(frame, frame, physics.target)
        return self.started(physics, obs, judged, physics.target)

    def step(self, state: State, action: jax.Array) -> State:
        """Moves a world by one control step (12.5 ms); see `stepped`.

        Args:
            state: of one world.
            action: [4], clipped to [-1, 1].
        """
        self.check_action(action)
        action = jnp.clip(action, -1.0, 1.0)
        physics = self.scene.advance(cast(Physics, state.pipeline_state), action)
        frame = self._frame(physics)
        judged = self.judge(frame, action, physics, hand.gripper(physics.qpos))
        obs = self._observe(frame, vector(state.obs)[:18], physics.target)
        return self.stepped(state, physics, obs, judged, ended=jnp.zeros(()))

    def snapshot(self, pipeline_state: Physics) -> jax.Array:
        """Returns all that a picture of a world depends on: joint positions, fixture [nq + 3]."""
        return jnp.concatenate([pipeline_state.qpos, pipeline_state.fixture])

    def view(self, snapshot: jax.Array, gripper: bool = True) -> rendering.Scene:
        """Returns the scene of a snapshot.

        Args:
            snapshot: of one world.
            gripper: whether the gripper is visible (CoRe hides it).
        """
        if gripper not in self._looks:
            with jax.ensure_compile_time_eval():  # constants, also when first needed inside a trace
                self._looks[gripper] = self.scene.looks(gripper)
        return self._looks[gripper].scene(snapshot)

    def _check_snapshots(self) -> None:
        size = self.scene.mj_model.nq + 3
        for name in ("start", "goal"):
            given = len(getattr(self.spec, name))
            if given not in (0, size):
                what = f"{size - 3} joint positions and the fixture's place, {size} numbers"
                raise ValueError(f"{self.NAME}: spec.{name} must be {what}, not {given}")

    def _frame(self, physics: Physics) -> jax.Array:
        objects = self.objects(physics)
        if objects.shape not in ((7,), (14,)):
            message = "objects: [7] (one position and quaternion) or [14] (two)"
            raise ValueError(f"{self.NAME}: {message}, not {list(objects.shape)}")
        return jnp.concatenate(
            [
                jnp.clip(physics.qpos[:3], jnp.array(_HAND_LOW), jnp.array(_HAND_HIGH)),
                hand.opening(physics.qpos)[None],
                objects,
                jnp.zeros(14 - objects.shape[0]),
            ]
        )

    def _observe(self, frame: jax.Array, previous: jax.Array, target: jax.Array) -> jax.Array:
        goal = target if self._goal_observable else jnp.zeros(3)
        return jnp.concatenate([frame, previous, goal])
