"""SAC's state and its pure functions: init, act, update, reset_critic.

Haarnoja et al. 2018 (arXiv 1812.05905), with twin critics and the settings that B-Pref and CoRe use
on Meta-World. Shapes are one seed's; everything vmaps over a leading seed axis.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int, Key

from core_jax.agents import networks, running_stats
from core_jax.agents.sac.config import SACConfig
from core_jax.agents.types import Metrics, Params

METRIC_NAMES = ("critic_loss", "actor_loss", "q", "temperature", "entropy")


class Batch(NamedTuple):
    """What one update reads. `discount` is gamma^n, or 0 where the world ended; a time limit is not
    an end of the world."""

    obs: Float[Array, "B O"]
    action: Float[Array, "B A"]
    reward: Float[Array, " B"]  # n-step return
    next_obs: Float[Array, "B O"]
    discount: Float[Array, " B"]


@struct.dataclass
class SACState:
    """Parameters, the optimisers' states and the number of updates done."""

    actor: Params
    average_actor: Params  # moving average of `actor`, which varies less between updates
    critic: Params  # leading axis 2: the twins
    target_critic: Params
    log_temperature: Float[Array, ""]
    actor_opt: optax.OptState
    critic_opt: optax.OptState
    temperature_opt: optax.OptState
    updates: Int[Array, ""]
    obs_stats: running_stats.RunningStats | None = None  # None: observations are not normalised


def init(key: Key[Array, ""], obs_size: int, action_size: int, config: SACConfig) -> SACState:
    """A state with fresh networks and optimisers, for actions of `action_size` numbers."""
    actor_key, critic_key = jax.random.split(key)
    actor = networks.Actor(config.hidden, action_size).init(actor_key, jnp.zeros((1, obs_size)))
    critic = _init_critic(critic_key, obs_size, action_size, config)
    log_temperature = jnp.log(jnp.float32(config.init_temperature))
    return SACState(
        actor=actor,
        average_actor=jax.tree.map(jnp.copy, actor),  # own buffers: both are donated
        critic=critic,
        target_critic=jax.tree.map(jnp.copy, critic),
        log_temperature=log_temperature,
        actor_opt=optax.adam(config.actor_lr).init(actor),
        critic_opt=optax.adam(config.critic_lr).init(critic),
        temperature_opt=optax.adam(config.temperature_lr).init(log_temperature),
        updates=jnp.int32(0),
        obs_stats=running_stats.init(obs_size) if config.normalise_obs else None,
    )


def reset_critic(
    state: SACState, key: Key[Array, ""], obs_size: int, action_size: int, config: SACConfig
) -> SACState:
    """New critics, targets and critic optimiser; actor and temperature stay (PEBBLE, phase 3)."""
    critic = _init_critic(key, obs_size, action_size, config)
    return dataclasses.replace(
        state,
        critic=critic,
        target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: both are donated
        critic_opt=optax.adam(config.critic_lr).init(critic),
    )


def act(
    actor: Params, obs: Float[Array, "N O"], noise: Float[Array, "N A"], config: SACConfig
) -> Float[Array, "N A"]:
    """Actions tanh(mean + std * noise), in (-1, 1).

    Args:
        actor: the actor's parameters, `with_normalisation` where that is on.
        obs: observations.
        noise: standard normal to explore as the policy does (`correlated_noise`), zeros for the
            mode.
        config: as at `init`.
    """
    mean, log_std = _actor(config, noise.shape[-1])(actor, obs)
    return jnp.tanh(mean + jnp.exp(log_std) * noise)


def correlated_noise(
    noise: Float[Array, "N A"], key: Key[Array, ""], config: SACConfig
) -> Float[Array, "N A"]:
    """The next value of a stationary AR(1) process: standard normal at each step, and correlated
    by `config.noise_correlation` from one step to the next.

    At 80 decisions a second independent noise averages out before the hand has moved; noise that
    is correlated in time reaches further (Eberhard et al., ICLR 2023).
    """
    keep = config.noise_correlation
    return keep * noise + (1.0 - keep**2) ** 0.5 * jax.random.normal(key, noise.shape)


