"""PPO's two functions of a state: act and update.

Shapes are one seed's; everything vmaps over a leading seed axis.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key, Num

from core_jax.agents import guard, running_stats
from core_jax.agents.ppo import losses, policies
from core_jax.agents.ppo.config import PPOConfig
from core_jax.agents.ppo.state import PPOState, optimiser, value_network
from core_jax.agents.types import ActionSpace, Metrics, Params, Rollout

METRIC_NAMES = (
    "policy_loss",
    "value_loss",
    "entropy",
    "approx_kl",
    "reference_kl",
    "clip_fraction",
    "explained_variance",
    "value",
    "gradient_steps",
    "skipped_updates",
    "actor_lr",
)


class Minibatch(NamedTuple):
    """What one gradient step reads; observations are normalised."""

    obs: Float[Array, "B O"]
    action: Num[Array, "B ..."]  # before clipping
    log_prob: Float[Array, " B"]
    value: Float[Array, " B"]
    advantage: Float[Array, " B"]
    target: Float[Array, " B"]
    reference: Any  # action distributions, of the same class as the policy's


def act(
    state: PPOState,
    obs: Float[Array, "N O"],
    key: Key[Array, ""],
    random: Bool[Array, ""],
    action_space: ActionSpace,
    config: PPOConfig,
) -> tuple[Num[Array, "N ..."], dict[str, Array]]:
    """Exploring actions.

    Args:
        state: parameters and moments.
        obs: observations of N environments.
        key: PRNG key.
        random: True for uniform random actions.
        action_space: what the actions are.
        config: as at `init`.

    Returns:
        The actions for the environments, and what `update` needs of the step: `raw_action`, before
        clipping; `log_prob`, of it under the distribution that it was drawn from; `value`, of the
        observation.
    """
    policy_key, random_key = jax.random.split(key)
    seen = policies.normalise(state.obs_stats, obs, config)
    current = policies.apply(action_space, config)(state.actor, seen)
    drawn = current.sample(policy_key)
    uniform, uniform_log_prob = policies.uniform(random_key, obs.shape[0], action_space)
    raw = jnp.where(random, uniform, drawn)
    extras = {
        "raw_action": raw,
        "log_prob": jnp.where(random, uniform_log_prob, current.log_prob(drawn)),
        "value": value_network(config)(state.value, seen),
    }
    return policies.to_environment(raw, action_space), extras


def update(
    state: PPOState,
    rollout: Rollout,
    key: Key[Array, ""],
    action_space: ActionSpace,
    config: PPOConfig,
) -> tuple[PPOState, Metrics]:
    """`config.epochs` passes over a rollout; then its observations join the moments.

    Gradient steps that are not finite are skipped and counted as `skipped_updates`.
    The moments move last, so that at the first gradient step the policy is the one that acted.

    Args:
        state: parameters and optimisers.
        rollout: T steps of N environments, acted by this state's policy.
        key: PRNG key, for the order of minibatches.
        action_space: what the actions are.
        config: as at `init`.

    Returns:
        The new state, and the scalars of `METRIC_NAMES`: means over the gradient steps that were
        taken (`gradient_steps`), entropies and divergences in nats.

    Raises:
        ValueError: if the minibatches do not divide the rollout.
    """
    size, count = rollout.reward.size, config.minibatches
    if size % count:
        steps, envs = rollout.reward.shape
        raise ValueError(
            f"minibatches is {count}, which does not divide a rollout of {steps} steps of {envs} "
            f"environments ({size} transitions)"
        )
    data = _whole_batch(state, rollout, action_space, config)
    gradient_step = functools.partial(_gradient_step, action_space=action_space, config=config)

    def epoch(carry, key):
        order = jax.random.permutation(key, size).reshape(count, size // count)
        return jax.lax.scan(step, carry, order)

    def step(carry, rows):
        state, stopped = carry
        new, finite, metrics = gradient_step(state, jax.tree.map(lambda x: x[rows], data))
        if config.target_kl is not None:
            stopped = stopped | (metrics["approx_kl"] > config.target_kl)
        taken = finite & ~stopped
        return (guard.choose(taken, new, state), stopped), (metrics, taken, ~finite & ~stopped)

    keys = jax.random.split(key, config.epochs)
    (state, _), (metrics, taken, skipped) = jax.lax.scan(epoch, (state, jnp.bool_(False)), keys)
    steps = jnp.sum(taken)
    mean = lambda x: jnp.sum(jnp.where(taken, x, 0.0)) / jnp.maximum(steps, 1)
    metrics = {name: mean(x) for name, x in metrics.items()} | {
        "explained_variance": losses.explained_variance(data.value, data.target),
        "value": jnp.mean(data.value),
        "gradient_steps": steps.astype(jnp.float32),
        "skipped_updates": jnp.sum(skipped).astype(jnp.float32),
        "actor_lr": config.actor_lr * _decay(state, config),
    }
    moments = running_stats.update(state.obs_stats, rollout.obs)
    state = dataclasses.replace(
        state,
        obs_stats=guard.choose(guard.finite(moments), moments, state.obs_stats),
        updates=state.updates + 1,
    )
    return state, metrics


def _whole_batch(
    state: PPOState, rollout: Rollout, action_space: ActionSpace, config: PPOConfig
) -> Minibatch:
    """A rollout's steps as one batch of B = T * N, with their advantages."""
    flat = lambda x: x.reshape(-1, *x.shape[2:])
    shape = rollout.reward.shape
    next_obs = policies.normalise(state.obs_stats, flat(rollout.next_obs), config)
    next_value = value_network(config)(state.value, next_obs).reshape(shape)
    advantage, target = losses.gae(
        rollout.reward,
        rollout.extras["value"],
        next_value,
        rollout.discount,
        rollout.cut,
        config.gamma,
        config.gae_lambda,
    )
    obs = flat(rollout.obs)
    return Minibatch(
        obs=policies.normalise(state.obs_stats, obs, config),
        action=flat(rollout.extras["raw_action"]),
        log_prob=flat(rollout.extras["log_prob"]),
        value=flat(rollout.extras["value"]),
        advantage=flat(advantage),
        target=flat(target),
        reference=policies.distribution(state.reference, obs, action_space, config),
    )


