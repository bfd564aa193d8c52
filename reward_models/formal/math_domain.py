"""Where the functions of `math` raise: outside of their domain, or beyond what a float can be."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.raising import power_fails
from core_jax.reward_models.formal.values import PythonRaises, is_traced

_LOG = "a number that is not positive", "add a small number, or take math.log(max(x, 1e-6))"
_UNIT = "a number outside of [-1, 1]", "clip it first: np.clip(x, -1.0, 1.0)"
_INFINITE = "an infinite number", "guard the division that made it, as in `x / (y + 1e-6)`"
_LARGE = "a number so large that the result is no float", "limit it first: min(x, 50.0)"
_NO_INT = "NaN or infinity", "guard the operation that made it"

# For each function of one argument: where it raises, what it is then given, what would be right.
# The overflows are those of float64.
_FAILS: dict[str, tuple] = {
    "sqrt": (lambda x: x < 0, "a negative number", "take math.sqrt(max(x, 0.0))"),
    "log": (lambda x: x <= 0, *_LOG),
    "log2": (lambda x: x <= 0, *_LOG),
    "log10": (lambda x: x <= 0, *_LOG),
    "log1p": (lambda x: x <= -1, "a number that is not above -1", "take max(x, 0.0) first"),
    "asin": (lambda x: jnp.abs(x) > 1, *_UNIT),
    "acos": (lambda x: jnp.abs(x) > 1, *_UNIT),
    "atanh": (lambda x: jnp.abs(x) >= 1, "a number outside of (-1, 1)", "clip it first"),
    "acosh": (lambda x: x < 1, "a number below 1", "take max(x, 1.0) first"),
    "sin": (jnp.isinf, *_INFINITE),
    "cos": (jnp.isinf, *_INFINITE),
    "tan": (jnp.isinf, *_INFINITE),
    "exp": (lambda x: jnp.isfinite(x) & (x > 709.782712893384), *_LARGE),
    "expm1": (lambda x: jnp.isfinite(x) & (x > 709.782712893384), *_LARGE),
    "exp2": (lambda x: jnp.isfinite(x) & (x >= 1024), *_LARGE),
    "sinh": (lambda x: jnp.isfinite(x) & (jnp.abs(x) > 710.475860073944), *_LARGE),
    "cosh": (lambda x: jnp.isfinite(x) & (jnp.abs(x) > 710.475860073944), *_LARGE),
    "floor": (lambda x: ~jnp.isfinite(x), *_NO_INT),
    "ceil": (lambda x: ~jnp.isfinite(x), *_NO_INT),
    "trunc": (lambda x: ~jnp.isfinite(x), *_NO_INT),
}


def folded(name: str, values: tuple) -> Any:
    """Python's own result for constants.

    Raises:
        PythonRaises: it has none.
    """
    try:
        return getattr(math, name)(*values)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        shown = ", ".join(f"{value:g}" for value in values)
        hint = _FAILS[name][2] if name in _FAILS else ""
        raise PythonRaises(f"math.{name}({shown}) has no value: {error}", hint) from None


def note(evaluator: Any, name: str, values: tuple) -> None:
    """Note where `math.name` of traced values raises."""
    if name == "pow" and len(values) == 2:
        hint = "keep the base positive and the exponent small"
        evaluator.raises(power_fails(*values), "math.pow without a real value", hint)
    if name == "fmod" and len(values) == 2:
        x, y = (jnp.asarray(value) for value in values)
        fails = (y == 0) & ~jnp.isnan(x) | jnp.isinf(x) & ~jnp.isnan(y)
        evaluator.raises(fails, "math.fmod by zero", "test for zero first")
    if name == "log" and len(values) == 2:
        base = values[1]
        fails = (base <= 0) | (base == 1)
        evaluator.raises(fails, "math.log to a base that is 1 or not positive", "use base 2 or 10")
    if name in _FAILS and values and is_traced(values[0]):
        fails, given, hint = _FAILS[name]
        if jnp.issubdtype(values[0].dtype, jnp.floating) or name not in ("floor", "ceil", "trunc"):
            evaluator.raises(fails(values[0]), f"math.{name} of {given}", hint)
