"""The options that NumPy's ufuncs and reductions share: `where`, `out` and `initial`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax, weak
from core_jax.reward_models.formal.values import Primitive, ValueProblem, is_array

OPTIONS = frozenset({"where", "out", "initial"})
REDUCTIONS = frozenset("sum mean prod max min amax amin any all".split())
_FILL = {"sum": 0, "prod": 1, "any": False, "all": True}


def has_options(function: Primitive, kwargs: dict) -> bool:
    """Whether a call uses one of the options here."""
    known = function.name in REDUCTIONS or isinstance(getattr(np, function.name, None), np.ufunc)
    return known and not OPTIONS.isdisjoint(kwargs)


def call(evaluator: Any, function: Primitive, args: tuple, kwargs: dict) -> Any:
    """Call a function of NumPy with `where`, `out` or `initial`."""
    given = {key: value for key, value in kwargs.items() if key not in OPTIONS}
    if function.name in REDUCTIONS:
        if "out" in kwargs:
            message = f"np.{function.name} has no argument `out` here"
            raise ValueProblem(message, "assign its result; its options are axis, keepdims, where")
        return _reduced(evaluator, function, args, given, kwargs)
    if "initial" in kwargs:
        raise ValueProblem(f"np.{function.name} has no argument `initial`")
    mask = kwargs.get("where", True)
    out: Any = kwargs.get("out")
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    result = function.call(evaluator, args, given)
    if mask is not True:
        if out is None:
            message = f"np.{function.name}(where=...) leaves elements undefined without `out`"
            raise ValueProblem(message, "add out=np.zeros_like(x), or use np.where")
        result = jnp.where(*(weak(value) for value in (to_array(mask), result, out)))
    if out is None:
        return result
    if not is_array(out) or np.shape(result) != out.shape:
        raise ValueProblem("`out` must be an array of the shape of the result")
    kind = to_jax(out).dtype
    if not np.can_cast(np.dtype(to_jax(result).dtype), np.dtype(kind), "same_kind"):
        raise ValueProblem(
            "`out` is an array of whole numbers", "use np.zeros_like(x, dtype=float)"
        )
    new = jnp.array(to_jax(result).astype(kind), copy=True)
    evaluator.write(out, new)
    return new


def _reduced(evaluator: Any, function: Primitive, args: tuple, given: dict, kwargs: dict) -> Any:
    name = {"amax": "max", "amin": "min"}.get(function.name, function.name)
    array, mask, initial = to_array(args[0]), kwargs.get("where", True), kwargs.get("initial")
    rest = args[1:]
    if initial is not None and name not in ("sum", "prod", "max", "min"):
        raise ValueProblem(f"np.{name} has no argument `initial`")
    if mask is not True:
        mask = jnp.broadcast_to(to_jax(mask), np.shape(array))
        if name == "mean":
            total = function_of("sum").call(
                evaluator, (jnp.where(mask, weak(array), 0), *rest), given
            )
            count = function_of("sum").call(evaluator, (mask.astype(jnp.float32), *rest), given)
            return evaluator.arithmetic("Div", to_jax(total).astype(jnp.float32), count)
        if name in ("max", "min"):
            if initial is None:
                raise ValueProblem(f"np.{name}(where=...) needs `initial`", "add initial=0.0")
            fill = initial
        else:
            fill = _FILL[name]
        array = jnp.where(mask, weak(array), weak(to_array(fill)))
    elif initial is not None and name in ("max", "min") and not np.size(array):
        return initial
    result = function.call(evaluator, (array, *rest), given)
    if initial is None:
        return result
    joined = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[name]
    return function_of(joined).call(evaluator, (result, initial), {})


def function_of(name: str) -> Primitive:
    """A function of NumPy's table."""
    from core_jax.reward_models.formal.numpy_table import NUMPY

    return NUMPY[name]
