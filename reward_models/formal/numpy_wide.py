"""More of NumPy: functions that models write now and then."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import numpy_linalg
from core_jax.reward_models.formal.conversions import to_array, to_jax, weak
from core_jax.reward_models.formal.entries import (
    as_of,
    entry,
    library_of,
    primitive,
    sizes_of,
)
from core_jax.reward_models.formal.numpy_selection import SELECTION
from core_jax.reward_models.formal.values import (
    MAX_ELEMENTS,
    Function,
    Primitive,
    ValueProblem,
    holds_traced,
    is_number,
)


class Gather:
    """`np.r_` or `np.c_`, which are used with square brackets."""

    def __init__(self, name: str):
        self.name = name

    def item(self, key: Any) -> Any:
        """The pieces in the brackets, joined."""
        parts = key if isinstance(key, tuple) else (key,)
        arrays = [self._piece(part) for part in parts]
        library = jnp if holds_traced(arrays) else np
        arrays = [library.asarray(weak(a) if library is jnp else a) for a in arrays]
        if self.name == "r_":
            return library.concatenate([library.atleast_1d(a) for a in arrays])
        return library.concatenate([a.reshape(-1, 1) if a.ndim < 2 else a for a in arrays], axis=1)

    @staticmethod
    def _piece(part: Any) -> Any:
        if isinstance(part, slice):
            values = (part.start or 0, part.stop, part.step or 1)
            if not all(isinstance(v, int | float) for v in values) or not values[2]:
                raise ValueProblem("a slice in np.r_ needs constants")
            sizes_of(max(0, math.ceil((values[1] - values[0]) / values[2])))
            return np.arange(*values)
        return to_array(part)


def _pad(evaluator: Any, array: Any, pad_width: Any, mode: Any = "constant",
         constant_values: Any = 0) -> Any:  # fmt: skip
    if mode not in ("constant", "edge", "wrap", "reflect") or holds_traced(pad_width):
        raise ValueProblem("np.pad needs constant widths and a usual mode")
    widths = np.asarray(pad_width)
    if widths.size and (widths.min() < 0 or widths.max() > 1_000):
        raise ValueProblem("np.pad takes widths of 0 to 1000")
    library = library_of(array, constant_values)
    value = as_of(library, array)
    each = np.broadcast_to(widths, (max(1, value.ndim), 2))
    if math.prod(n + int(w.sum()) for n, w in zip(value.shape, each, strict=True)) > MAX_ELEMENTS:
        raise ValueProblem(f"an array may have at most {MAX_ELEMENTS} elements")
    options = {"constant_values": constant_values} if mode == "constant" else {}
    return library.pad(value, pad_width, mode=mode, **options)


def _broadcast_to(evaluator: Any, array: Any, shape: Any) -> Any:
    library = library_of(array)
    return library.broadcast_to(as_of(library, array), sizes_of(shape))


def _gradient(evaluator: Any, f: Any, spacing: Any = 1.0) -> Any:
    library = library_of(f, spacing)
    value = as_of(library, f)
    if value.ndim != 1 or np.ndim(spacing):
        raise ValueProblem("np.gradient takes a row of numbers and one spacing here")
    return library.gradient(value, spacing if is_number(spacing) else as_of(library, spacing))


def _pieces(name: str) -> Callable:
    def call(evaluator: Any, ary: Any, indices_or_sections: Any, axis: Any = None) -> Any:
        array = to_array(ary)
        if not np.ndim(array) or holds_traced(indices_or_sections):
            raise ValueProblem(f"np.{name} takes an array and constants")
        given = {} if name in ("hsplit", "vsplit") else {"axis": 0 if axis is None else axis}
        where = indices_or_sections
        where = where if isinstance(where, int) else [int(i) for i in evaluator.items(where)]
        positions = np.arange(array.size).reshape(array.shape)
        split = getattr(np, name)(positions, where, **given)
        along = np.ndim(array) > 1 and name == "hsplit"
        axis = 1 if along else (axis or 0) if given else 0
        start, found = 0, []
        for piece in split:
            span = slice(start, start + piece.shape[axis])
            key = (*(slice(None),) * axis, span)
            view = lambda places, key=key: places[key]
            found.append(evaluator.memory.viewed(array, array[key], view))
            start = span.stop
        return found

    return call


def _block(evaluator: Any, arrays: Any) -> Any:
    def depth(value: Any) -> int:
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    library, levels = library_of(arrays), depth(arrays)
    if levels > 2:
        raise ValueProblem("np.block takes lists of at most two levels")

    def joined(value: Any, level: int) -> Any:
        if not isinstance(value, list):
            found = as_of(library, value)
            return found.reshape((1,) * (levels - found.ndim) + found.shape)
        return library.concatenate([joined(v, level - 1) for v in value], axis=-level)

    return joined(arrays, levels)


def _isin(evaluator: Any, element: Any, test_elements: Any) -> Any:
    library = library_of(element, test_elements)
    left, right = as_of(library, element), as_of(library, test_elements).reshape(-1)
    if left.size * max(1, right.size) > MAX_ELEMENTS:
        raise ValueProblem("this np.isin is too large")
    return library.any(left[..., None] == right, axis=-1)


def _vectorize(evaluator: Any, pyfunc: Any, otypes: Any = None) -> Any:
    if not isinstance(pyfunc, Function):
        raise ValueProblem("np.vectorize takes a function of this source")

    def call(inner: Any, args: tuple, kwargs: dict) -> Any:
        arrays = [to_array(value) for value in args]
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        if kwargs or math.prod(shape) > 256:
            raise ValueProblem("a vectorized function takes arrays of at most 256 elements")
        library = library_of(arrays)
        wide = [library.broadcast_to(as_of(library, a), shape).reshape(-1) for a in arrays]
        rows = [
            to_array(inner.apply_to(pyfunc, *(a[i] for a in wide))) for i in range(len(wide[0]))
        ]
        _check_first_type(pyfunc, rows, otypes)
        return to_array(rows).reshape(shape) if shape else rows[0]

    return Primitive("vectorized", call)


def _check_first_type(function: Any, values: list[Any], otypes: Any = None) -> None:
    """NumPy gives all results of a function the type of the first, so that 0 makes them whole."""
    hint = "return floats only: 0.0 instead of 0"
    if otypes is not None:
        kinds = otypes if isinstance(otypes, list | tuple) else [otypes]
        if not all(getattr(kind, "name", "").startswith("float") for kind in kinds):
            raise ValueProblem("np.vectorize makes floats only here", "use otypes=[float]")
        return
    fraction = any(np.dtype(getattr(v, "dtype", type(v))).kind == "f" for v in values)
    if fraction and isinstance(function, Function) and _returns_whole(function.node):
        message = "all results of this function get the type of the first one in NumPy"
        raise ValueProblem(message, hint)


def _returns_whole(function: ast.FunctionDef) -> bool:
    """Whether a function returns a whole number or truth value that it spells out."""
    stack: list[ast.AST | None] = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.IfExp):
            stack += [node.body, node.orelse]
        elif isinstance(node, ast.UnaryOp):
            stack.append(node.operand)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            return True
    return False


def _along(evaluator: Any, func1d: Any, axis: Any, arr: Any) -> Any:
    array = to_array(arr)
    usable = isinstance(func1d, Function) or isinstance(func1d, Primitive) and func1d.name != "len"
    if not usable or not isinstance(axis, int) or np.ndim(array) not in (1, 2):
        raise ValueProblem("np.apply_along_axis takes a function, an axis and a matrix here")
    rows = array if array.ndim == 1 or axis % array.ndim == 1 else array.T
    if rows.ndim == 1:
        return to_array(evaluator.apply_to(func1d, rows))
    found = [to_array(evaluator.apply_to(func1d, row)) for row in evaluator.items(rows)]
    _check_first_type(func1d, found)
    made = to_array(found)
    return made if axis % array.ndim == 1 or made.ndim == 1 else made.T


def _trapezoid(y: Any, x: Any = None, **options: Any) -> Any:
    if jnp.asarray(y).dtype == jnp.bool_:
        raise ValueProblem("np.trapezoid does not take truth values here", "use x.astype(float)")
    return jnp.trapezoid(y, x, **options)


def _unwrap(evaluator: Any, p: Any) -> Any:
    library = library_of(p)
    return library.unwrap(as_of(library, p).astype(float))


def _indices(name: str) -> Callable:
    def call(evaluator: Any, n: Any, k: Any = 0) -> Any:
        return tuple(getattr(np, name)(sizes_of(n)[0], k))

    return call


def _histogram(evaluator: Any, a: Any, bins: Any = 10, range: Any = None) -> Any:
    if holds_traced([bins, range]) or isinstance(bins, int) and range is None:
        raise ValueProblem("np.histogram needs constant bins, or a number of them and a range")
    edges = np.histogram_bin_edges(np.zeros(0), bins if isinstance(bins, int) else to_array(bins),
                                   None if range is None else tuple(range))  # fmt: skip
    if not holds_traced(a):
        return tuple(np.histogram(to_array(a), edges))
    value = to_jax(a).reshape(-1)
    low, high = edges[:-1], edges[1:]
    inside = (value[:, None] >= low) & (value[:, None] < high)
    inside = inside.at[:, -1].set(inside[:, -1] | (value == edges[-1]))
    return jnp.sum(inside.astype(jnp.int32), axis=0), edges


def _bincount(evaluator: Any, x: Any, weights: Any = None, minlength: Any = 0) -> Any:
    raise ValueProblem("the length of np.bincount depends on the state", "use np.sum(x == k)")


_WIDE = {
    "cov": ("m y rowvar ddof", 1, numpy_linalg.cov),
    "corrcoef": ("x y rowvar", 1, numpy_linalg.corrcoef),
    "polyfit": ("x y deg", 3, numpy_linalg.polyfit),
    "pad": ("array pad_width mode constant_values", 2, _pad),
    "broadcast_to": ("array shape", 2, _broadcast_to),
    "gradient": ("f spacing", 1, _gradient),
    "unwrap": ("p", 1, _unwrap),
    "array_split": ("ary indices_or_sections axis", 2, _pieces("array_split")),
    "hsplit": ("ary indices_or_sections", 2, _pieces("hsplit")),
    "vsplit": ("ary indices_or_sections", 2, _pieces("vsplit")),
    "block": ("arrays", 1, _block),
    "isin": ("element test_elements", 2, _isin),
    "in1d": ("element test_elements", 2, _isin),
    "vectorize": ("pyfunc otypes", 1, _vectorize),
    "apply_along_axis": ("func1d axis arr", 3, _along),
    "triu_indices": ("n k", 1, _indices("triu_indices")),
    "tril_indices": ("n k", 1, _indices("tril_indices")),
    "histogram": ("a bins range", 1, _histogram),
    "bincount": ("x weights minlength", 1, _bincount),
}
WIDE: dict[str, Any] = {name: primitive(name, *row) for name, row in _WIDE.items()}
for _name in ("cov", "broadcast_to", "apply_along_axis"):
    WIDE[_name] = replace(WIDE[_name], gives="array")
WIDE |= SELECTION
WIDE |= {"r_": Gather("r_"), "c_": Gather("c_")}
WIDE["ix_"] = Primitive(
    "ix_", lambda evaluator, args, kwargs: tuple(np.ix_(*(to_array(a) for a in args)))
)
for _name, _arrays, _options in (
    ("convolve", "a v", "mode"), ("correlate", "a v", "mode"), ("tril", "m", "k"),
    ("triu", "m", "k"), ("signbit", "x", ""), ("kron", "a b", ""), ("tensordot", "a b", "axes"),
    ("flipud", "m", ""), ("fliplr", "m", ""), ("rot90", "m", "k axes"), ("ediff1d", "ary", ""),
    ("moveaxis", "a", "source destination"), ("atleast_3d", "x", ""), ("nanstd", "a", "axis ddof"),
    ("nanvar", "a", "axis ddof"), ("nanmedian", "a", "axis"), ("nanprod", "a", "axis"),
    ("nancumsum", "a", "axis"), ("isneginf", "x", ""), ("isposinf", "x", ""), ("real", "x", ""),
    ("logaddexp2", "x y", ""), ("bitwise_and", "x y", ""),
    ("bitwise_or", "x y", ""), ("bitwise_xor", "x y", ""), ("nanargmax", "a", "axis"),
    ("nanargmin", "a", "axis"), ("divmod", "x y", ""), ("array_equiv", "a b", ""),
    ("diagonal", "a", "offset"), ("vander", "x", "N increasing"),
):  # fmt: skip
    WIDE[_name] = entry(_name, getattr(jnp, _name), getattr(np, _name), _arrays, _options)
WIDE["tensordot"] = replace(WIDE["tensordot"], gives="array")
WIDE["array_equiv"] = replace(WIDE["array_equiv"], gives="python")
WIDE["trapezoid"] = entry("trapezoid", _trapezoid, np.trapezoid, "y x", "dx axis")
WIDE["trapz"] = WIDE["trapezoid"]
for _name in ("dstack",):
    WIDE[_name] = entry(_name, getattr(jnp, _name), getattr(np, _name), "arrays", sequence=True)
WIDE["row_stack"] = entry("row_stack", jnp.vstack, np.vstack, "arrays", sequence=True)
