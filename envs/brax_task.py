"""`BraxTask`: any environment with brax's interface as a task.

What such an environment lacks is derived or left out: there are no pictures, and without a metric
`success` an episode is never successful.
"""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from core_jax.envs.engines import Env, State
from core_jax.envs.rendering import Scene
from core_jax.envs.task import TaskEnv, replaced, vector
from core_jax.envs.task_spec import Field, TaskSpec
from core_jax.envs.wrappers import ADDED_INFO

HORIZON = 1000
"""Steps of an episode, where an environment has no `episode_length`."""


class BraxTask(TaskEnv):
    """One world of an environment with brax's interface.

    `success`, `progress`, `dense` and `sparse` are the environment's own metrics of these names;
    without them success and progress are 0, the dense reward is the environment's reward and the
    sparse one the success. `info["target"]` is the environment's own, or empty. `state.reward` is
    the environment's reward.
    """

    def __init__(self, env: Env, name: str = "", instruction: str = ""):
        """Wraps an environment over one world.

        An attribute `spec` (a `TaskSpec`) describes it; otherwise it is derived, from attributes
        `instruction`, `episode_length`, `discrete` where they exist (`derived_spec`).

        Args:
            env: the environment, without wrappers that add time limits, resets or batches.
            name: of the task; the class's name if empty.
            instruction: of the task, where the environment has none.

        Raises:
            ValueError: for an environment that is not over one world with a vector of
                observations, or whose `spec` contradicts it.
        """
        self.env = env
        # Jitted so that training and evaluation trace a step, and both of them a reset, once
        # together: each trace of brax's physics takes seconds.
        self._reset, self._step = jax.jit(env.reset), jax.jit(env.step)
        self.protocol, self.reward = "paper", "dense"
        name = name or type(env).__name__
        # Only shapes are needed, so nothing is compiled or run.
        start = jax.eval_shape(self._reset, jax.random.key(0))
        _check_state(name, start)
        own = getattr(env, "spec", None)
        if not isinstance(own, TaskSpec):
            own = derived_spec(env, name, start, instruction)
        self.spec = own
        _check_spec(own, env, start)
        self._own_metrics = tuple(start.metrics)

    @property
    def backend(self) -> str:
        """The physics engine."""
        return getattr(self.env, "backend", "unknown")  # brax's `fast` has none

    def reset(self, rng: jax.Array) -> State:
        """Returns a world at its start, from a key."""
        state = self._reset(rng)
        target = state.info.get("target", jnp.zeros(0))
        return replaced(
            state,
            reward=jnp.asarray(state.reward, jnp.float32),
            done=jnp.asarray(state.done, jnp.float32),
            metrics={**state.metrics, **_judged(state, jnp.zeros(()))},
            info={**state.info, "target": target},
        )

    def step(self, state: State, action: Float[Array, " action"]) -> State:
        """Moves a world by one step of the environment.

        A step whose observation, reward or metrics are not finite, or that leaves a NaN in the
        world, ends the episode as in `TaskEnv.stepped`.

        Args:
            state: of one world.
            action: as the environment expects it; it is not clipped.

        Raises:
            ValueError: for an action of another shape, at trace time.
        """
        self.check_action(action)
        # Copies of the dicts: brax's environments change them in place.
        own = {k: state.metrics[k] for k in self._own_metrics}
        after = self._step(replaced(state, metrics=own, info=dict(state.info)), action)
        _check_step(self.spec.name, state, after)
        finite = _is_finite(after)
        nonfinite = 1.0 - finite.astype(jnp.float32)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
        metrics = {**state.metrics, **after.metrics, **_judged(after, nonfinite)}
        return replaced(
            after,
            pipeline_state=keep(after.pipeline_state, state.pipeline_state),
            obs=keep(after.obs, state.obs),
            reward=jnp.where(finite, jnp.asarray(after.reward, jnp.float32), 0.0),
            done=jnp.where(finite, jnp.asarray(after.done, jnp.float32), 1.0),
            metrics={**keep(metrics, state.metrics), "nonfinite": nonfinite},
            info=keep({**state.info, **after.info}, state.info),
        )

    def snapshot(self, pipeline_state: Any) -> Float[Array, " 0"]:
        """Returns an empty array: there are no pictures."""
        del pipeline_state
        return jnp.zeros(0)

    def view(self, snapshot: Float[Array, " 0"], gripper: bool = True) -> Scene:
        """Raises: there are no pictures.

        Raises:
            ValueError: always; `spec.camera` is None.
        """
        raise ValueError(
            f"{self.spec.name} has no pictures (its spec has no camera): to draw it, "
            "subclass core_jax.envs.TaskEnv and define `snapshot` and `view`"
        )


