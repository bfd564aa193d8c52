"""Sums, means and the like of arrays, of all of them or of what is there of them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.values import (
    Array,
    Picked,
    PythonRaises,
    ValueProblem,
    is_traced,
)

REDUCTIONS = frozenset(
    "sum mean std var min max any all argmax argmin prod cumsum median ptp".split()
)
_HINT = "test first whether there is anything, as in `if mask.any():`"


def reduced(
    evaluator: Any, name: str, value: Any, axis: Any = None, keepdims: bool = False,
    dtype: Any = None,
) -> Any:  # fmt: skip
    """A reduction of NumPy.

    Args:
        evaluator: of the program.
        name: one of REDUCTIONS.
        value: a number, an array, or nested lists of numbers.
        axis: None for all, an int or a tuple of ints.
        keepdims: whether the axes stay, of size one.
        dtype: is given for exactness only, which 32 bits cannot add to.
    """
    data = evaluator.data(value)
    if axis is not None and not isinstance(axis, int | tuple):
        raise ValueProblem("an axis must be a constant")
    if getattr(value, "ragged", None) is not None:
        return _of_ragged(evaluator, name, value, axis)
    if not is_traced(data):
        options: dict[str, Any] = {} if name in ("argmax", "argmin", "cumsum") else (
            {"keepdims": keepdims} if keepdims else {})  # fmt: skip
        return evaluator.wrapped(getattr(np, name)(data, axis=axis, **options))
    if np.size(data) == 0 and name in ("min", "max", "argmin", "argmax"):
        raise PythonRaises(f"{name} of nothing", _HINT)
    options = {} if name in ("argmax", "argmin", "cumsum") else {"keepdims": keepdims}
    return evaluator.wrapped(_plain(name, data, axis, options))


def _plain(name: str, data: Any, axis: Any, options: dict) -> Any:
    if name in ("sum", "prod", "cumsum"):
        kind = np.dtype(data.dtype).kind
        dtype = {"b": jnp.int32, "i": jnp.int32, "u": jnp.uint32}.get(kind, jnp.float32)
        return getattr(jnp, name)(data, axis=axis, dtype=dtype, **options)
    if name == "mean" and np.dtype(data.dtype).kind != "f":
        total = jnp.sum(data, axis=axis, dtype=jnp.int32, **options)
        return numbers.quotient(total, jnp.int32(data.size // max(total.size, 1)))
    if name in ("mean", "std", "var", "median"):
        return getattr(jnp, name)(_wide(data), axis=axis, **options)
    result = getattr(jnp, name)(data, axis=axis, **options)
    return result.astype(jnp.int32) if name in ("argmax", "argmin") else result


def _wide(data: Any) -> Any:
    return data.astype(jnp.float32)


def _axes(evaluator: Any, value: Array, axis: Any) -> Any:
    """The axes of a ragged array to reduce over; None if they are not those that are ragged."""
    count = 1 if isinstance(value.ragged, Picked) else 2
    found = tuple(range(len(value.shape))) if axis is None else axis
    found = (found,) if isinstance(found, int) else found
    found = tuple(one % len(value.shape) for one in found)
    return found if set(range(count)) <= set(found) else None


def _of_ragged(evaluator: Any, name: str, value: Array, axis: Any) -> Any:
    data, axes = jnp.asarray(evaluator.data(value)), _axes(evaluator, value, axis)
    if axes is None:
        inner = axis if isinstance(axis, tuple) else (axis,)
        count = 1 if isinstance(value.ragged, Picked) else 2
        if all(one % data.ndim >= count for one in inner) and name in (
            "sum",
            "mean",
            "min",
            "max",
            "any",
            "all",
        ):
            return evaluator.wrapped(_plain(name, data, axis, {}), False, value.ragged)
        return _along_window(evaluator, name, value, axis)
    there = jnp.broadcast_to(evaluator.inside(value), data.shape)
    if name == "sum":
        return evaluator.wrapped(_plain("sum", jnp.where(there, data, 0), axes, {}))
    if name == "any":
        return evaluator.wrapped(jnp.any(there & (data != 0), axis=axes))
    if name == "all":
        return evaluator.wrapped(jnp.all(~there | (data != 0), axis=axes))
    amount = jnp.sum(there, axis=axes, dtype=jnp.int32)
    if name in ("mean", "std", "var"):
        return evaluator.wrapped(_moments(name, data, there, amount, axes))
    if name in ("min", "max", "argmin", "argmax", "ptp"):
        evaluator.raises(jnp.any(amount == 0), f"{name} of nothing", _HINT)
        low, high = (jnp.where(there, data, _end(data, largest)) for largest in (False, True))
        if name == "ptp":
            return evaluator.wrapped(jnp.max(low, axis=axes) - jnp.min(high, axis=axes))
        if name in ("min", "max"):
            return evaluator.wrapped(getattr(jnp, name)(low if name == "max" else high, axis=axes))
        if isinstance(value.ragged, Picked) and data.ndim == 1:
            place = jnp.argmax(low) if name == "argmax" else jnp.argmin(high)
            rank = jnp.cumsum(value.ragged.member)[place] - 1
            return numbers.made(rank.astype(jnp.int32), False)
    if name == "median" and data.ndim == 1:
        ordered = jnp.sort(jnp.where(there, _wide(data), jnp.inf))
        middle = ordered[jnp.maximum((amount - 1) // 2, 0)] + ordered[amount // 2]
        return evaluator.wrapped(jnp.where(amount > 0, middle / 2, jnp.nan))
    raise ValueProblem(f"{name} of what depends on the picture in size", "use sum, mean, min, max")


def _along_window(evaluator: Any, name: str, value: Array, axis: Any) -> Any:
    """A reduction of a window along one of its two axes: what is there of the other one."""
    if isinstance(value.ragged, Picked) or len(value.shape) != 2 or axis not in (0, 1, -1):
        raise ValueProblem(f"{name} along this axis of what depends on the picture in size")
    data, there = jnp.asarray(evaluator.data(value)), evaluator.inside(value)
    axis %= 2
    size = value.ragged.parts()[1 - axis]
    kept = Picked(jnp.arange(data.shape[1 - axis]) < size)
    if name == "sum":
        found = _plain("sum", jnp.where(there, data, 0), axis, {})
    elif name == "any":
        found = jnp.any(there & (data != 0), axis=axis)
    elif name == "all":
        found = jnp.all(~there | (data != 0), axis=axis)
    elif name == "mean":
        found = jnp.sum(jnp.where(there, _wide(data), 0), axis) / value.ragged.parts()[axis]
    else:
        raise ValueProblem(f"{name} along an axis of what depends on the picture in size")
    return evaluator.wrapped(found, False, kept)


def _end(data: Any, largest: bool) -> Any:
    kind = np.dtype(data.dtype)
    if kind.kind == "f":
        return jnp.inf if largest else -jnp.inf
    if kind == np.bool_:
        return largest
    return np.iinfo(kind).max if largest else np.iinfo(kind).min


def _moments(name: str, data: Any, there: Any, amount: Any, axes: tuple) -> Any:
    if name == "mean" and np.dtype(data.dtype).kind != "f":
        total = jnp.sum(jnp.where(there, data, 0), axis=axes, dtype=jnp.int32)
        exact = numbers.quotient(total, jnp.maximum(amount, 1))
        return jnp.where(amount > 0, exact, jnp.nan)
    data = _wide(data)
    mean = jnp.sum(jnp.where(there, data, 0), axis=axes) / amount
    if name == "mean":
        return mean
    wide = jnp.expand_dims(mean, tuple(a for a in axes)) if np.ndim(mean) else mean
    found = jnp.sum(jnp.where(there, (data - wide) ** 2, 0), axis=axes) / amount
    return jnp.sqrt(found) if name == "std" else found
