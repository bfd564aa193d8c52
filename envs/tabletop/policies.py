"""Policies that act at random in a share of the steps, and their episodes: VLM-CaR scores an
expert, one with 30% and one with 50% of random actions, and random actions alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from core_jax.envs import registry
from core_jax.envs.engines import State
from core_jax.envs.task import TaskEnv, vector

SHARES = {"expert": 0.0, "sub-optimal": 0.3, "novice": 0.5, "random": 1.0}


@struct.dataclass
class Trajectory:
    """One episode of T steps, or a batch; after its end it stands still.

    Attributes:
        obs: [T + 1, obs] the start's and after each action.
        snapshot: [T + 1, K] what their pictures depend on.
        action: [T, 5].
        reward: [T] growth of the measure.
        progress: [T + 1] the measure.
        success: [T] 0 or 1.
        alive: [T] 1 for steps of the episode.
    """

    obs: jax.Array
    snapshot: jax.Array
    action: jax.Array
    reward: jax.Array
    progress: jax.Array
    success: jax.Array
    alive: jax.Array


def rollout(env: TaskEnv, key: jax.Array, share: float | jax.Array) -> Trajectory:
    """Returns an episode; vmap it over keys and shares.

    Args:
        env: a table-top task.
        key: of the reset and of the actions.
        share: probability that a step's action is uniform random.
    """
    expert = registry.expert(env.spec.name)
    reset_key, act_key = jax.random.split(key)
    start = env.reset(reset_key)

    def body(carry: tuple[State, jax.Array], key: jax.Array):
        state, alive = carry
        which_key, random_key = jax.random.split(key)
        anything = jax.random.uniform(random_key, (env.action_size,), minval=-1.0)
        is_random = jax.random.uniform(which_key) < share
        action = jnp.where(is_random, anything, expert(vector(state.obs)))
        after = env.step(state, action)
        after = jax.tree.map(lambda new, old: jnp.where(alive > 0, new, old), after, state)
        reward = alive * after.metrics["dense"]
        row = (vector(after.obs), env.snapshot(after.pipeline_state), action, reward)
        row += (after.metrics["progress"], after.metrics["success"], alive)
        return (after, alive * (1.0 - after.done)), row

    keys = jax.random.split(act_key, env.spec.horizon)
    obs, shots, action, reward, progress, success, alive = jax.lax.scan(
        body, (start, jnp.ones(())), keys
    )[1]
    first = lambda a, b: jnp.concatenate([a[None], b])
    return Trajectory(
        obs=first(vector(start.obs), obs),
        snapshot=first(env.snapshot(start.pipeline_state), shots),
        action=action,
        reward=reward,
        progress=first(start.metrics["progress"], progress),
        success=success,
        alive=alive,
    )
