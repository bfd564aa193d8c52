"""Rewards on batches: how the parts are weighed, and formal rewards, jitted once for each.

A reward is compiled once per process and shape. Scoring is apart from physics and learning, so
changing a seed's reward costs only this small compilation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from core_jax import envs, methods
from core_jax.agents.replay import Transition
from core_jax.reward_models.combine import Weights, combine
from core_jax.reward_models.formal import FormalReward, compile_reward, make_signature
from core_jax.runs.config import Config
from core_jax.training import devices

Formal = FormalReward | None


def compiler(config: Config, env: envs.TaskEnv) -> Callable[[str], FormalReward]:
    """How a run's reward sources are compiled: called in the way that its method's prompts say."""
    kind, spec = methods.get(config.method).writer, env.spec
    signature = make_signature(
        kind, spec.formal_fields, spec.action_description, spec.target_description
    )
    state = jax.eval_shape(env.reset, jax.random.key(0))
    return functools.partial(
        compile_reward,
        signature=signature,
        observation_size=jax.eval_shape(spec.formal_view, state.obs).shape[0],
        action_size=env.action_size,
        target_shape=state.info["target"].shape,
        target=env.target,
    )


def score(
    formal: Sequence[Formal] | None, spec: Any, block: Any, mesh: Mesh | None = None
) -> tuple[jax.Array, list[dict[str, jax.Array]]]:
    """Formal reward of transitions `[S, ..., ]` and each component's mean, per seed.

    Non-finite values become 0, so that no reward code can poison replay; they are counted under
    the component name `nonfinite`.

    Args:
        formal: one reward per seed, or None for zeros.
        spec: the task's spec (`formal_view`).
        block: has `next_obs [S, ..., O]`, `action [S, ..., A]`, `target [S, ..., G]`.
        mesh: the devices that the seeds are spread over, if any.
    """
    lanes = block.action.shape[0]
    zeros = jnp.zeros(block.action.shape[1:-1])
    if formal is None or all(reward is None for reward in formal):
        return devices.join([zeros] * lanes, mesh), [{} for _ in range(lanes)]
    values, components = [], []
    inputs = devices.split((block.next_obs, block.action, block.target), lanes, mesh)
    for reward, one in zip(formal, inputs, strict=True):
        if reward is None:
            values.append(zeros)
            components.append({})
            continue
        value, means = batch_function(reward, spec.formal_view)(*one)
        values.append(value)
        components.append(means)
    return devices.join(values, mesh), components


@functools.lru_cache(maxsize=256)
def batch_function(reward: FormalReward, formal_view: Any) -> Any:
    """`(next_obs [..., O], action [..., A], target [..., G]) -> (values [...], means)`."""

    @jax.jit
    def evaluate(next_obs, action, target):
        value, components = _each(reward, formal_view, next_obs, action, target)
        finite = jnp.isfinite(value)
        means = {k: jnp.mean(jnp.where(jnp.isfinite(v), v, 0.0)) for k, v in components.items()}
        means["nonfinite"] = jnp.sum(~finite).astype(jnp.float32)
        return jnp.where(finite, value, 0.0), means

    return evaluate


def _each(
    reward: FormalReward, formal_view: Any, next_obs: Any, action: Any, target: Any
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The reward of each of many transitions [...], and its components [N]."""
    flat = [x.reshape(-1, x.shape[-1]) for x in (formal_view(next_obs), action, target)]
    value, components = jax.vmap(reward)(*flat)
    return value.reshape(action.shape[:-1]), components


def values_at_once(
    rewards: Sequence[FormalReward], formal_view: Any, inputs: tuple[jax.Array, ...]
) -> jax.Array:
    """What each of K rewards says of the same transitions, in one program [K, ...].

    Non-finite values are 0. A switch vmapped over the candidate's index would be the other way to
    write it, but computes every branch for every index: K times as much.

    Args:
        inputs: next_obs [..., O], action [..., A], target [..., G].
    """
    return _all_of(tuple(rewards), formal_view)(*inputs)


@functools.lru_cache(maxsize=64)
def _all_of(rewards: tuple[FormalReward, ...], formal_view: Any) -> Any:
    @jax.jit
    def evaluate(*inputs):
        values = jnp.stack([_each(reward, formal_view, *inputs)[0] for reward in rewards])
        return jnp.where(jnp.isfinite(values), values, 0.0)

    return evaluate


def reward_of(weights: Weights, step: Transition, limit: float = 1.0) -> jax.Array:
    """The reward that is optimised, from a transition's components; `limit` is the formal one's."""
    return combine(weights, step.formal, step.residual, step.dense, step.success, limit)


def initial_weights(config: Config) -> Weights:
    """Weights before the first fit of the residual reward."""
    truth = methods.get(config.method).ground_truth
    formal = float(config.uses_formal)
    return Weights(*(jnp.float32(w) for w in (formal, 0.0, truth == "dense", truth == "sparse")))


def mixed_weights(config: Config) -> Weights:
    """Weights after the first fit: CoRe's alpha, or the residual alone without a formal reward."""
    alpha = config.feedback.alpha if config.uses_formal else 1.0
    return Weights(*(jnp.float32(w) for w in (1.0 - alpha, alpha, 0.0, 0.0)))
