"""Episodes of graded skill on any task that has a scripted expert.

A `deficit` sets the skill: 0 is the expert, 1 is `experts.POOR` on Meta-World's tasks, 1.3 is
worse. On other tasks the expert's action is mixed with noise, or replaced by a random choice where
actions are discrete; at 1.3 nothing of the expert is left.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from core_jax.envs import registry
from core_jax.envs.metaworld import experts
from core_jax.envs.metaworld.experts import Skill, Trajectory
from core_jax.envs.task import TaskEnv, vector

WORST = 1.3
"""The largest deficit."""


def skill(deficit: Float[Array, "*batch"] | float) -> Skill:
    """The skill of a Meta-World expert with this deficit: errors in proportion to it."""
    deficit = jnp.asarray(deficit, jnp.float32)
    poor = experts.POOR
    return Skill(
        noise=deficit * poor.noise,
        noise_lag=jnp.full_like(deficit, poor.noise_lag),
        slip=deficit * poor.slip,
        slip_length=jnp.full_like(deficit, poor.slip_length),
        stop=deficit * poor.stop,
    )


def episode(
    env: TaskEnv, key: Key[Array, ""], deficit: Float[Array, ""] | float, steps: int
) -> Trajectory:
    """One episode from a reset, without a reset in it; vmap it over keys and deficits.

    Args:
        env: the environment; the expert is that of its task.
        key: of the reset and of the errors.
        deficit: of the expert's skill, 0 to `WORST`.
        steps: length of the episode.

    Raises:
        ValueError: the task has no expert.
    """
    if env.spec.suite == "metaworld":
        return experts.rollout(env, key, skill(deficit), steps)
    expert = registry.expert_of(env.spec)
    reset_key, act_key = jax.random.split(key)
    start = env.reset(reset_key)

    def body(state: Any, key: jax.Array):
        action = _worsened(env, expert(vector(state.obs)), deficit, key)
        after = env.step(state, action)
        # A world that has ended keeps its last state, as a recording's last picture would.
        ended = state.done > 0
        after = jax.tree.map(lambda new, old: jnp.where(ended, old, new), after, state)
        metrics = {k: after.metrics[k] for k in ("success", "progress", "dense", "nonfinite")}
        row = {
            "obs": vector(state.obs),
            "action": action,
            "next_obs": vector(after.obs),
            "reward": after.reward,
            "snapshot": env.snapshot(after.pipeline_state),
            **metrics,
        }
        return after, row

    _, rows = jax.lax.scan(body, start, jax.random.split(act_key, steps))
    return Trajectory(**rows, target=start.info["target"])


def _worsened(env: TaskEnv, action: jax.Array, deficit: Any, key: jax.Array) -> jax.Array:
    """An expert's action with errors."""
    share = jnp.clip(deficit / WORST, 0.0, 1.0)
    pick_key, error_key = jax.random.split(key)
    if env.spec.discrete:
        other = jax.random.randint(error_key, (), 0, env.spec.action_size)
        return jnp.where(jax.random.uniform(pick_key) < share, other, action)
    noise = jax.random.normal(error_key, (env.action_size,))
    return jnp.clip((1.0 - share) * action + deficit * noise, -1.0, 1.0)
