"""Functions of NumPy for image programs, made of what the evaluator and JAX have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.attributes import astype
from core_jax.reward_models.programs.reductions import reduced
from core_jax.reward_models.programs.values import (
    Array,
    List,
    Number,
    Picked,
    ValueProblem,
    Window,
    is_traced,
)

MAX_SIDE = 2_048


def floats(name: str) -> Callable[..., Any]:
    """A function of one array that gives floats."""

    def call(evaluator: Any, x: Any) -> Any:
        data = evaluator.data(x)
        if not is_traced(data):
            with np.errstate(all="ignore"):
                return evaluator.wrapped(getattr(np, name)(data))
        kind = np.dtype(data.dtype)
        wide = data if kind.kind == "f" else data.astype(jnp.float32)
        found = getattr(jnp, name)(wide)
        keeps = name in ("floor", "ceil", "trunc", "rint") and kind.kind != "f"
        return evaluator.wrapped(data if keeps else found, False, getattr(x, "ragged", None))

    return call


def same(name: str) -> Callable[..., Any]:
    """A function of one array that keeps its type, or gives truth values."""

    def call(evaluator: Any, x: Any) -> Any:
        data = evaluator.data(x)
        library = jnp if is_traced(data) else np
        return evaluator.wrapped(getattr(library, name)(data), False, getattr(x, "ragged", None))

    return call


def pair(name: str, floats: bool = False) -> Callable[..., Any]:
    """A function of two arrays, elementwise."""

    def call(evaluator: Any, a: Any, b: Any) -> Any:
        ragged = evaluator.ragged_of(a, b)
        x, y = evaluator.data(a), evaluator.data(b)
        if not (is_traced(x) or is_traced(y)):
            return evaluator.wrapped(getattr(np, name)(x, y))
        pythons = (numbers.is_python(a), numbers.is_python(b))
        dtype = numbers.result_type(x, y, pythons)
        dtype = np.dtype(np.float32) if floats else dtype
        found = getattr(jnp, name)(*(jnp.asarray(one).astype(dtype) for one in (x, y)))
        return evaluator.wrapped(found, False, ragged)

    return call


def operator(name: str) -> Callable[..., Any]:
    def call(evaluator: Any, a: Any, b: Any) -> Any:
        as_numpy = [numbers.made(jnp.asarray(x.data), False) if isinstance(x, Number) else x
                    for x in (a, b)]  # fmt: skip
        return evaluator.arithmetic(name, *as_numpy)

    return call


def logical(name: str) -> Callable[..., Any]:
    def call(evaluator: Any, *values: Any) -> Any:
        data = [evaluator.data(one) for one in values]
        library = jnp if any(map(is_traced, data)) else np
        return evaluator.wrapped(getattr(library, name)(*data), False, evaluator.ragged_of(*values))

    return call


def reduction(name: str) -> Callable[..., Any]:
    def call(
        evaluator: Any, a: Any, axis: Any = None, keepdims: Any = False, dtype: Any = None
    ) -> Any:
        found = reduced(evaluator, name, a, axis, keepdims)
        return found if dtype is None else astype(evaluator, found, dtype)

    return call


def count_nonzero(evaluator: Any, a: Any, axis: Any = None) -> Any:
    return reduced(evaluator, "sum", evaluator.compare("NotEq", a, 0), axis)


def where(evaluator: Any, condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return nonzero(evaluator, condition)
    mask = evaluator.data(condition)
    a, b = evaluator.data(x), evaluator.data(y)
    ragged = evaluator.ragged_of(condition, x, y)
    if not any(map(is_traced, (mask, a, b))):
        return evaluator.wrapped(np.where(mask, a, b))
    dtype = numbers.result_type(a, b, (numbers.is_python(x), numbers.is_python(y)))
    found = jnp.where(mask != 0, jnp.asarray(a, dtype), jnp.asarray(b, dtype))
    return evaluator.wrapped(found, False, ragged)


def nonzero(evaluator: Any, a: Any) -> tuple:
    """`np.nonzero(a)`: the coordinates of what is not zero, one array for each axis."""
    data = evaluator.data(a)
    if not is_traced(data):
        return tuple(Array(one) for one in np.nonzero(data))
    member = _member(evaluator, a, data)
    grids = np.indices(data.shape).reshape(data.ndim, -1)
    evaluator.work(data.size * data.ndim)
    ragged = Picked(member)
    return tuple(Array(jnp.asarray(one, jnp.int32), ragged) for one in grids)


def _member(evaluator: Any, a: Any, data: Any) -> Any:
    member = data != 0
    if isinstance(a.ragged, Picked):
        raise ValueProblem("np.where of the elements of a mask", "use the mask itself")
    if isinstance(a.ragged, Window):
        member = member & evaluator.inside(a)
    return member.reshape(-1)


def argwhere(evaluator: Any, a: Any) -> Any:
    """`np.argwhere(a)`: [count, axes] coordinates of what is not zero."""
    data = evaluator.data(a)
    if not is_traced(data):
        return Array(np.argwhere(data))
    grid = np.indices(data.shape).reshape(data.ndim, -1).T
    return Array(jnp.asarray(grid, jnp.int32), Picked(_member(evaluator, a, data)))


def column_stack(evaluator: Any, values: Any) -> Any:
    parts = evaluator.collected(values)
    ragged = evaluator.ragged_of(*parts)
    if ragged is None:
        return evaluator.wrapped(np.column_stack([evaluator.data(p) for p in parts])) if not any(
            is_traced(evaluator.data(p)) for p in parts) else (
            evaluator.wrapped(jnp.column_stack([evaluator.data(p) for p in parts])))  # fmt: skip
    return Array(jnp.stack([jnp.asarray(evaluator.data(p)) for p in parts], axis=-1), ragged)


def clip(evaluator: Any, a: Any, low: Any = None, high: Any = None) -> Any:
    found = a
    if low is not None:
        found = pair("maximum")(evaluator, found, low)
    return found if high is None else pair("minimum")(evaluator, found, high)


def shaped(name: str) -> Callable[..., Any]:
    """A function that moves elements about."""

    def call(evaluator: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(a, "ragged", None) is not None:
            raise ValueProblem(f"np.{name} of what depends on the picture in size")
        data = evaluator.data(a)
        plain = [evaluator.collected(one) if isinstance(one, List) else one for one in args]
        if any(isinstance(one, Number | Array) for one in (*plain, *kwargs.values())):
            raise ValueProblem(f"the options of np.{name} must be constants")
        found = getattr(jnp if is_traced(data) else np, name)(data, *plain, **kwargs)
        return evaluator.wrapped(found)

    return call


def joined(name: str) -> Callable[..., Any]:
    def call(evaluator: Any, values: Any, axis: Any = None) -> Any:
        parts = evaluator.collected(values)
        if any(getattr(one, "ragged", None) is not None for one in parts):
            raise ValueProblem(f"np.{name} of what depends on the picture in size")
        data = [evaluator.data(one) for one in parts]
        options = {} if axis is None else {"axis": axis}
        if not any(map(is_traced, data)):
            return evaluator.wrapped(getattr(np, name)(data, **options))
        wide = numbers.dtype_of(parts[0])
        for one in parts[1:]:
            wide = numbers.common(wide, numbers.dtype_of(one))
        cast = [jnp.asarray(one).astype(wide) for one in data]
        return evaluator.wrapped(getattr(jnp, name)(cast, **options))

    return call


def norm(evaluator: Any, x: Any, ord: Any = None, axis: Any = None) -> Any:
    """`np.linalg.norm`."""
    data = evaluator.data(x)
    ragged = getattr(x, "ragged", None)
    if not is_traced(data):
        return evaluator.wrapped(np.linalg.norm(data, ord, axis))
    if ragged is not None and axis not in (1, -1):
        raise ValueProblem("np.linalg.norm over what depends on the picture in size")
    found = jnp.linalg.norm(data.astype(jnp.float32), ord, axis)
    return evaluator.wrapped(found, False, ragged)


def array_equal(evaluator: Any, a: Any, b: Any) -> Any:
    x, y = evaluator.data(a), evaluator.data(b)
    if tuple(np.shape(x)) != tuple(np.shape(y)):
        return False
    if any(getattr(one, "ragged", None) is not None for one in (a, b)):
        raise ValueProblem("np.array_equal of what depends on the picture in size")
    return reduced(evaluator, "all", evaluator.compare("Eq", a, b))


def isclose(evaluator: Any, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8) -> Any:
    x, y = (jnp.asarray(evaluator.data(one), jnp.float32) for one in (a, b))
    return evaluator.wrapped(jnp.abs(x - y) <= atol + rtol * jnp.abs(y))


def allclose(evaluator: Any, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8) -> Any:
    found = isclose(evaluator, a, b, rtol, atol)
    return reduced(evaluator, "all", found)


def dot(evaluator: Any, a: Any, b: Any) -> Any:
    x, y = evaluator.data(a), evaluator.data(b)
    if not (is_traced(x) or is_traced(y)):
        return evaluator.wrapped(np.dot(x, y))
    dtype = numbers.result_type(x, y, (numbers.is_python(a), numbers.is_python(b)))
    return evaluator.wrapped(jnp.dot(jnp.asarray(x, dtype), jnp.asarray(y, dtype)))


def average(evaluator: Any, a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return reduced(evaluator, "mean", a, axis)
    product = evaluator.arithmetic("Mult", a, weights)
    total = reduced(evaluator, "sum", weights)
    return evaluator.arithmetic("Div", reduced(evaluator, "sum", product), total)


def unique(evaluator: Any, *args: Any, **kwargs: Any) -> Any:
    hint = "count what you look for: np.count_nonzero(x == value)"
    raise ValueProblem("np.unique, whose size depends on the picture", hint)


def sort(evaluator: Any, a: Any, axis: Any = -1) -> Any:
    if getattr(a, "ragged", None) is not None:
        raise ValueProblem("np.sort of what depends on the picture in size", "use min and max")
    data = evaluator.data(a)
    return evaluator.wrapped((jnp if is_traced(data) else np).sort(data, axis=axis))


def square(evaluator: Any, a: Any) -> Any:
    return evaluator.arithmetic("Mult", a, a)


def invert(evaluator: Any, a: Any) -> Any:
    return evaluator.unary("Invert", a)
