"""NumPy's ways to make arrays, for image programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.attributes import astype, type_name
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    List,
    Number,
    PythonRaises,
    ValueProblem,
    is_traced,
)

MAX_SIDE = 2_048


def array(evaluator: Any, value: Any, dtype: Any = None, copy: Any = True) -> Any:
    if isinstance(value, Choice):
        return evaluator.over(value, lambda one: array(evaluator, one, dtype))
    if isinstance(value, Array):
        found = Array(evaluator.store.get(value), value.ragged)
    elif isinstance(value, tuple | List):
        data = evaluator.stacked(value)
        found = Array(data)
    else:
        found = numbers.made(evaluator.data(value), False)
    return found if dtype is None else astype(evaluator, found, dtype)


def _sizes(evaluator: Any, shape: Any) -> tuple[int, ...]:
    shape = shape if isinstance(shape, tuple | List | Array) else (shape,)
    sizes = evaluator.collected(shape)
    if any(isinstance(one, Number) for one in sizes):
        raise ValueProblem("a shape that depends on the picture", "use the picture's own shape")
    if not all(isinstance(one, int | np.integer) and 0 <= one <= MAX_SIDE for one in sizes):
        raise PythonRaises(f"a shape must be made of integers of at most {MAX_SIDE}")
    if len(sizes) > 4 or np.prod(sizes) > 4_000_000:
        raise ValueProblem("the array is too large")
    return tuple(int(one) for one in sizes)


def filled(fill: Any) -> Callable[..., Any]:
    def call(evaluator: Any, shape: Any, *rest: Any, dtype: Any = None) -> Any:
        values = list(rest)
        value = values.pop(0) if fill is None else fill
        dtype = dtype if dtype is not None else values[0] if values else None
        kind = np.dtype(type_name(dtype)) if dtype is not None else None
        data = evaluator.data(value)
        kind = kind or (np.dtype(float) if fill is not None else None)
        sizes = _sizes(evaluator, shape)
        if is_traced(data):
            return Array(jnp.full(sizes, data, kind and numbers.narrow(kind)))
        return evaluator.wrapped(np.full(sizes, data, kind))

    return call


def like(fill: Any) -> Callable[..., Any]:
    def call(evaluator: Any, a: Any, *rest: Any, dtype: Any = None) -> Any:
        value = rest[0] if fill is None else fill
        data, ragged = evaluator.data(a), getattr(a, "ragged", None)
        kind = np.dtype(type_name(dtype)) if dtype is not None else np.dtype(data.dtype)
        new = evaluator.data(value)
        if is_traced(new) or ragged is not None:
            return Array(jnp.full(data.shape, new, numbers.narrow(kind)), ragged)
        return Array(np.full(data.shape, new, kind))

    return call


def arange(evaluator: Any, *bounds: Any, dtype: Any = None) -> Any:
    if any(isinstance(one, Number) for one in bounds):
        raise ValueProblem("np.arange of numbers of the picture", "use range() in a loop")
    found = np.arange(*bounds)
    if found.size > MAX_SIDE * 4:
        raise ValueProblem("np.arange of too many steps")
    return Array(found) if dtype is None else astype(evaluator, Array(found), dtype)


def linspace(evaluator: Any, start: Any, stop: Any, num: Any = 50) -> Any:
    if any(isinstance(one, Number) for one in (start, stop, num)) or num > MAX_SIDE:
        raise ValueProblem("np.linspace of numbers of the picture", "use constants")
    return Array(np.linspace(start, stop, num))