def derived_spec(env: Env, name: str, start: State, instruction: str = "") -> TaskSpec:
    """Returns the spec of an environment that has none.

    Args:
        env: the environment; read are its attributes `instruction` (or the first paragraph of its
            class's docstring), `episode_length` (or `HORIZON`) and `discrete` (or False).
        name: of the task.
        start: the state of a reset, or its shapes.
        instruction: where the environment has no attribute of this name.
    """
    obs, target = vector(start.obs).shape[0], start.info.get("target")
    target_size = 0 if target is None else jnp.shape(target)[0]
    discrete = bool(getattr(env, "discrete", False))
    size = env.action_size
    instruction = getattr(env, "instruction", "") or instruction
    fields = (Field("observation", 0, obs, "1", "the environment's observation"),)
    return TaskSpec(
        name=name,
        instruction=instruction or first_paragraph(_doc(env)) or name,
        horizon=int(getattr(env, "episode_length", None) or HORIZON),
        observation_fields=fields,
        formal_fields=fields,
        action_size=size,
        action_description=f"one integer, 0 to {size - 1}" if discrete else f"{size} numbers",
        target_description=f"array of {target_size} numbers, the environment's own target"
        if target_size
        else "empty array; the environment has no target",
        success_description="the environment's own metric `success` is 1"
        if "success" in start.metrics
        else "never: the environment has no metric `success`",
        discrete=discrete,
        target_size=target_size,
        step_seconds=float(getattr(env, "dt", None) or TaskSpec.step_seconds),
    )


def first_paragraph(doc: str | None) -> str:
    """Returns the first paragraph of a docstring in one line, without headings; may be empty."""
    for paragraph in inspect.cleandoc(doc or "").split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines()]
        text = " ".join(line for line in lines if line and not line.startswith("#"))
        if text:
            return text
    return ""


def _doc(env: Env) -> str | None:
    return type(env).__doc__ or type(env.unwrapped).__doc__


def _judged(state: State, nonfinite: jax.Array) -> dict[str, jax.Array]:
    """The metrics of every task from an environment's own metrics and reward."""
    own = {k: jnp.asarray(v, jnp.float32) for k, v in state.metrics.items() if jnp.ndim(v) == 0}
    success = own.get("success", jnp.zeros(()))
    return {
        "success": success,
        "progress": own.get("progress", jnp.zeros(())),
        "dense": own.get("dense", jnp.asarray(state.reward, jnp.float32)),
        "sparse": own.get("sparse", success),
        "nonfinite": nonfinite,
    }


def _is_finite(state: State) -> jax.Array:
    """Whether a step's results are finite; in the physics, infinities may stand for "none"."""
    is_real = lambda x: jnp.issubdtype(jnp.result_type(x), jnp.inexact)
    reals = lambda tree: [x for x in jax.tree.leaves(tree) if is_real(x)]
    results = reals((state.obs, state.reward, state.done, state.metrics))
    checks = [jnp.all(jnp.isfinite(x)) for x in results]
    checks += [~jnp.any(jnp.isnan(x)) for x in reals((state.pipeline_state, state.info))]
    return jnp.all(jnp.stack(checks))


def _check_state(name: str, start: State) -> None:
    """Raises ValueError unless a reset's shapes are those of one world."""
    shape = vector(start.obs).shape if hasattr(start.obs, "shape") else None
    if shape is None or len(shape) != 1 or shape[0] == 0:
        found = f"an array of shape {shape}" if shape is not None else type(start.obs).__name__
        raise ValueError(
            f"{name}: a reset's observation must be one vector, over one world; it is {found}"
        )
    for key in ("reward", "done"):
        if jnp.shape(getattr(start, key)):
            raise ValueError(
                f"{name}: a reset's {key} has shape {jnp.shape(getattr(start, key))}; it must be "
                "(), of one world"
            )
    taken = [key for key in ADDED_INFO if key in start.info]
    if taken:
        raise ValueError(
            f"{name}: a reset's `info` has {', '.join(taken)}, which `TrainingWrapper` adds; pass "
            "the environment without brax's EpisodeWrapper or AutoResetWrapper"
        )
    target = start.info.get("target")
    if target is not None and len(jnp.shape(target)) != 1:
        raise ValueError(f"{name}: info['target'] must be a vector, not {jnp.shape(target)}")


def _check_step(name: str, state: State, after: State) -> None:
    """Raises ValueError, at trace time, unless a step leads to a state like the one before."""
    for key in ("reward", "done"):
        if jnp.shape(getattr(after, key)):
            shape = jnp.shape(getattr(after, key))
            raise ValueError(f"{name}: a step's {key} has shape {shape}; it must be ()")
    for key in ("metrics", "info"):
        new = set(getattr(after, key)) - set(getattr(state, key))
        if new:
            raise ValueError(
                f"{name}: a step adds {', '.join(sorted(new))} to `{key}`; a reset must have them"
            )


def _check_spec(spec: TaskSpec, env: Env, start: State) -> None:
    """Raises ValueError where a spec contradicts its environment."""
    target = start.info.get("target")
    for what, declared, found in (
        ("observation_size", spec.observation_size, vector(start.obs).shape[0]),
        ("action_size", spec.action_size, env.action_size),
        ("target_size", spec.target_size, 0 if target is None else jnp.shape(target)[0]),
    ):
        if declared != found:
            raise ValueError(
                f"{spec.name}: {what} is {declared} in `spec` and {found} in the world"
            )
    if spec.has_pictures:
        raise ValueError(
            f"{spec.name}: `spec` has a camera, but an environment of brax's interface has no "
            "pictures; subclass core_jax.envs.TaskEnv, or leave camera at None"
        )
