"""`TaskEnv`: a brax-compatible environment over one world, with a `TaskSpec`.

The spec is what language models, learners and reports read; the environment is what is stepped.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from core_jax.envs.engines import Env, State
from core_jax.envs.rendering import Scene, render
from core_jax.envs.task_spec import Field, PaperBudget, TaskSpec

__all__ = ["Field", "Judgement", "PaperBudget", "TaskEnv", "TaskSpec"]


class Judgement(NamedTuple):
    """Ground truth of one step: dense reward, success (0 or 1), progress (0 to 1)."""

    dense: Float[Array, ""]
    success: Float[Array, ""]
    progress: Float[Array, ""]


class TaskEnv(Env, abc.ABC):
    """A brax environment over one world that carries a `TaskSpec`.

    `state.metrics` holds at least `success`, `progress`, `dense`, `sparse`, `nonfinite`;
    `state.info` holds at least `target`. `state.done` is termination only: time limits belong to
    wrappers.
    """

    target: ClassVar[tuple[float, ...] | None] = None  # `info["target"]` if it is always the same
    spec: TaskSpec
    protocol: str
    reward: str  # what `state.reward` is: `dense`, or `sparse`, the success

    @property
    def observation_size(self) -> int:
        """Length of an observation."""
        return self.spec.observation_size

    @property
    def action_size(self) -> int:
        """Length of an action; the number of actions where they are discrete."""
        return self.spec.action_size

    def randomised(self, spread: float) -> "TaskEnv":
        """Returns the same task with physics that differs from world to world.

        Args:
            spread: quantities vary by up to a factor of `1 + spread`.

        Raises:
            ValueError: the task cannot vary its physics.
        """
        raise ValueError(
            f"randomise must be 0, not {spread:g}: {self.spec.name} cannot vary its physics, "
            "Meta-World's tasks can"
        )

    @property
    def nominal(self) -> "TaskEnv":
        """The same task with its own physics in all worlds."""
        return self

    def check_action(self, action: jax.Array) -> None:
        """Checks an action's shape, at trace time.

        Raises:
            ValueError: if it is not the task's.
        """
        expected = () if self.spec.discrete else (self.spec.action_size,)
        if jnp.shape(action) != expected:
            raise ValueError(
                f"{self.spec.name}: an action of shape {jnp.shape(action)}; it must be {expected}"
            )

    def started(
        self,
        physics: Any,
        obs: Float[Array, " obs"],
        judged: Judgement,
        target: Float[Array, " target"],
    ) -> State:
        """Returns the state of a world at its start."""
        zero = jnp.zeros(())
        return State(
            pipeline_state=physics,
            obs=obs,
            reward=zero,
            done=zero,
            metrics=_metrics(judged, zero),
            info={"target": target},
        )

    def stepped(
        self,
        state: State,
        physics: Any,
        obs: Float[Array, " obs"],
        judged: Judgement,
        ended: Float[Array, ""],
    ) -> State:
        """Returns the state after a step, which is the one before if the step is not finite.

        Then the episode ends (`done` = 1, `metrics["nonfinite"]` = 1), observation, metrics and
        world stay, and the reward is 0.

        Args:
            state: before it.
            physics, obs, judged: after it.
            ended: 1 where the task itself is over.
        """
        reward = judged.dense if self.reward == "dense" else judged.success
        leaves = jax.tree.leaves((physics, obs, judged))
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in leaves]))
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
        nonfinite = 1.0 - finite.astype(jnp.float32)
        metrics = keep(_metrics(judged, nonfinite), {k: state.metrics[k] for k in METRICS})
        return replaced(
            state,
            pipeline_state=keep(physics, state.pipeline_state),
            obs=keep(obs, state.obs),
            reward=jnp.where(finite, reward, 0.0),
            done=jnp.maximum(nonfinite, jnp.where(finite, ended, 0.0)),
            metrics={**state.metrics, **metrics, "nonfinite": nonfinite},
        )

    @abc.abstractmethod
    def snapshot(self, pipeline_state: Any) -> Float[Array, " K"]:
        """Returns all that a picture of one world depends on, as a few numbers."""

    @abc.abstractmethod
    def view(self, snapshot: Float[Array, " K"], gripper: bool = True) -> Scene:
        """Returns the scene of a snapshot, with or without the gripper."""

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
        """Returns the picture of a snapshot: its scene, as the task's camera sees it.

        Args:
            snapshot: of one world; vmap for many.
            height, width: of the picture, pixels.
            samples: rays per pixel along each side.
            shadows: whether things cast shadows.
            gripper: whether it is visible.
            shift: pixels by which the picture moves to the right and up.

        Raises:
            ValueError: the task has no pictures.
        """
        camera = self.spec.camera
        if camera is None:
            raise ValueError(f"task {self.spec.name} has no pictures: its spec has no camera")
        return render(self.view(snapshot, gripper), camera, height, width, samples, shadows, shift)


METRICS = ("success", "progress", "dense", "sparse", "nonfinite")
"""What every environment's `state.metrics` holds."""


def vector(obs: Any) -> jax.Array:
    """Returns an observation as what it is in every task here: one array, never a dict of them."""
    return cast(jax.Array, obs)


def replaced(state: State, **changes: Any) -> State:
    """Returns a state with some fields changed; flax adds `State.replace` where checkers of types
    do not see it."""
    return cast(Any, state).replace(**changes)


def _metrics(judged: Judgement, nonfinite: jax.Array) -> dict[str, jax.Array]:
    for name, value in judged._asdict().items():
        if jax.numpy.shape(value) != ():
            shape = list(jax.numpy.shape(value))
            raise ValueError(f"judge: {name} must be one number, not an array of shape {shape}")
    values = (judged.success, judged.progress, judged.dense, judged.success, nonfinite)
    return dict(zip(METRICS, values, strict=True))
