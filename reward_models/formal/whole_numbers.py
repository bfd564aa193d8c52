"""Where whole numbers leave int32, as Python's and NumPy's do not: the reward is NaN there."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.values import Primitive, is_traced

BEYOND = "a whole number beyond 2**31"
_HINT = "use floats: float(x), np.round(x)"
_BITS = {"int8": 7, "int16": 15}
_SUMS = frozenset("add subtract sum nansum cumsum trace".split())
_PRODUCTS = frozenset(
    "multiply square dot vdot inner outer matmul einsum tensordot kron convolve correlate cross "
    "multi_dot".split()
)
_POWERS = frozenset("prod nanprod cumprod power matrix_power polyval".split())


def check_cast(evaluator: Any, value: Any, dtype: Any) -> None:
    """Note where `value` is too large for the type `dtype` of whole numbers, or is NaN."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", "")
    if not name.startswith("int") or not is_traced(value) or value.dtype == jnp.bool_:
        return
    bits = _BITS.get(name, 31)
    if jnp.issubdtype(value.dtype, jnp.floating) or bits < 31:
        beyond = jnp.logical_not(jnp.all(jnp.abs(value) < 2.0**bits))
        evaluator.raises(beyond, BEYOND.replace("31", str(bits)), _HINT)


def check_growth(
    evaluator: Any, function: Primitive, args: tuple, kwargs: dict, result: Any
) -> None:
    """Note where a function of whole numbers gives larger ones than int32 holds."""
    name = function.name
    if not is_traced(result) or result.dtype != np.int32:
        return
    if name not in _SUMS | _PRODUCTS | _POWERS:
        return
    operands = [value for value in _flat(args) if hasattr(value, "dtype") or type(value) is int]
    largest = max((evaluator.magnitude(value) for value in operands), default=0)
    count = max((int(np.size(value)) for value in operands), default=0) + len(operands)
    if largest <= 1 or name in _SUMS and largest * count < 2**31:
        return
    if name in _PRODUCTS and largest * largest * count < 2**31:
        return
    wide = function.call(evaluator, tuple(_wide(value) for value in args), kwargs)
    evaluator.raises(jnp.any(jnp.abs(wide) >= 2.0**31), BEYOND, _HINT)


def _flat(values: Any) -> list:
    if isinstance(values, list | tuple):
        return [one for value in values for one in _flat(value)]
    return [values]


def _wide(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_wide(one) for one in value)
    return value.astype(jnp.float32) if is_traced(value) and value.dtype == np.int32 else value
