"""NumPy's functions on JAX arrays with gradients that stay finite.

Values are NumPy's, NaN and infinity included. Where a derivative does not exist (a norm at zero,
a division by zero inside `np.where`) it is zero instead of NaN: the singular points are computed
under `stop_gradient`, everywhere else the argument is replaced by a harmless one (the double
`where`), so that the unused side of a `where` cannot poison a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from core_jax.reward_models.formal.values import ValueProblem, is_number

_TINY = 1e-15


def _away_from(regular: Array, function: Callable[..., Array], *arguments: Any, fill: float = 1.0):
    safe = (jnp.where(regular, argument, fill) for argument in arguments)
    exact = function(*(jax.lax.stop_gradient(jnp.asarray(a)) for a in arguments))
    return jnp.where(regular, function(*safe), exact)


def _floating(x: Any) -> Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def number_of(truth: Any) -> Array:
    """A truth value as 0.0 or 1.0; a plain conversion lets XLA make 0 of `0 * nan`."""
    return jnp.where(truth, jnp.float32(1), jnp.float32(0))


def multiply(x: Any, y: Any) -> Array:
    """`x * y`, elementwise; NaN and infinity times a false truth value is NaN."""
    sides = []
    for side, other in ((x, y), (y, x)):
        floating = jnp.issubdtype(jnp.result_type(other), jnp.floating)
        truth = getattr(side, "dtype", None) == jnp.bool_
        sides.append(number_of(side) if truth and floating else side)
    return jnp.multiply(*sides)


def divide(x: Any, y: Any) -> Array:
    """`x / y`, elementwise."""
    if is_number(y) and y != 0:
        return jnp.true_divide(x, y)
    return _away_from(jnp.abs(y) > _TINY, jnp.true_divide, _floating(x), _floating(y))


def power(x: Any, y: Any) -> Array:
    """`x ** y`, elementwise; exact for small whole exponents, also of negative bases."""
    if is_number(y) and float(y).is_integer() and abs(y) <= 64:
        if isinstance(y, float) or y < 0:
            x = _floating(x)
        whole = jnp.power(x, abs(int(y)))
        return whole if y >= 0 else divide(1.0, whole)
    x, y = _floating(x), _floating(y)
    return _away_from((x > _TINY) & jnp.isfinite(y), jnp.power, x, y)


def _whole(function: Callable[..., Array]) -> Callable[..., Array]:
    """A division's function; of whole numbers by zero it is 0, as NumPy's."""

    def divided(x: Any, y: Any) -> Array:
        x, y = jnp.asarray(x), jnp.asarray(y)
        if jnp.issubdtype(jnp.result_type(x, y), jnp.floating):
            return function(x, y)
        # NumPy's of truth values are small integers.
        x, y = (a.astype(jnp.int32) if a.dtype == jnp.bool_ else a for a in (x, y))
        return jnp.where(y == 0, 0, function(x, jnp.where(y == 0, 1, y)))

    return divided


floor_divide = _whole(jnp.floor_divide)
mod = remainder = _whole(jnp.mod)
fmod = _whole(jnp.fmod)


def sqrt(x: Any) -> Array:
    """Square root; NaN for negative numbers, derivative zero at zero."""
    return _away_from(_floating(x) > 1e-30, jnp.sqrt, _floating(x))


def cbrt(x: Any) -> Array:
    return _away_from(jnp.abs(_floating(x)) > _TINY, jnp.cbrt, _floating(x))


def log(x: Any) -> Array:
    return _away_from(_floating(x) > 1e-30, jnp.log, _floating(x))


def log2(x: Any) -> Array:
    return _away_from(_floating(x) > 1e-30, jnp.log2, _floating(x))


def log10(x: Any) -> Array:
    return _away_from(_floating(x) > 1e-30, jnp.log10, _floating(x))


def log1p(x: Any) -> Array:
    return _away_from(_floating(x) > -1.0, jnp.log1p, _floating(x))


def arcsin(x: Any) -> Array:
    return _away_from(jnp.abs(_floating(x)) < 1.0, jnp.arcsin, _floating(x), fill=0.0)


def arccos(x: Any) -> Array:
    return _away_from(jnp.abs(_floating(x)) < 1.0, jnp.arccos, _floating(x), fill=0.0)


def arctanh(x: Any) -> Array:
    return _away_from(jnp.abs(_floating(x)) < 1.0, jnp.arctanh, _floating(x), fill=0.0)


def arccosh(x: Any) -> Array:
    return _away_from(_floating(x) > 1.0, jnp.arccosh, _floating(x), fill=2.0)


def arctan2(y: Any, x: Any) -> Array:
    y, x = _floating(y), _floating(x)
    return _away_from((jnp.abs(x) > _TINY) | (jnp.abs(y) > _TINY), jnp.arctan2, y, x)


def hypot(x: Any, y: Any) -> Array:
    x, y = jnp.broadcast_arrays(_floating(x), _floating(y))
    return _length(jnp.stack([x, y]), axis=0, keepdims=False)


def _length(x: Array, axis: Any, keepdims: bool) -> Array:
    """Root of the sum of squares, which overflow in float32 from 1e19 on: those are divided."""
    largest = jnp.max(jnp.abs(x), axis=axis, keepdims=True, initial=0.0)
    scale = jnp.where((largest > 1e18) & jnp.isfinite(largest), largest, 1.0)
    found = sqrt(jnp.sum(jnp.square(x / scale), axis=axis, keepdims=True)) * scale
    return found if keepdims else jnp.squeeze(found, axis=axis)


def reciprocal(x: Any) -> Array:
    return divide(1.0, x)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Norm of a vector, or over `axis`: orders 1, 2, inf, -inf, 0 and None; 'fro' of a matrix.

    Raises:
        ValueProblem: an order that is not in this list, or a matrix norm other than 'fro'.
    """
    x = _floating(x)
    if ord is None or (ord == "fro" and x.ndim == 2 and axis is None):
        return _length(x, axis, keepdims)
    if axis is None and x.ndim != 1 or isinstance(axis, tuple | list):
        raise ValueProblem("only the Frobenius norm of a matrix is supported", "pass axis=")
    if ord == 2:
        return _length(x, axis, keepdims)
    if ord == 1:
        return jnp.sum(jnp.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return jnp.sum((x != 0).astype(jnp.float32), axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueProblem(f"the norm of order {ord!r} is not supported", "use ord=1, 2 or np.inf")
    if is_number(ord) and abs(ord) == float("inf"):
        extreme = jnp.max if ord > 0 else jnp.min
        return extreme(jnp.abs(x), axis=axis, keepdims=keepdims)
    if is_number(ord) and 0 < ord <= 64:
        total = jnp.sum(power(jnp.abs(x), ord), axis=axis, keepdims=keepdims)
        return power(total, 1.0 / ord)
    raise ValueProblem(f"the norm of order {ord!r} is not supported", "use ord=1, 2 or np.inf")


def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Array:
    return jnp.var(_floating(x), axis=axis, ddof=ddof, keepdims=keepdims)


def std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Array:
    return sqrt(var(x, axis, ddof, keepdims))


def cross(a: Any, b: Any) -> Array:
    """Cross product of 3-vectors, or the scalar one of 2-vectors (gone from newer JAX)."""
    a, b = jnp.asarray(a), jnp.asarray(b)
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return jnp.cross(a, b)
