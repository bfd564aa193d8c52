"""Functions whose array indices are known when they are traced, without gathers and scatters.

MJX takes the rows of bodies, joints and contacts by arrays of indices, which it computes anew in
every trace. An accelerator runs each such gather or scatter as a kernel of its own. Here what does
not depend on the arguments is computed once, at tracing, and rows at known places are sliced,
joined and added, which XLA fuses with what is around them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core

_MOST_PARTS = 16
"""Slices into which one gather is taken apart at most."""


def static_indices(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays, traced once for each kind of arguments and then rewritten.

    Args:
        f: pure; its arguments are trees of arrays.
    """

    @functools.wraps(f)
    def rewritten(*args):
        closed, shapes = jax.make_jaxpr(f, return_shape=True)(*args)
        found = _run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), [jnp.asarray(x) for x in found])

    return rewritten


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Evaluates a jaxpr: values that are known are NumPy arrays, the others JAX's."""
    values: dict[Any, Any] = {}

    def read(v: Any) -> Any:
        if isinstance(v, core.Literal):
            return np.asarray(v.val, v.aval.dtype)  # pyright: ignore[reportAttributeAccessIssue]
        return values[v]

    values.update(zip(jaxpr.constvars, map(_known, consts), strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    for equation in jaxpr.eqns:
        found = _evaluate(equation, [read(v) for v in equation.invars])
        values.update(zip(equation.outvars, found, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _known(x: Any) -> Any:
    """A constant as a NumPy array; one that is traced, as it is."""
    is_plain = isinstance(x, (np.ndarray, np.generic, bool, int, float))
    return np.asarray(x) if is_plain or _is_concrete(x) else x


def _is_concrete(x: Any) -> bool:
    plain = isinstance(x, jax.Array) and not isinstance(x, Tracer)
    return plain and not jnp.issubdtype(x.dtype, jax.dtypes.extended)


def _evaluate(equation: Any, inputs: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if name in ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call"):
        return _run(inner.jaxpr, inner.consts, inputs)
    if all(isinstance(x, np.ndarray) for x in inputs) and not equation.effects:
        return _fold(equation, inputs)
    if name in _REWRITES and isinstance(inputs[1], np.ndarray):
        found = _REWRITES[name](equation, *inputs)
        if found is not None:
            return [found]
    found = equation.primitive.bind(*map(jnp.asarray, inputs), **params)
    return list(found) if equation.primitive.multiple_results else [found]


def _fold(equation: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The result of an operation on known numbers."""
    if equation.primitive.name == "gather":
        return [_gather(equation, *inputs)]
    if equation.primitive.name == "scatter-add":
        found = _put(equation, *inputs)
        if found is not None:
            return [found]
    own = _NUMPY.get(equation.primitive.name)
    if own is not None:
        found = own(*inputs, **equation.params)
        aval = equation.outvars[0].aval
        return [np.asarray(found, aval.dtype).reshape(aval.shape)]
    with jax.ensure_compile_time_eval():
        found = equation.primitive.bind(*map(jnp.asarray, inputs), **equation.params)
    return [np.asarray(x) for x in (found if equation.primitive.multiple_results else [found])]


def _gather(equation: Any, operand: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """A gather of known numbers, slice by slice (the semantics are XLA's)."""
    params, aval = equation.params, equation.outvars[0].aval
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    fill = params["fill_value"] if "FILL" in str(params["mode"]) else None
    if fill is None and "FILL" in str(params["mode"]):
        fill = _FILLS[aval.dtype.kind](aval.dtype)
    dropped = tuple(numbers.collapsed_slice_dims) + tuple(numbers.operand_batching_dims)
    batch = [i for i in range(len(aval.shape)) if i not in numbers.offset_dims]
    found = np.empty(aval.shape, aval.dtype)
    for place in np.ndindex(*(aval.shape[i] for i in batch)):
        start = np.zeros(operand.ndim, np.int64)
        start[list(numbers.start_index_map)] = indices[place]
        pairs = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
        for axis, of in pairs:
            start[axis] = place[of]
        inside = np.clip(start, 0, np.subtract(operand.shape, sizes))
        window = tuple(slice(a, a + n) for a, n in zip(inside, sizes, strict=True))
        where: list[Any] = [slice(None)] * len(aval.shape)
        for i, at in zip(batch, place, strict=True):
            where[i] = at
        missed = fill is not None and (inside != start).any()
        found[tuple(where)] = fill if missed else np.squeeze(operand[window], axis=dropped)
    return found


def _take(equation: Any, operand: Any, indices: np.ndarray) -> Any:
    """Rows at known places, as slices; None if it is another gather, or of too many parts."""
    params, shape = equation.params, operand.shape
    numbers = params["dimension_numbers"]
    rows = _rows(numbers, shape, params["slice_sizes"], indices, equation.outvars[0].aval.shape)
    if rows is None:
        return None
    starts = np.clip(rows, 0, shape[0] - 1)
    if (starts != rows).any() and "FILL" in str(params["mode"]):
        return None
    parts = _runs(starts)
    if len(parts) > _MOST_PARTS:
        return None
    joined = _join([jax.lax.slice_in_dim(operand, a, b) for a, b in parts])
    return joined.reshape(equation.outvars[0].aval.shape)


def _rows(
    numbers: Any,
    shape: Sequence[int],
    sizes: Sequence[int],
    indices: np.ndarray,
    out: Sequence[int],
) -> np.ndarray | None:
    """The rows that a gather takes, in order; None unless it takes whole rows of the first axis."""
    whole = tuple(sizes) == (1, *shape[1:]) and tuple(numbers.collapsed_slice_dims) == (0,)
    leading = len(out) - (len(shape) - 1)
    in_order = tuple(numbers.offset_dims) == tuple(range(leading, len(out)))
    batched = getattr(numbers, "operand_batching_dims", ())
    if not whole or not in_order or batched or tuple(numbers.start_index_map) != (0,):
        return None
    return indices.reshape(-1).astype(np.int64)


def _put(equation: Any, operand: Any, indices: np.ndarray, updates: Any) -> Any:
    """Rows added or set at known places, row by row; None if it is another scatter."""
    numbers, shape = equation.params["dimension_numbers"], operand.shape
    whole = tuple(numbers.inserted_window_dims) == (0,) and len(shape) <= 3
    plain = tuple(numbers.scatter_dims_to_operand_dims) == (0,)
    leading = updates.ndim - (len(shape) - 1)
    in_order = tuple(numbers.update_window_dims) == tuple(range(leading, updates.ndim))
    if not (whole and plain and in_order) or getattr(numbers, "operand_batching_dims", ()):
        return None
    if updates.shape[leading:] != shape[1:] or shape[0] > _MOST_PARTS:
        return None
    places = indices.reshape(-1)
    if isinstance(operand, np.ndarray) and isinstance(updates, np.ndarray):
        inside = (places >= 0) & (places < shape[0])
        found = operand.copy()
        np.add.at(found, places[inside], updates.reshape(-1, *shape[1:])[inside])
        return found
    updates = jnp.asarray(updates).reshape(-1, *shape[1:])
    is_zero = isinstance(operand, np.ndarray) and not operand.any()
    adds = equation.primitive.name == "scatter-add"
    rows = []
    for row in range(shape[0]):
        new = [updates[i : i + 1] for i in np.flatnonzero(places == row)]
        if not adds:
            new = new[-1:]
        if not new or (adds and not is_zero):
            new = [jax.lax.slice_in_dim(jnp.asarray(operand), row, row + 1), *new]
        rows.append(functools.reduce(jnp.add, new))
    return _join(rows)


def _runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Rows as ranges of consecutive ones."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(rows, cuts) if len(part)]


def _join(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


_FILLS: dict[str, Callable[[Any], Any]] = {  # where JAX is not told what is outside
    "f": lambda kind: np.nan,
    "i": lambda kind: np.iinfo(kind).min,
    "u": lambda kind: np.iinfo(kind).max,
    "b": lambda kind: True,
}
_REWRITES: dict[str, Callable[..., Any]] = {
    "gather": _take,
    "scatter-add": _put,
    "scatter": _put,
}


def _broadcast(x: np.ndarray, shape: Any, broadcast_dimensions: Any, **_: Any) -> np.ndarray:
    sizes = [1] * len(shape)
    for place, size in zip(broadcast_dimensions, x.shape, strict=True):
        sizes[place] = size
    return np.broadcast_to(x.reshape(sizes), shape)


def _slice(x: np.ndarray, start_indices: Any, limit_indices: Any, strides: Any) -> np.ndarray:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _iota(dtype: Any, shape: Any, dimension: int) -> np.ndarray:
    sizes = [n if place == dimension else 1 for place, n in enumerate(shape)]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(sizes), shape)


def _elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs, **_: f(*inputs)


_NUMPY: dict[str, Callable[..., Any]] = {
    name: _elementwise(f)
    for name, f in {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "max": np.maximum,
        "min": np.minimum,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
        "eq": np.equal,
        "ne": np.not_equal,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "neg": np.negative,
        "abs": np.abs,
        "sign": np.sign,
        "is_finite": np.isfinite,
        "rem": np.fmod,
        "copy": np.asarray,
        "convert_element_type": np.asarray,
        "squeeze": np.asarray,
        "reshape": np.asarray,
        "select_n": lambda which, *cases: np.choose(which.astype(np.int64), cases),
    }.items()
} | {
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "iota": lambda dtype, shape, dimension, **_: _iota(dtype, shape, dimension),
    "tile": lambda x, reps: np.tile(x, reps),
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "concatenate": lambda *x, dimension: np.concatenate(x, dimension),
}
"""What NumPy does faster than JAX's own evaluation, one operation at a time."""
