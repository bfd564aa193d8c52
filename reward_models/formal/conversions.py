"""Numbers, arrays and nested lists of them, as NumPy's or JAX's arrays of the evaluator's types."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.values import (
    MAX_ELEMENTS,
    ValueProblem,
    describe,
    is_array,
    is_number,
    is_traced,
)


def tidy(value: Any) -> Any:
    """Results of NumPy and JAX as the evaluator keeps them: float32, int32, bool, plain scalars.

    Raises:
        ValueProblem: more than MAX_ELEMENTS elements, or a complex or other odd type.
    """
    if isinstance(value, np.generic):  # a float remains NumPy's, it does other than Python's
        value = np.float64(value) if isinstance(value, np.floating) else value.item()
    if isinstance(value, tuple | list):
        return type(value)(tidy(item) for item in value)
    if is_array(value):
        if value.size > MAX_ELEMENTS:
            raise ValueProblem(
                f"an array of shape {value.shape} is too large (limit {MAX_ELEMENTS} elements)"
            )
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "bif":
                raise ValueProblem("this is not an array of numbers")
            return value
        narrow = _narrow(value.dtype)  # the same object if it can be: identity tells aliases
        return value if value.dtype == narrow and not value.weak_type else value.astype(narrow)
    if isinstance(value, complex):
        raise ValueProblem("the result is a complex number", "keep the base non-negative")
    if isinstance(value, int) and abs(value) > 2**63:
        raise ValueProblem("the integer is too large", "use a float such as 1e6")
    return value


def _narrow(dtype: Any) -> Any:
    if dtype == jnp.bool_:
        return jnp.bool_
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.int32
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.float32
    raise ValueProblem(f"values of type {dtype} are not supported", "use real numbers")


def to_array(value: Any) -> Any:
    """A number, an array or nested lists of them, as a number or an array (static if it can be).

    Raises:
        ValueProblem: not numeric, or rows of different shapes.
    """
    if is_number(value) or is_array(value):
        return value
    if isinstance(value, list | tuple):
        rows = [to_array(item) for item in value]
        shapes = {np.shape(row) for row in rows}
        if len(shapes) > 1:
            raise ValueProblem(f"the rows have different shapes: {sorted(shapes)}")
        if len(rows) * max(1, int(np.prod(next(iter(shapes), ())))) > MAX_ELEMENTS:
            raise ValueProblem(f"an array may have at most {MAX_ELEMENTS} elements")
        if any(is_traced(row) for row in rows):
            return jnp.stack([to_jax(row) for row in rows])
        return np.asarray(rows)
    raise ValueProblem(f"a number or an array is needed here, not {describe(value)}")


def to_jax(value: Any) -> Any:
    """`value` as a JAX array of float32, int32 or bool."""
    value = to_array(value)
    if isinstance(value, np.ndarray):
        return jnp.asarray(value, _narrow(value.dtype))
    if isinstance(value, bool):
        return jnp.asarray(value)
    if isinstance(value, int):
        return jnp.asarray(value, jnp.int32 if abs(value) < 2**31 else jnp.float32)
    if isinstance(value, float):
        return jnp.asarray(value, jnp.float32)
    return value


def weak(value: Any) -> Any:
    """Like `to_jax`, but Python numbers stay numbers, so that they take the other side's type."""
    value = to_array(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**31:
        return float(value)
    if isinstance(value, float):
        return float(value)
    return value if is_number(value) else to_jax(value)
