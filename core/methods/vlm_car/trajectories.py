"""Trajectories that programs are verified on: of a task's scripted expert, and of random actions.

Each is a row of snapshots. A trajectory that ends early (a world that is done, or a success) stays
at its last picture.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs


class Trajectories(NamedTuple):
    """M trajectories, on the host.

    Attributes:
        snapshots: [M, 1 + T, K], the first before any action.
        length: [M] steps until the end.
    """

    snapshots: np.ndarray
    length: np.ndarray


def expert(env: envs.TaskEnv, key: jax.Array, count: int, steps: int, noise: float) -> Trajectories:
    """Trajectories of the scripted expert until success.

    Args:
        env: the environment; its task must have an expert.
        key: of resets and noise.
        count: how many.
        steps: most steps.
        noise: share of discrete actions that are random, or of continuous ones that is noise.

    Raises:
        ValueError: the task has no expert, or it fails in one of them.
    """
    act = envs.expert(env.spec.name)
    found, success = _play(
        env, key, count, steps, lambda obs, key: _disturbed(env, act(obs), key, noise)
    )
    if not success.all():
        raise ValueError(
            f"the expert of {env.spec.name} succeeds in {int(success.sum())} of {count} "
            f"trajectories of {steps} steps; programs are verified on successful ones: "
            "car.verify.steps must be more, or car.verify.expert_noise less"
        )
    return found


def random(env: envs.TaskEnv, key: jax.Array, count: int, steps: int) -> Trajectories:
    """Trajectories of uniformly random actions."""
    return _play(env, key, count, steps, lambda obs, key: _drawn(env, key))[0]


def thinned(found: Trajectories, every: int, hold: int) -> Trajectories:
    """Every so many pictures of trajectories, and the end of each, which stays for `hold` more."""
    length = -(-found.length // every)
    steps = np.arange(1 + length.max() + hold)
    at = np.minimum(steps[None] * every, found.length[:, None])
    return Trajectories(np.take_along_axis(found.snapshots, at[..., None], axis=1), length)


def _play(
    env: envs.TaskEnv, key: jax.Array, count: int, steps: int, act: Any
) -> tuple[Trajectories, np.ndarray]:
    """Trajectories, and which were successful."""

    def one(key: jax.Array) -> Any:
        reset_key, act_key = jax.random.split(key)
        start: Any = env.reset(reset_key)

        def body(carry: Any, key: jax.Array) -> Any:
            state, over = carry
            new: Any = env.step(state, act(state.obs, key))
            new = jax.tree.map(lambda a, b: jnp.where(over, a, b), state, new)
            ended = over | (new.done > 0) | (new.metrics["success"] > 0)
            return (new, ended), (env.snapshot(new.pipeline_state), ~over, new.metrics["success"])

        carry = (start, jnp.bool_(False))
        _, (shots, alive, success) = jax.lax.scan(body, carry, jax.random.split(act_key, steps))
        shots = jnp.concatenate([env.snapshot(start.pipeline_state)[None], shots])
        return shots, jnp.sum(alive), jnp.max(success)

    shots, length, success = jax.jit(jax.vmap(one))(jax.random.split(key, count))
    return Trajectories(np.asarray(shots), np.asarray(length)), np.asarray(success) > 0.5


def _disturbed(env: envs.TaskEnv, action: jax.Array, key: jax.Array, noise: float) -> jax.Array:
    which, what = jax.random.split(key)
    drawn = _drawn(env, what)
    if env.spec.discrete:
        return jnp.where(jax.random.uniform(which) < noise, drawn, action)
    return jnp.clip((1.0 - noise) * action + noise * drawn, -1.0, 1.0)


def _drawn(env: envs.TaskEnv, key: jax.Array) -> jax.Array:
    if env.spec.discrete:
        return jax.random.randint(key, (), 0, env.action_size)
    return jax.random.uniform(key, (env.action_size,), minval=-1.0)
