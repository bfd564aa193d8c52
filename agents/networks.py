"""Networks of the agent: a tanh-Gaussian actor and an ensemble of critics, in Linen.

Layer norm sits between the dense layer and the ReLU (as in DroQ, Hiraoka et al. 2022); it is what
lets a critic take several updates per environment step without diverging.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Dense layers with ReLU between; the last layer is linear. `[B, in] -> [B, out]`."""

    hidden: Sequence[int]
    out: int
    layer_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B in"]) -> Float[Array, "B out"]:
        for i, width in enumerate(self.hidden):
            name = f"layer_{i}"
            if self.layer_norm:
                x = layers.NormedRelu(width, name=name)(x)
            else:
                x = nn.relu(layers.Dense(width, name=name)(x))
        return layers.Dense(self.out, name=f"layer_{len(self.hidden)}")(x)


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
