"""Action distributions as pytrees: a normal one without squashing, and a categorical one.

Leading axes are batch axes. Log-probabilities, entropies and divergences are in nats and summed
over action entries.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

LOG_2PI = math.log(2.0 * math.pi)


class Gaussian(NamedTuple):
    """Independent normal distributions of A action entries."""

    mean: Float[Array, "... A"]
    log_std: Float[Array, "... A"]

    def sample(self, key: Key[Array, ""]) -> Float[Array, "... A"]:
        """One draw, not limited to [-1, 1]."""
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "... A"]:
        """The mean."""
        return self.mean

    def log_prob(self, action: Float[Array, "... A"]) -> Float[Array, ...]:
        """Log-density of unclipped actions."""
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(0.5 * jnp.square(z) + self.log_std + 0.5 * LOG_2PI, axis=-1)

    def entropy(self) -> Float[Array, ...]:
        """Differential entropy."""
        return jnp.sum(self.log_std + 0.5 * (1.0 + LOG_2PI), axis=-1)

    def kl(self, other: Gaussian) -> Float[Array, ...]:
        """KL(self || other)."""
        ratio = self.log_std - other.log_std
        z = (self.mean - other.mean) * jnp.exp(-other.log_std)
        return jnp.sum(0.5 * (jnp.exp(2.0 * ratio) + jnp.square(z) - 1.0) - ratio, axis=-1)


class Categorical(NamedTuple):
    """One of K choices, by unnormalised log-probabilities."""

    logits: Float[Array, "... K"]

    def sample(self, key: Key[Array, ""]) -> Int[Array, ...]:
        """One draw, int32."""
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def mode(self) -> Int[Array, ...]:
        """The most likely choice, int32; the first of equals."""
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, action: Int[Array, ...]) -> Float[Array, ...]:
        """Log-probability of choices."""
        log_p = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_p, action[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, ...]:
        """Shannon entropy."""
        log_p = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)

    def kl(self, other: Categorical) -> Float[Array, ...]:
        """KL(self || other)."""
        log_p, log_q = jax.nn.log_softmax(self.logits), jax.nn.log_softmax(other.logits)
        return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)


Distribution: TypeAlias = Gaussian | Categorical
