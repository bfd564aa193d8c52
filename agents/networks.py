"""Networks of the learners, in Linen: SAC's actor and critic, PPO's policies and value network.

In SAC's critics layer norm sits between the dense layer and the ReLU (as in DroQ, Hiraoka et al.
2022); with it a critic takes several updates per environment step without diverging.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from core_jax.agents import layers
from core_jax.agents.types import Params

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class MLP(nn.Module):
    """Dense layers with an activation between; the last layer is linear.

    With layer norm the activation is ReLU. The last layer's initial kernel is LeCun's times
    `out_scale`.
    """

    hidden: Sequence[int]
    out: int
    layer_norm: bool = False
    activation: Callable[[Array], Array] = nn.relu
    out_scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "B in"]) -> Float[Array, "B out"]:
        for i, width in enumerate(self.hidden):
            name = f"layer_{i}"
            if self.layer_norm:
                x = layers.NormedRelu(width, name=name)(x)
            else:
                x = self.activation(layers.Dense(width, name=name)(x))
        return layers.Dense(self.out, self.out_scale, name=f"layer_{len(self.hidden)}")(x)


class Actor(nn.Module):
    """`obs [B, O] -> (mean [B, A], log_std [B, A])`, log_std squashed to [-5, 2]."""

    hidden: Sequence[int]
    action_size: int

    @nn.compact
    def __call__(self, obs: Float[Array, "B O"]) -> tuple[Float[Array, "B A"], Float[Array, "B A"]]:
        mean, raw = jnp.split(MLP(self.hidden, 2 * self.action_size, name="mlp")(obs), 2, axis=-1)
        span = 0.5 * (LOG_STD_MAX - LOG_STD_MIN)
        return mean, LOG_STD_MIN + span * (jnp.tanh(raw) + 1.0)


class Critic(nn.Module):
    """`(obs [B, O], action [B, A]) -> Q [B]`."""

    hidden: Sequence[int]
    layer_norm: bool = True

    @nn.compact
    def __call__(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Float[Array, " B"]:
        x = jnp.concatenate([obs, action], axis=-1)
        return MLP(self.hidden, 1, self.layer_norm, name="mlp")(x)[..., 0]


class GaussianPolicy(nn.Module):
    """Mean and log standard deviation of a normal distribution per action entry.

    The standard deviation is `min_std + softplus(raw)`, `init_std` at first. `raw` is one parameter
    per entry, or with `state_dependent_std` an output of the network.
    """

    hidden: Sequence[int]
    action_size: int
    state_dependent_std: bool
    init_std: float
    min_std: float

    @nn.compact
    def __call__(self, obs: Float[Array, "B O"]) -> tuple[Float[Array, "B A"], Float[Array, "B A"]]:
        size = self.action_size
        offset = math.log(math.expm1(self.init_std - self.min_std))  # softplus of it is the rest
        out = 2 * size if self.state_dependent_std else size
        head = _policy_mlp(self.hidden, out)(obs)
        if self.state_dependent_std:
            mean, raw = jnp.split(head, 2, axis=-1)
        else:
            raw = jnp.broadcast_to(self.param("std", nn.initializers.zeros, (size,)), head.shape)
            mean = head
        return mean, jnp.log(self.min_std + jax.nn.softplus(raw + offset))


class CategoricalPolicy(nn.Module):
    """Unnormalised log-probabilities of `choices` actions."""

    hidden: Sequence[int]
    choices: int

    @nn.compact
    def __call__(self, obs: Float[Array, "B O"]) -> Float[Array, "B choices"]:
        return _policy_mlp(self.hidden, self.choices)(obs)


class Value(nn.Module):
    """Value of observations."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, obs: Float[Array, "B O"]) -> Float[Array, " B"]:
        return MLP(self.hidden, 1, activation=nn.tanh, name="mlp")(obs)[..., 0]


def sample_tanh_gaussian(
    mean: Float[Array, "... A"], log_std: Float[Array, "... A"], key: Key[Array, ""]
) -> tuple[Float[Array, "... A"], Float[Array, ...]]:
    """Reparametrised sample of tanh(N(mean, std)) and its log-probability.

    Args:
        mean: of the normal distribution before the tanh.
        log_std: logarithm of its standard deviation.
        key: PRNG key.

    Returns:
        Actions in (-1, 1), and their log-probabilities (Haarnoja et al. 2018, appendix C),
        with log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not underflow.
    """
    chex.assert_equal_shape([mean, log_std])
    noise = jax.random.normal(key, mean.shape)
    u = mean + jnp.exp(log_std) * noise
    gaussian = -0.5 * jnp.square(noise) - log_std - 0.5 * jnp.log(2.0 * jnp.pi)
    correction = 2.0 * (jnp.log(2.0) - u - jax.nn.softplus(-2.0 * u))
    return jnp.tanh(u), jnp.sum(gaussian - correction, axis=-1)


def apply(net: nn.Module, params: Params, *args: Array) -> Any:
    """What the network returns; Linen's own type for it also allows for mutable variables."""
    return net.apply(params, *args)


def _policy_mlp(hidden: Sequence[int], out: int) -> MLP:
    # A small last layer: the first policy is nearly the same for all observations, which makes
    # early learning less dependent on the seed (Andrychowicz et al. 2021, arXiv 2006.05990).
    return MLP(hidden, out, activation=nn.tanh, out_scale=0.01, name="mlp")
