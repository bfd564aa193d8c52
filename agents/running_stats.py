"""Mean and variance of all observations seen so far, entry by entry, and normalisation with them.

Chan, Golub and LeVeque's formula for merging the moments of two samples, which does not lose
precision where the mean is large against the deviation.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

MIN_STD = 1e-3  # rounding in an entry that is otherwise constant must not be amplified
LIMIT = 10.0


@struct.dataclass
class RunningStats:
    """Moments of what was seen. Without any, normalisation changes nothing (mean 0, variance 1)."""

    mean: Float[Array, " O"]
    variance: Float[Array, " O"]
    count: Float[Array, ""]  # exact to 16.7 million, then rounded


def init(size: int) -> RunningStats:
    """Moments of no observations with `size` entries."""
    return RunningStats(jnp.zeros(size), jnp.ones(size), jnp.float32(0))


def update(stats: RunningStats, obs: Float[Array, "*batch O"]) -> RunningStats:
    """Moments with these observations added."""
    obs = obs.reshape(-1, obs.shape[-1])
    added = obs.shape[0]
    total = stats.count + added
    share = added / total
    mean, variance = jnp.mean(obs, axis=0), jnp.var(obs, axis=0)
    shift = mean - stats.mean
    between = share * (1.0 - share) * jnp.square(shift)
    return RunningStats(
        mean=stats.mean + share * shift,
        variance=(1.0 - share) * stats.variance + share * variance + between,
        count=total,
    )


def normalise(stats: RunningStats, obs: Float[Array, "*batch O"]) -> Float[Array, "*batch O"]:
    """Observations with mean 0 and deviation 1, limited to [-10, 10]."""
    std = jnp.maximum(jnp.sqrt(stats.variance), MIN_STD)
    return jnp.clip((obs - stats.mean) / std, -LIMIT, LIMIT)
