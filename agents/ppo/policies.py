"""The policy of PPO: its parameters, its action distributions, and uniform actions.

Continuous actions come from a normal distribution without tanh and are clipped to [-1, 1] for the
environment; the loss reads the unclipped action, whose density is exact. On Meta-World the best
action is often at a bound (the hand at full speed, the gripper closed). A clipped Gaussian holds an
action there with a mean outside the box, so that most of the noise is clipped away as well. With a
tanh the mean would have to grow until the gradient vanishes, and the log-density of an action grows
without limit as it approaches the bound.

The standard deviation is one learned number per action entry by default. It falls with the whole
task's progress, not first in the states that the early episodes visit most.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, Num

from core_jax.agents import networks, running_stats
from core_jax.agents.distributions import Categorical, Distribution, Gaussian
from core_jax.agents.ppo.config import PPOConfig
from core_jax.agents.types import ActionSpace, Params


@struct.dataclass
class PolicyParams:
    """What a policy needs to act: the network's parameters and the observations' moments."""

    actor: Params
    obs_stats: running_stats.RunningStats


def network(action_space: ActionSpace, config: PPOConfig) -> nn.Module:
    """The policy network: observations to the parameters of a distribution."""
    if action_space.discrete:
        return networks.CategoricalPolicy(config.hidden, action_space.size)
    return networks.GaussianPolicy(
        config.hidden,
        action_space.size,
        config.state_dependent_std,
        config.init_std,
        config.min_std,
    )


def apply(action_space: ActionSpace, config: PPOConfig) -> Callable[..., Distribution]:
    """`(actor, normalised observations [B, O]) -> distributions [B]`."""
    forward = functools.partial(networks.apply, network(action_space, config))
    if action_space.discrete:
        return lambda actor, obs: Categorical(forward(actor, obs))
    return lambda actor, obs: Gaussian(*forward(actor, obs))


def normalise(
    stats: running_stats.RunningStats, obs: Float[Array, "*batch O"], config: PPOConfig
) -> Float[Array, "*batch O"]:
    """What the networks see of observations."""
    return running_stats.normalise(stats, obs) if config.normalise_obs else obs


def distribution(
    params: PolicyParams, obs: Float[Array, "N O"], action_space: ActionSpace, config: PPOConfig
) -> Distribution:
    """The action distributions of the policy with these parameters."""
    return apply(action_space, config)(params.actor, normalise(params.obs_stats, obs, config))


def mode(
    params: PolicyParams, obs: Float[Array, "N O"], action_space: ActionSpace, config: PPOConfig
) -> Num[Array, "N ..."]:
    """The most likely actions of the policy with these parameters."""
    return to_environment(distribution(params, obs, action_space, config).mode(), action_space)


def to_environment(action: Num[Array, "N ..."], action_space: ActionSpace) -> Num[Array, "N ..."]:
    """What an environment takes: continuous actions clipped to [-1, 1], discrete ones as they
    are."""
    return action if action_space.discrete else jnp.clip(action, -1.0, 1.0)


def uniform(
    key: Key[Array, ""], count: int, action_space: ActionSpace
) -> tuple[Num[Array, "N ..."], float]:
    """`count` uniform random actions, and the log-probability of each."""
    size = action_space.size
    if action_space.discrete:
        return jax.random.randint(key, (count,), 0, size), -math.log(size)
    return jax.random.uniform(key, (count, size), minval=-1.0), -size * math.log(2.0)