def _gradient_step(
    state: PPOState, batch: Minibatch, action_space: ActionSpace, config: PPOConfig
) -> tuple[PPOState, Bool[Array, ""], Metrics]:
    """One step of the policy and one of the value network, and whether it is finite."""
    distribution = policies.apply(action_space, config)
    advantage = batch.advantage
    if config.normalise_advantage:
        advantage = losses.standardise(advantage)

    def policy_loss(actor: Params) -> tuple[Array, Metrics]:
        current = distribution(actor, batch.obs)
        log_prob = current.log_prob(batch.action)
        entropy = jnp.mean(current.entropy())
        reference_kl = jnp.mean(current.kl(batch.reference))
        loss = losses.clipped_surrogate(log_prob, batch.log_prob, advantage, config.clip)
        if config.entropy_weight > 0:
            loss -= config.entropy_weight * entropy
        if config.kl_weight > 0:
            loss += config.kl_weight * reference_kl
        outside = jnp.abs(jnp.exp(log_prob - batch.log_prob) - 1.0) > config.clip
        return loss, {
            "policy_loss": loss,
            "entropy": entropy,
            "approx_kl": losses.approximate_kl(log_prob, batch.log_prob),
            "reference_kl": reference_kl,
            "clip_fraction": jnp.mean(outside),
        }

    def value_loss(params: Params) -> Float[Array, ""]:
        value = value_network(config)(params, batch.obs)
        return losses.value_loss(value, batch.value, batch.target, config.value_clip)

    grads, metrics = jax.grad(policy_loss, has_aux=True)(state.actor)
    loss, value_grads = jax.value_and_grad(value_loss)(state.value)
    rate = _decay(state, config)
    descend = functools.partial(_descend, config=config)
    actor, actor_opt = descend(config.actor_lr * rate, grads, state.actor_opt, state.actor)
    if config.value_warm_up > 0:
        warm = state.updates >= config.value_warm_up
        actor, actor_opt = guard.choose(warm, (actor, actor_opt), (state.actor, state.actor_opt))
    value, value_opt = descend(config.value_lr * rate, value_grads, state.value_opt, state.value)
    state = dataclasses.replace(
        state, actor=actor, value=value, actor_opt=actor_opt, value_opt=value_opt
    )
    return state, guard.finite(grads, value_grads), metrics | {"value_loss": loss}


def _decay(state: PPOState, config: PPOConfig) -> Float[Array, ""]:
    """The share of the learning rates that is left."""
    if config.decay_updates is None:
        return jnp.float32(1)
    return jnp.maximum(1.0 - state.updates / config.decay_updates, 0.0)


def _descend(
    rate: Float[Array, ""],
    grads: Params,
    opt: optax.OptState,
    params: Params,
    config: PPOConfig,
) -> tuple[Params, optax.OptState]:
    updates, opt = optimiser(config).update(grads, opt, params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), opt
