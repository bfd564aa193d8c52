"""What a task is, without its dynamics: `TaskSpec`, and `TaskEntry`, its row in the registry.

Neither needs JAX or a simulator: `core_jax.envs.spec(name)` describes a task in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core_jax.envs.camera import Camera

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@dataclass(frozen=True)
class Field:
    """One named slice `[start:stop]` of an array, as described to a language model.

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
    """How much experience and feedback the paper's runs use on a task.

    The defaults are CoRe's for Meta-World: 500k steps, 500 labels.

    Attributes:
        env_steps: environment steps of one run.
        labels: preference labels in total.
        labels_per_round: preference labels of one feedback round.
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
class GoalFields:
    """Where an observation holds a goal, for a task that is to bring something close to it.

    With it a transition can be judged as if another goal had been given (hindsight experience
    replay): success is a distance below `close`, which ends the episode, and the dense reward is
    minus the distance.

    Attributes:
        achieved: first index and one past the last of what should be at the goal.
        desired: the same of the goal.
        close: distance of success, in the unit of both.
    """

    achieved: tuple[int, int]
    desired: tuple[int, int]
    close: float


def identity_view(obs: Float[Array, "*batch obs"]) -> Float[Array, "*batch obs"]:
    """Returns the whole observation: the view of a task in which all of it counts."""
    return obs


@dataclass(frozen=True)
class TaskSpec:
    """Everything about a task that is not its dynamics.

    Attributes:
        name: the name that `core_jax.envs.make` accepts.
        instruction: one line for a vision-language model.
        horizon: steps after which an episode is truncated.
        observation_fields: the slices of an observation, in order and without gaps.
        formal_fields: the slices of the formal view, in order and without gaps.
        action_size: length of an action; the number of actions where they are discrete.
        action_description: what an action does.
        target_description: what `state.info["target"]` is.
        success_description: when `metrics["success"]` is 1.
        formal_view: observation [..., obs] -> the input of a formal reward [..., formal].
        frame_view: observation [..., obs] -> the part that one picture shows [..., frame].
        suite: the group of tasks that `core_jax.envs.names(suite)` lists it in.
        discrete: whether an action is one integer in [0, action_size), not a vector in [-1, 1].
        target_size: length of `state.info["target"]`; 0 if the task has none.
        dense_scale: factor that brings the dense reward to about [-1, 1]: a Meta-World reward is
            0 to 10, so 0.1.
        expert: the scripted expert as "module:function" (`core_jax.envs.expert` loads it), or None.
        camera: where pictures are taken from; None if the task has no pictures, or draws its own.
        tiles: rows and columns of the grid that a picture shows, of a world that draws it in tiles
            (`TaskEnv.picture`), without a camera.
        start, goal: snapshots (`TaskEnv.snapshot`) of the task at its start and when it is done;
            empty if the task has no pictures.
        goal_fields: where an observation holds the goal; None if the goal is no such place.
        paper_budget: the paper's budget for this task.
        step_seconds: simulated time of a step; a video is shown at this pace.
    """

    name: str
    instruction: str
    horizon: int
    observation_fields: tuple[Field, ...]
    formal_fields: tuple[Field, ...]
    action_size: int
    action_description: str
    target_description: str
    success_description: str
    formal_view: Callable[[Any], Any] = identity_view
    frame_view: Callable[[Any], Any] = identity_view
    suite: str = "user"
    discrete: bool = False
    target_size: int = 0
    dense_scale: float = 1.0
    expert: str | None = None
    camera: Camera | None = None
    tiles: tuple[int, int] | None = None
    start: tuple[float, ...] = ()
    goal: tuple[float, ...] = ()
    goal_fields: GoalFields | None = None
    paper_budget: PaperBudget = PaperBudget()
    step_seconds: float = 0.0125

    @property
    def observation_size(self) -> int:
        """Length of an observation."""
        return self.observation_fields[-1].stop

    @property
    def formal_size(self) -> int:
        """Length of the formal view."""
        return self.formal_fields[-1].stop

    @property
    def formal_action_description(self) -> str:
        """What the argument `action` of a formal reward is: a discrete action is one-hot."""
        if not self.discrete:
            return self.action_description
        return f"one-hot vector of {self.action_size}, of the action: {self.action_description}"

    @property
    def has_pictures(self) -> bool:
        """Whether the task can be drawn (`TaskEnv.picture`)."""
        return self.camera is not None or self.tiles is not None


@dataclass(frozen=True)
class TaskEntry:
    """One row of the registry: all that is needed to describe a task, and where its code is.

    Attributes:
        name: the name that `core_jax.envs.make` accepts.
        suite: the group of tasks that it belongs to.
        env: the environment: "module:attribute", imported only when a world is built, or a class,
            a factory or an instance.
        spec: (protocol, **overrides) -> the task's spec, without building a world; None if only
            a built world can tell.
        overrides: keyword arguments of `make`, each with its valid values.
    """

    name: str
    suite: str
    env: Any
    spec: Callable[..., TaskSpec] | None
    overrides: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
