"""How the parts of a reward become one number.

CoRe: r = (1 - a) clip(formal, -1, 1) + a residual, with a = 0 before the first fit and 0.5 after.
The parts are stored and combined only when a batch is drawn, so a new weight needs no relabelling
(the released code stores a scaled sum and scales it again when it relabels).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Weights(NamedTuple):
    """Weight of each part; scalars, or arrays that broadcast with the parts."""

    formal: jax.Array
    residual: jax.Array
    dense: jax.Array
    sparse: jax.Array


def core_weights(alpha: float) -> Weights:
    """CoRe's weights for a mixing coefficient `alpha` in [0, 1]."""
    return Weights(*(jnp.float32(w) for w in (1.0 - alpha, alpha, 0.0, 0.0)))


def combine(
    weights: Weights,
    formal: jax.Array,
    residual: jax.Array,
    dense: jax.Array,
    sparse: jax.Array,
    limit: float = 1.0,
) -> jax.Array:
    """Weighted sum of the parts, the formal one clipped to [-limit, limit]; shapes broadcast."""
    return (
        weights.formal * jnp.clip(formal, -limit, limit)
        + weights.residual * residual
        + weights.dense * dense
        + weights.sparse * sparse
    )
