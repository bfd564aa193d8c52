"""`np.add.reduce` and the like: methods of NumPy's ufuncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array
from core_jax.reward_models.formal.entries import as_of, bind, library_of
from core_jax.reward_models.formal.values import MAX_ELEMENTS, Primitive, ValueProblem, is_traced

# Methods of NumPy's ufuncs, and the functions that are the same.
REDUCTIONS = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all",
    "logical_or": "any", "fmax": "max", "fmin": "min",
}  # fmt: skip
ACCUMULATIONS: dict[str, Callable] = {
    "add": jnp.cumsum, "multiply": jnp.cumprod,
    "maximum": lambda x, axis: jax.lax.cummax(x, axis=range(x.ndim)[axis]),
    "minimum": lambda x, axis: jax.lax.cummin(x, axis=range(x.ndim)[axis]),
}  # fmt: skip


def ufunc_method(table: dict[str, Any], name: str, method: str) -> Primitive | None:
    """`np.<name>.<method>`: reduce, accumulate or outer; None where there is none."""
    if method == "reduce" and name in REDUCTIONS:
        reduction = table[REDUCTIONS[name]]

        def reduce(evaluator: Any, args: tuple, kwargs: dict) -> Any:
            given = dict(kwargs)
            if len(args) == 1 and np.ndim(to_array(args[0])) > 1:
                given.setdefault("axis", 0)
            return reduction.call(evaluator, args, given)

        return Primitive(f"{name}.reduce", reduce)
    if method == "accumulate" and name in ACCUMULATIONS:

        def accumulate(evaluator: Any, args: tuple, kwargs: dict) -> Any:
            bound = bind(f"np.{name}.accumulate", ("array", "axis"), args, kwargs)
            value, axis = to_array(bound["array"]), bound.get("axis", 0)
            if not is_traced(value):
                return getattr(np, name).accumulate(value, axis=axis)
            if value.dtype == bool:
                raise ValueProblem(f"np.{name}.accumulate does not take truth values here")
            return ACCUMULATIONS[name](value, axis=axis)

        return Primitive(f"{name}.accumulate", accumulate)
    if method == "outer":

        def outer(evaluator: Any, args: tuple, kwargs: dict) -> Any:
            a, b = (to_array(value) for value in args)
            library = library_of(a, b)
            a, b = as_of(library, a), as_of(library, b)
            if a.size * b.size > MAX_ELEMENTS:
                raise ValueProblem(f"an array may have at most {MAX_ELEMENTS} elements")
            wide = a.reshape(a.shape + (1,) * b.ndim)
            return table[name].call(evaluator, (wide, b), {})

        return Primitive(f"{name}.outer", outer)
    return None
