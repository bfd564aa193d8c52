"""Shaping functions of Meta-World's dense v2 rewards (Yu et al. 2019; Tassa et al. 2018)."""

import jax
import jax.numpy as jnp

_VALUE_AT_MARGIN = 0.1


def tolerance(
    x: jax.Array,
    low: jax.Array | float,
    high: jax.Array | float,
    margin: jax.Array | float,
    sigmoid: str = "long_tail",
) -> jax.Array:
    """Returns 1 where `low <= x <= high`, falling to 0.1 at `margin` outside.

    Args:
        x: any shape.
        low: lower bound, inclusive.
        high: upper bound, inclusive.
        margin: distance outside the bounds at which the value is 0.1; 0 makes a hard edge.
        sigmoid: `long_tail`, 1 / (1 + 9 d^2), or `gaussian`, exp(-d^2 ln 10), d in margins.

    Raises:
        ValueError: for an unknown sigmoid.
    """
    outside = jnp.maximum(jnp.maximum(low - x, x - high), 0.0)
    margin = jnp.asarray(margin, jnp.float32)
    d = outside / jnp.where(margin > 0, margin, 1.0)
    if sigmoid == "long_tail":
        value = 1.0 / (1.0 + (1.0 / _VALUE_AT_MARGIN - 1.0) * d**2)
    elif sigmoid == "gaussian":
        value = jnp.exp(jnp.log(_VALUE_AT_MARGIN) * d**2)
    else:
        raise ValueError(f"unknown sigmoid: {sigmoid!r}. Valid: long_tail, gaussian.")
    return jnp.where(outside == 0, 1.0, jnp.where(margin > 0, value, 0.0))


def hamacher(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns the Hamacher product of two numbers in [0, 1]: a soft "and", 0 at (0, 0)."""
    denominator = a + b - a * b
    return jnp.where(denominator > 0, a * b / jnp.where(denominator > 0, denominator, 1.0), 0.0)


def progress(error: jax.Array, error_at_reset: jax.Array, tolerated: float) -> jax.Array:
    """Returns 0 at the error of the reset, 1 at the tolerated error, linear between, clipped."""
    span = jnp.maximum(error_at_reset - tolerated, 1e-6)
    return jnp.clip((error_at_reset - error) / span, 0.0, 1.0)
