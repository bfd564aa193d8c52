"""Soft actor-critic with a learned temperature, as pure functions.

Haarnoja et al. 2018 (arXiv 1812.05905), with the settings that B-Pref and CoRe use on Meta-World.
Everything vmaps over a leading seed axis: nothing here knows about it.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import chex
import flax
import jax
import jax.numpy as jnp
import optax

from core_jax.agents import networks

Params = chex.ArrayTree


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Soft actor-critic. Sizes are static; rates are plain floats.

    The defaults are for few updates over many environments: an update for every ten steps learns
    from faster rates, a shorter horizon and 3-step returns (as FastTD3 and FlashSAC do), where the
    paper, with an update for each step, has 3e-4, 0.99, 0.005 and 1.
    """

    hidden: tuple[int, ...] = (256, 256, 256)
    """Widths of the hidden layers of the actor and of each critic."""
    layer_norm: bool = True
    """Layer norm in the critics."""
    actor_lr: float = 1e-3
    critic_lr: float = 1e-3
    temperature_lr: float = 3e-4
    init_temperature: float = 0.1
    gamma: float = 0.97
    tau: float = 0.02
    """Rate of the target critics' moving average, per update."""
    actor_average: float = 0.005
    """Rate of the moving average of the actor's weights, per update; 1 is no average. The average
    acts where nothing explores: in evaluations and exports."""
    n_step: int = 3
    """Steps of return before the bootstrap."""
    batch_size: int = 256
    noise_correlation: float = 0.9
    """Correlation of exploration noise from one step to the next; 0 is independent noise."""
    target_entropy: float | None = None
    """Entropy that the temperature aims for; minus the action size when None."""


class Batch(NamedTuple):
    """What one update reads. `discount` is gamma^n, or 0 where the world really ended."""

    obs: jax.Array  # [B, O]
    action: jax.Array  # [B, A]
    reward: jax.Array  # [B] n-step return
    next_obs: jax.Array  # [B, O]
    discount: jax.Array  # [B]


@flax.struct.dataclass
class SACState:
    """The learner, whole: parameters, their optimisers and the number of updates done."""

    actor: Params
    average_actor: Params  # moving average of `actor`, free of the latest updates' flicker
    critic: Params  # leading axis 2: the twins
    target_critic: Params
    log_temperature: jax.Array
    actor_opt: optax.OptState
    critic_opt: optax.OptState
    temperature_opt: optax.OptState
    updates: jax.Array


def init(key: jax.Array, obs_size: int, action_size: int, config: SACConfig) -> SACState:
    """A fresh learner."""
    actor_key, critic_key = jax.random.split(key)
    actor = _actor(config, action_size).init(actor_key, jnp.zeros((1, obs_size)))
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
    )


def reset_critic(
    state: SACState, key: jax.Array, obs_size: int, action_size: int, config: SACConfig
) -> SACState:
    """New critics, targets and critic optimiser; actor and temperature stay (PEBBLE, phase 3)."""
    critic = _init_critic(key, obs_size, action_size, config)
    return state.replace(
        critic=critic,
        target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: both are donated
        critic_opt=optax.adam(config.critic_lr).init(critic),
    )


def act(actor: Params, obs: jax.Array, noise: jax.Array, config: SACConfig) -> jax.Array:
    """Actions tanh(mean + std * noise), in (-1, 1).

    Args:
        actor: the actor's parameters.
        obs: [N, O].
        noise: [N, A], standard normal to explore as the policy does (`correlated_noise`), zeros to
            act by the mean.
    """
    mean, log_std = _actor(config, noise.shape[-1]).apply(actor, obs)
    return jnp.tanh(mean + jnp.exp(log_std) * noise)


def correlated_noise(noise: jax.Array, key: jax.Array, config: SACConfig) -> jax.Array:
    """The next noise of a stationary AR(1) process: each step is standard normal, as the policy
    wants, but neighbours in time are alike.

    At 80 decisions a second independent noise averages out before the hand has moved; noise with
    a memory explores (Eberhard et al., ICLR 2023).
    """
    keep = config.noise_correlation
    return keep * noise + (1.0 - keep**2) ** 0.5 * jax.random.normal(key, noise.shape)


def update(
    state: SACState, batch: Batch, key: jax.Array, config: SACConfig
) -> tuple[SACState, dict[str, jax.Array]]:
    """One gradient step on critics, actor and temperature; then the averages move.

    Args:
        state: the learner.
        batch: `Batch` of B transitions.
        key: PRNG key.

    Returns:
        The new learner and scalar metrics (losses, mean Q, temperature, entropy).
    """
    size, action_size = batch.action.shape
    chex.assert_shape([batch.reward, batch.discount], (size,))
    chex.assert_equal_shape([batch.obs, batch.next_obs])
    next_key, actor_key = jax.random.split(key)
    temperature = jnp.exp(state.log_temperature)
    actor_net, critic_net = _actor(config, action_size), _critic(config)

    next_action, next_log_prob = networks.sample_tanh_gaussian(
        *actor_net.apply(state.actor, batch.next_obs), next_key
    )
    next_q = critic_net(state.target_critic, batch.next_obs, next_action)
    backup = jnp.min(next_q, axis=0) - temperature * next_log_prob
    target = jax.lax.stop_gradient(batch.reward + batch.discount * backup)

    def critic_loss(params: Params) -> tuple[jax.Array, jax.Array]:
        q = critic_net(params, batch.obs, batch.action)
        return jnp.sum(jnp.mean(jnp.square(q - target), axis=1)), jnp.mean(q)

    (critic_value, mean_q), grads = jax.value_and_grad(critic_loss, has_aux=True)(state.critic)
    critic, critic_opt = _descend(config.critic_lr, grads, state.critic_opt, state.critic)

    def actor_loss(params: Params) -> tuple[jax.Array, jax.Array]:
        action, log_prob = networks.sample_tanh_gaussian(
            *actor_net.apply(params, batch.obs), actor_key
        )
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
    state = state.replace(
        actor=actor,
        average_actor=optax.incremental_update(actor, state.average_actor, config.actor_average),
        critic=critic,
        target_critic=optax.incremental_update(critic, state.target_critic, config.tau),
        log_temperature=log_temperature,
        actor_opt=actor_opt,
        critic_opt=critic_opt,
        temperature_opt=temperature_opt,
        updates=state.updates + 1,
    )
    metrics = {
        "critic_loss": critic_value,
        "actor_loss": actor_value,
        "q": mean_q,
        "temperature": temperature,
        "entropy": -log_prob,
    }
    return state, metrics


def _actor(config: SACConfig, action_size: int) -> networks.Actor:
    return networks.Actor(config.hidden, action_size)


def _critic(config: SACConfig):
    net = networks.Critic(config.hidden, config.layer_norm)
    return jax.vmap(net.apply, in_axes=(0, None, None))


def _init_critic(key: jax.Array, obs_size: int, action_size: int, config: SACConfig) -> Params:
    net = networks.Critic(config.hidden, config.layer_norm)
    obs, action = jnp.zeros((1, obs_size)), jnp.zeros((1, action_size))
    return jax.vmap(lambda k: net.init(k, obs, action))(jax.random.split(key))


def _descend(rate: float, grads: Params, opt: optax.OptState, params: Params):
    updates, opt = optax.adam(rate).update(grads, opt, params)
    return optax.apply_updates(params, updates), opt
