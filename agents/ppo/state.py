"""PPO's state: what makes it, what resets a part of it, and the optimiser that changes it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int, Key

from core_jax.agents import networks, running_stats
from core_jax.agents.ppo import policies
from core_jax.agents.ppo.config import PPOConfig
from core_jax.agents.ppo.policies import PolicyParams
from core_jax.agents.types import ActionSpace, Params


@struct.dataclass
class PPOState:
    """Parameters, the optimisers' states and the number of updates done."""

    actor: Params
    value: Params
    obs_stats: running_stats.RunningStats
    reference: PolicyParams  # what the KL penalty compares with: the first policy, until it is set
    actor_opt: optax.OptState
    value_opt: optax.OptState
    updates: Int[Array, ""]


def init(
    key: Key[Array, ""], obs_size: int, action_space: ActionSpace, config: PPOConfig
) -> PPOState:
    """A state with fresh networks and optimisers."""
    actor_key, value_key = jax.random.split(key)
    actor = policies.network(action_space, config).init(actor_key, jnp.zeros((1, obs_size)))
    value = _init_value(value_key, obs_size, config)
    stats = running_stats.init(obs_size)
    return PPOState(
        actor=actor,
        value=value,
        obs_stats=stats,
        reference=_copy(PolicyParams(actor, stats)),
        actor_opt=optimiser(config).init(actor),
        value_opt=optimiser(config).init(value),
        updates=jnp.int32(0),
    )


def reset_value(state: PPOState, key: Key[Array, ""], obs_size: int, config: PPOConfig) -> PPOState:
    """A state with a fresh value network and optimiser for it, and the same policy."""
    value = _init_value(key, obs_size, config)
    return dataclasses.replace(state, value=value, value_opt=optimiser(config).init(value))


def policy(state: PPOState) -> PolicyParams:
    """Parameters of the current policy."""
    return PolicyParams(state.actor, state.obs_stats)


def set_reference(state: PPOState, params: PolicyParams) -> PPOState:
    """A state whose KL penalty compares with the policy with these parameters."""
    return dataclasses.replace(state, reference=_copy(params))


def from_policy(state: PPOState, params: PolicyParams, config: PPOConfig) -> PPOState:
    """A state that continues from a policy, such as a cloned one: its parameters and moments are
    the policy's and the KL penalty's reference, and the policy's optimiser is fresh. The value
    network stays."""
    return dataclasses.replace(
        state,
        actor=params.actor,
        obs_stats=params.obs_stats,
        reference=_copy(params),
        actor_opt=optimiser(config).init(params.actor),
    )


def optimiser(config: PPOConfig) -> optax.GradientTransformation:
    """Adam on gradients of limited norm, without its learning rate, which may change."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam(eps=1e-5)
    )


def value_network(config: PPOConfig) -> Callable[..., Float[Array, " B"]]:
    """`(parameters, normalised observations [B, O]) -> values [B]`."""
    return functools.partial(networks.apply, networks.Value(config.hidden))


def _init_value(key: Key[Array, ""], obs_size: int, config: PPOConfig) -> Params:
    return networks.Value(config.hidden).init(key, jnp.zeros((1, obs_size)))


def _copy(tree: PolicyParams) -> PolicyParams:
    """The same values in buffers of their own, so that both can be donated."""
    return jax.tree.map(jnp.copy, tree)
