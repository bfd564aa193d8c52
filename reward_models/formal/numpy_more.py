"""Functions of NumPy whose arguments do not fit the plain entries of the table."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import Masked
from core_jax.reward_models.formal.conversions import to_array, weak
from core_jax.reward_models.formal.entries import bind, cast, dtype_of
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.values import (
    MAX_ELEMENTS,
    Namespace,
    Primitive,
    ValueProblem,
    holds_traced,
    is_array,
    is_number,
    is_traced,
)
from core_jax.reward_models.formal.whole_numbers import check_cast


def nonzero(condition: Any) -> tuple:
    """`np.nonzero`: for each axis the places where a condition holds."""
    mask = to_array(condition)
    if not is_traced(mask):
        return np.nonzero(np.asarray(mask))
    if not mask.ndim:
        raise ValueProblem("np.where of one number", "use `if`, or np.where(condition, x, y)")
    places = np.indices(mask.shape).reshape(mask.ndim, -1)
    chosen = (mask != 0).reshape(-1)
    return tuple(Masked(jnp.asarray(place, jnp.int32), chosen) for place in places)


def _clip(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    short = {"min": "a_min", "max": "a_max"}
    whole = len(args) == 1 and set(kwargs) <= set(short)  # by these names one is enough
    mixed = not whole and not set(short).isdisjoint(kwargs)
    kwargs = {short.get(key, key): value for key, value in kwargs.items()}
    bound = bind("np.clip", ("a", "a_min", "a_max"), args, kwargs)
    if mixed or len(bound) < 3 and not whole:
        hint = "np.clip(x, low, high); None where there is no bound"
        raise ValueProblem("np.clip needs the arguments a, a_min, a_max", hint)
    values = [bound.get(key) for key in ("a", "a_min", "a_max")]
    values = [None if value is None else to_array(value) for value in values]
    if whole and dtype_of(values[0]) == np.bool_:
        raise ValueProblem("np.clip does not take truth values", "use x.astype(float)")
    if not any(is_traced(value) for value in values):
        array, low, high = values
        return np.clip(np.asarray(array), low, high)
    values = [None if value is None else weak(value) for value in values]
    return jnp.clip(jnp.asarray(values[0]), *values[1:])


def _select(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.select", ("condlist", "choicelist", "default"), args, kwargs)
    result = bound.get("default", 0)
    pairs = list(zip(bound["condlist"], bound["choicelist"], strict=True))
    for condition, choice in reversed(pairs):
        if dtype_of(to_array(condition)) != np.bool_:
            raise ValueProblem(
                "the conditions of np.select must be comparisons", "np.select([x > 0], [x])"
            )
        result = jnp.where(*(weak(value) for value in (condition, choice, result)))
    return result


def _append(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.append", ("arr", "values", "axis"), args, kwargs)
    arrays, axis = [to_array(bound[key]) for key in ("arr", "values")], bound.get("axis")
    library, like = (jnp, weak) if holds_traced(arrays) else (np, np.asarray)
    if axis is None:
        arrays, axis = [library.ravel(library.asarray(like(a))) for a in arrays], 0
    return library.concatenate(arrays, axis=axis)


def _average(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.average", ("a", "axis", "weights"), args, kwargs)
    values, weights = to_array(bound["a"]), bound.get("weights")
    library, like = (jnp, weak) if holds_traced([values, weights]) else (np, np.asarray)
    if weights is not None:
        weights = library.asarray(like(weights))
        if np.shape(values) != weights.shape:
            raise ValueProblem("the weights need the shape of the array", "use np.sum(w * a)")
    return library.average(library.asarray(like(values)), axis=bound.get("axis"), weights=weights)


def _einsum(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    if kwargs or len(args) < 2 or not isinstance(args[0], str) or "." in args[0]:
        raise ValueProblem("np.einsum needs subscripts and arrays", "np.einsum('ij,j->i', m, v)")
    arrays = [to_array(value) for value in args[1:]]
    letters = args[0].replace(" ", "").split("->")[0].split(",")
    if [len(part) for part in letters] != [np.ndim(value) for value in arrays]:
        raise ValueProblem("the subscripts do not fit the arrays")
    sizes = {c: n for part, a in zip(letters, arrays, strict=True) for c, n in zip(part, a.shape)}  # noqa: B905
    if math.prod(sizes.values()) > MAX_ELEMENTS:
        raise ValueProblem("this np.einsum is too large")
    if not holds_traced(arrays):  # `weak` would make them JAX's, which NumPy cannot read here
        return np.einsum(args[0], *arrays)
    return jnp.einsum(args[0], *map(weak, arrays))


def _finfo(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    kind = np.float32 if getattr(args[0], "name", "") == "float32" else np.float64
    found = np.finfo(kind)
    return Namespace("finfo", {key: float(getattr(found, key)) for key in FINFO})


def _piecewise(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.piecewise", ("x", "condlist", "funclist"), args, kwargs)
    x, conditions, choices = (bound[key] for key in ("x", "condlist", "funclist"))
    x, choices = to_array(x), list(evaluator.items(choices))
    conditions = list(conditions) if isinstance(conditions, list | tuple) else [conditions]
    if np.ndim(x) or len(choices) - len(conditions) not in (0, 1):
        message = "np.piecewise takes a number here, and a function for each condition"
        raise ValueProblem(message, "use np.select or np.where")
    kind = np.asarray(x).dtype if not is_traced(x) else x.dtype  # the result has that of x
    values = [v if is_number(v) or is_traced(v) else evaluator.apply_to(v, x) for v in choices]
    values = [to_array(value) for value in values]
    result: Any = values.pop() if len(values) > len(conditions) else 0
    for condition, value in zip(conditions, values, strict=True):
        result = jnp.where(jnp.reshape(weak(condition), ()), jnp.reshape(weak(value), ()), result)
    python = known(evaluator.memory.kinds.python(x)) if is_traced(x) else False
    if python is not False and jnp.issubdtype(kind, jnp.floating):
        whole = (x == jnp.round(x)) & (result != jnp.round(result)) & python
        message = "np.piecewise of what may be a whole number of Python, as which its result is cut"
        evaluator.raises(whole, message, "use np.where, or np.select")
    return result.astype(kind)


def _meshgrid(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    indexing = kwargs.pop("indexing", "xy")
    arrays = [to_array(value) for value in args]
    if kwargs or not arrays or indexing not in ("xy", "ij") or any(np.ndim(a) > 1 for a in arrays):
        raise ValueProblem("np.meshgrid takes rows of numbers and indexing='xy' or 'ij' here")
    if len(arrays) * math.prod(np.size(a) for a in arrays) > MAX_ELEMENTS:
        raise ValueProblem("this np.meshgrid is too large")
    if not holds_traced(arrays):
        return np.meshgrid(*arrays, indexing=indexing)
    return jnp.meshgrid(*(jnp.asarray(weak(a)) for a in arrays), indexing=indexing)


def _fromiter(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.fromiter", ("iter", "dtype", "count"), args, kwargs)
    if "dtype" not in bound or bound.get("count", -1) != -1:
        raise ValueProblem("np.fromiter needs the arguments iter, dtype")
    value = to_array(list(evaluator.items(bound["iter"])))
    check_cast(evaluator, value, bound["dtype"])
    return cast(value, bound["dtype"])


def _split(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.split", ("ary", "indices_or_sections", "axis"), args, kwargs)
    array, where = bound["ary"], bound["indices_or_sections"]
    if not (is_array(array) and np.ndim(array)) or bound.get("axis", 0) != 0:
        raise ValueProblem("np.split takes an array and splits its first axis here")
    pieces = np.split(np.arange(len(array)), where if isinstance(where, int) else list(where))
    starts = np.cumsum([0, *(len(piece) for piece in pieces)])
    spans = [slice(int(a), int(b)) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return [evaluator.memory.viewed(array, array[s], lambda places, s=s: places[s]) for s in spans]


def _no_array(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    raise ValueProblem("np.ndarray is for isinstance() and annotations here", "use np.zeros")


def _isscalar(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    (value,) = args
    return is_number(value) or isinstance(value, str) or is_array(value) and not value.ndim


def _measure(name: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        (value,) = args
        return getattr(np, name)(np.empty(np.shape(to_array(value))))

    return Primitive(name, call)


def _nan_to_num(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.nan_to_num", ("x", "copy", "nan", "posinf", "neginf"), args, kwargs)
    if not bound.pop("copy", True):
        raise ValueProblem("np.nan_to_num cannot write in place", "assign its result")
    value = to_array(bound.pop("x"))
    if holds_traced(bound):
        raise ValueProblem("the options of np.nan_to_num must be constants")
    # NumPy's replacement of infinity, 1.8e308, is not a float32; any huge number will do
    return jnp.nan_to_num(jnp.asarray(weak(value)), **bound)


def _array(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.array", ("object", "dtype", "copy", "ndmin"), args, kwargs)
    value = to_array(bound["object"])
    if bound.get("copy", True) is not True or bound.get("ndmin", 0) > np.ndim(value):
        raise ValueProblem("np.array takes an object and a dtype here", "use np.asarray")
    value = value if is_traced(value) else np.array(value)
    if bound.get("dtype") is None:
        return value
    check_cast(evaluator, value, bound["dtype"])
    return cast(value, bound["dtype"])


FINFO = ("eps", "tiny", "max", "min")
MORE: dict[str, Any] = {
    name: Primitive(name, function, "array" if name in ("select", "array", "piecewise") else "")
    for name, function in {
        "clip": _clip,
        "select": _select,
        "append": _append,
        "average": _average,
        "einsum": _einsum,
        "finfo": _finfo,
        "nan_to_num": _nan_to_num,
        "array": _array,
        "piecewise": _piecewise,
        "fromiter": _fromiter,
        "meshgrid": _meshgrid,
        "split": _split,
        "nonzero": lambda evaluator, args, kwargs: nonzero(*args),
        "flatnonzero": lambda evaluator, args, kwargs: nonzero(to_array(args[0]).reshape(-1))[0],
        "isscalar": _isscalar,
        "ndarray": _no_array,
    }.items()
} | {name: _measure(name) for name in ("ndim", "shape", "size")}
