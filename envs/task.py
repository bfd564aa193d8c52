"""What a task tells the rest of the project: `TaskSpec`, and the brax-compatible `TaskEnv` base.

The spec is what language models, learners and reports read; the environment is what is stepped.
The paper budget is Meta-World's in CoRe's code (500k steps, 500 labels).
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from brax.envs.base import Env, State

from core_jax.envs.rendering import Camera, Scene


@dataclass(frozen=True)
class Field:
    """One named slice `[start:stop]` of an array, as told to a language model.

    Attributes:
        name: snake_case name of the slice.
        start: first index.
        stop: one past the last index.
        unit: unit of the numbers, "1" for dimensionless.
        description: one line.
    """

    name: str
    start: int
    stop: int
    unit: str
    description: str


@dataclass(frozen=True)
class PaperBudget:
    """How much experience and feedback the paper's runs spend on a task.

    Attributes:
        env_steps: environment steps of one run.
        labels: preferences asked for in total.
        labels_per_round: preferences asked for in one feedback round.
        round_every: environment steps between feedback rounds.
        first_round: environment steps before the first feedback round.
        refine_at: environment steps at which the formal reward may be refined.
        clip_length: steps in a clip.
        frames_shown: frames of a clip that a teacher sees.
    """

    env_steps: int = 500_000
    labels: int = 500
    labels_per_round: int = 20
    round_every: int = 4_000
    first_round: int = 20_000
    refine_at: tuple[int, ...] = (25_000, 50_000, 75_000, 100_000)
    clip_length: int = 20
    frames_shown: int = 3


@dataclass(frozen=True)
class TaskSpec:
    """Everything about a task that is not its dynamics.

    Attributes:
        name: the name `core_jax.envs.make` knows it by.
        instruction: one line for a vision-language model.
        horizon: steps after which an episode is truncated.
        observation_fields: the slices of an observation.
        formal_fields: the slices of the formal view.
        action_description: what an action does.
        target_description: what `state.info["target"]` is.
        success_description: when `metrics["success"]` is 1.
        formal_view: observation [obs] -> what a formal reward is called with [formal].
        frame_view: observation [obs] -> the part that one picture shows [frame].
        camera: where clips are filmed from.
        start, goal: snapshots of the task at its start and when it is done (`TaskEnv.view`).
        paper_budget: the paper's spending on this task.
        step_seconds: simulated time of a step; a video is shown at this pace.
    """

    name: str
    instruction: str
    horizon: int
    observation_fields: tuple[Field, ...]
    formal_fields: tuple[Field, ...]
    action_description: str
    target_description: str
    success_description: str
    formal_view: Callable[[jax.Array], jax.Array]
    frame_view: Callable[[jax.Array], jax.Array]
    camera: Camera
    start: tuple[float, ...]
    goal: tuple[float, ...]
    paper_budget: PaperBudget = PaperBudget()
    step_seconds: float = 0.0125


class Judgement(NamedTuple):
    """Ground truth of one step: dense reward, success (0 or 1), progress (0 to 1)."""

    dense: jax.Array
    success: jax.Array
    progress: jax.Array


class TaskEnv(Env, abc.ABC):
    """A brax environment over one world that carries a `TaskSpec`.

    `state.metrics` holds at least `success`, `progress`, `dense`, `sparse`, `nonfinite`;
    `state.info` holds at least `target`. `state.done` is termination only: time limits belong to
    wrappers.
    """

    OVERRIDES: ClassVar[dict[str, tuple[Any, ...]]] = {}
    target: ClassVar[tuple[float, ...] | None] = None  # `info["target"]` if it is always the same
    spec: TaskSpec
    protocol: str
    reward: str  # which ground truth `state.reward` is: `dense`, or `sparse`, the success

    def started(self, physics: Any, obs: jax.Array, judged: Judgement, target: jax.Array) -> State:
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
        self, state: State, physics: Any, obs: jax.Array, judged: Judgement, ended: jax.Array
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
        metrics = keep(_metrics(judged, nonfinite), {k: state.metrics[k] for k in _METRICS})
        return state.replace(
            pipeline_state=keep(physics, state.pipeline_state),
            obs=keep(obs, state.obs),
            reward=jnp.where(finite, reward, 0.0),
            done=jnp.maximum(nonfinite, jnp.where(finite, ended, 0.0)),
            metrics={**state.metrics, **metrics, "nonfinite": nonfinite},
        )

    @abc.abstractmethod
    def snapshot(self, pipeline_state: Any) -> jax.Array:
        """Returns all that a picture of one world depends on, as a few numbers [K]."""

    @abc.abstractmethod
    def view(self, snapshot: jax.Array, gripper: bool = True) -> Scene:
        """Returns what there is to see in a snapshot [K], with or without the gripper."""


_METRICS = ("success", "progress", "dense", "sparse", "nonfinite")


def _metrics(judged: Judgement, nonfinite: jax.Array) -> dict[str, jax.Array]:
    values = (judged.success, judged.progress, judged.dense, judged.success, nonfinite)
    return dict(zip(_METRICS, values, strict=True))