def update(
    state: SACState, batch: Batch, key: Key[Array, ""], config: SACConfig
) -> tuple[SACState, Metrics]:
    """One gradient step on critics, actor and temperature; then the averages move.

    A batch that is not finite, or whose gradients overflow, leaves a state that is not finite; the
    caller restores the one from before (`guard.finite_or`).

    Args:
        state: parameters and optimisers.
        batch: B transitions.
        key: PRNG key.
        config: as at `init`.

    Returns:
        The new state, and the scalars of `METRIC_NAMES`: losses, mean Q, temperature, and the
        policy's entropy in nats.
    """
    size, action_size = batch.action.shape
    chex.assert_shape([batch.reward, batch.discount], (size,))
    chex.assert_equal_shape([batch.obs, batch.next_obs])
    next_key, actor_key = jax.random.split(key)
    temperature, stats = jnp.exp(state.log_temperature), state.obs_stats
    if stats is not None:
        stats = running_stats.update(stats, batch.obs)
        shift, scale = stats.mean, 1.0 / _std(stats)
        obs, next_obs = ((x - shift) * scale for x in (batch.obs, batch.next_obs))
        batch = batch._replace(obs=obs, next_obs=next_obs)
    actor_net, critic_net = _actor(config, action_size), _critic(config)
    (critic_value, mean_q), grads = _critic_gradients(state, batch, next_key, temperature, config)
    critic, critic_opt = _descend(config.critic_lr, grads, state.critic_opt, state.critic)

    def actor_loss(params: Params) -> tuple[Array, Array]:
        action, log_prob = networks.sample_tanh_gaussian(*actor_net(params, batch.obs), actor_key)
        q = jnp.min(critic_net(critic, batch.obs, action), axis=0)
        return jnp.mean(temperature * log_prob - q), jnp.mean(log_prob)

    (actor_value, log_prob), grads = jax.value_and_grad(actor_loss, has_aux=True)(state.actor)
    actor, actor_opt = _descend(config.actor_lr, grads, state.actor_opt, state.actor)

    goal = -float(action_size) if config.target_entropy is None else config.target_entropy
    # d/d(log T) of  T * (entropy - goal),  with entropy = -log_prob.
    grad = temperature * jax.lax.stop_gradient(-log_prob - goal)
    log_temperature, temperature_opt = _descend(
        config.temperature_lr, grad, state.temperature_opt, state.log_temperature
    )
    state = dataclasses.replace(
        state,
        actor=actor,
        average_actor=optax.incremental_update(actor, state.average_actor, config.actor_average),
        critic=critic,
        target_critic=optax.incremental_update(critic, state.target_critic, config.tau),
        log_temperature=log_temperature,
        actor_opt=actor_opt,
        critic_opt=critic_opt,
        temperature_opt=temperature_opt,
        updates=state.updates + 1,
        obs_stats=stats,
    )
    metrics = {
        "critic_loss": critic_value,
        "actor_loss": actor_value,
        "q": mean_q,
        "temperature": temperature,
        "entropy": -log_prob,
    }
    return state, metrics


def with_normalisation(actor: Params, stats: running_stats.RunningStats | None) -> Params:
    """The actor of normalised observations as one of observations as they are: its first layer
    takes in the normalisation. Without moments it is the same actor."""
    if stats is None:
        return actor
    mlp = actor["params"]["mlp"]
    kernel = mlp["layer_0"]["kernel"] / _std(stats)[:, None]
    first = {"kernel": kernel, "bias": mlp["layer_0"]["bias"] - stats.mean @ kernel}
    return {"params": {"mlp": {**mlp, "layer_0": first}}}


def _critic_gradients(
    state: SACState, batch: Batch, key: Key[Array, ""], temperature: Array, config: SACConfig
) -> tuple[tuple[Array, Array], Params]:
    """The critics' loss and mean Q, and the gradient of the loss."""
    actor_net, critic_net = _actor(config, batch.action.shape[-1]), _critic(config)
    next_action, next_log_prob = networks.sample_tanh_gaussian(
        *actor_net(state.actor, batch.next_obs), key
    )
    next_q = critic_net(state.target_critic, batch.next_obs, next_action)
    backup = jnp.min(next_q, axis=0) - temperature * next_log_prob
    target = jax.lax.stop_gradient(batch.reward + batch.discount * backup)

    def critic_loss(params: Params) -> tuple[Array, Array]:
        q = critic_net(params, batch.obs, batch.action)
        return jnp.sum(jnp.mean(jnp.square(q - target), axis=1)), jnp.mean(q)

    return jax.value_and_grad(critic_loss, has_aux=True)(state.critic)


def _std(stats: running_stats.RunningStats) -> Float[Array, " O"]:
    return jnp.maximum(jnp.sqrt(stats.variance), running_stats.MIN_STD)


def _actor(config: SACConfig, action_size: int) -> Callable[..., tuple[Array, Array]]:
    return functools.partial(networks.apply, networks.Actor(config.hidden, action_size))


def _critic(config: SACConfig) -> Callable[..., Float[Array, "2 B"]]:
    net = networks.Critic(config.hidden, config.layer_norm)
    return jax.vmap(functools.partial(networks.apply, net), in_axes=(0, None, None))


def _init_critic(key: Key[Array, ""], obs_size: int, action_size: int, config: SACConfig) -> Params:
    net = networks.Critic(config.hidden, config.layer_norm)
    obs, action = jnp.zeros((1, obs_size)), jnp.zeros((1, action_size))
    return jax.vmap(lambda k: net.init(k, obs, action))(jax.random.split(key))


def _descend(
    rate: float, grads: Params, opt: optax.OptState, params: Params
) -> tuple[Params, optax.OptState]:
    updates, opt = optax.adam(rate).update(grads, opt, params)
    return optax.apply_updates(params, updates), opt
