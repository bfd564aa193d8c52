"""The part of NumPy that formal rewards may use, mapped to JAX with NumPy's meaning."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, weak
from core_jax.reward_models.formal.entries import (
    arange,
    array,
    bind,
    cast_entry,
    creator,
    dtype_of,
    entry,
    full,
    like,
    linspace,
    repeat,
    sizes_of,
)
from core_jax.reward_models.formal.numpy_more import MORE, nonzero
from core_jax.reward_models.formal.numpy_wide import WIDE
from core_jax.reward_models.formal.values import Primitive, ValueProblem, holds_traced, is_traced


def _where_call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    if len(args) == 1 and not kwargs:
        return nonzero(args[0])
    return _WHERE.call(evaluator, args, kwargs)


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise ValueProblem("np.where needs a value for both cases", "np.where(condition, x, y)")
    return jnp.where(condition, x, y)


def _where_static(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None or y is None:
        raise ValueProblem("np.where needs a value for both cases", "np.where(condition, x, y)")
    return np.where(condition, x, y)


_WHERE = entry("where", _where, _where_static, "condition x y")


def _ranks(name: str, most: float) -> Primitive:
    """`np.quantile` and `np.percentile`, of constant ranks."""
    found = entry(name, getattr(jnp, name), getattr(np, name), "a q", "axis")

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", ("a", "q", "axis"), args, kwargs)
        if not {"a", "q"} <= set(bound):
            raise ValueProblem(f"np.{name} needs the arguments a, q")
        ranks = to_array(bound["q"])
        if is_traced(ranks) or not np.all((0 <= np.array(ranks)) & (np.array(ranks) <= most)):
            raise ValueProblem(f"the ranks of np.{name} must be constants of 0 to {most:g}")
        if dtype_of(to_array(bound["a"])) == np.bool_:
            hint = f"make it a number, as in `np.{name}(x.astype(float), q)`"
            raise ValueProblem(f"np.{name} does not take truth values", hint)
        return found.call(evaluator, args, kwargs)

    return _of_some(Primitive(name, call))


def _of_some(function: Primitive) -> Primitive:
    """A function whose value of an empty array is NaN, as in NumPy; JAX has none."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        if args and not kwargs and not np.size(to_array(args[0])):
            return np.float64(np.nan)
        return function.call(evaluator, args, kwargs)

    return Primitive(function.name, call, function.gives)


_POWER = entry("power", safe_math.power, np.power, "x y", guards={0: 1.0})


def _power(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    if len(args) == 2 and holds_traced([*args]):
        evaluator.raises_in_power(*(to_array(value) for value in args))
    return _POWER.call(evaluator, args, kwargs)


def _reciprocal(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    if any(np.dtype(dtype_of(to_array(value))).kind != "f" for value in args):
        raise ValueProblem("np.reciprocal of whole numbers is 0 or 1 in NumPy", "use 1.0 / x")
    return _RECIPROCAL.call(evaluator, args, kwargs)


_RECIPROCAL = entry("reciprocal", safe_math.reciprocal, np.reciprocal, guards={0: 1.0})


def _digitize(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.digitize", ("x", "bins"), args, kwargs)
    if len(bound) < 2:
        raise ValueProblem("np.digitize needs the arguments x, bins")
    x, bins = (to_array(bound[key]) for key in ("x", "bins"))
    steps = None if is_traced(bins) or np.ndim(bins) != 1 else np.diff(bins)
    if steps is None or not (np.all(steps >= 0) or np.all(steps <= 0)):
        raise ValueProblem("the bins of np.digitize must be constants in order")
    return np.digitize(x, bins) if not is_traced(x) else jnp.digitize(x, jnp.asarray(weak(bins)))


def _same(names: str, arrays: str = "x", options: str = "", **how: Any) -> dict[str, Any]:
    """Functions that JAX has under NumPy's names, with NumPy's meaning."""
    return {
        name: entry(name, getattr(jnp, name), getattr(np, name), arrays, options, **how)
        for name in names.split()
    }


def _safe(names: str, arrays: str = "x", options: str = "", **how: Any) -> dict[str, Any]:
    """Functions whose gradients `safe_math` keeps finite."""
    return {
        name: entry(name, getattr(safe_math, name), getattr(np, name), arrays, options, **how)
        for name in names.split()
    }


def _elementwise() -> dict[str, Any]:
    table = _same(
        "square sign floor ceil rint sin cos tan tanh arctan arcsinh logical_not isnan isfinite "
        "isinf negative positive deg2rad rad2deg degrees radians absolute abs fabs trunc sinc"
    )
    table |= _same("exp expm1 exp2 sinh cosh", guards={0: 0.0})
    table |= _safe("sqrt cbrt log log2 log10", guards={0: 1.0})
    table |= _safe("log1p arcsin arccos arctanh arccosh", guards={0: 0.0})
    table |= _same(
        "add subtract minimum maximum fmin fmax logical_and logical_or logical_xor greater "
        "greater_equal less less_equal equal not_equal heaviside copysign logaddexp",
        "x y",
    )
    table |= _safe("multiply arctan2 hypot", "x y")
    table |= _safe("mod remainder fmod floor_divide", "x y", guards={1: 1.0})
    for name in ("divide", "true_divide"):
        table[name] = entry(name, safe_math.divide, np.divide, "x y", guards={1: 1.0})
    table["power"] = Primitive("power", _power)
    table["float_power"] = entry(
        "float_power", safe_math.power, np.float_power, "x y", guards={0: 1.0}
    )
    table["reciprocal"] = Primitive("reciprocal", _reciprocal)
    table["where"] = Primitive("where", _where_call, gives="array")
    table["digitize"] = Primitive("digitize", _digitize)
    table |= _same("round", "a", "decimals")
    table |= _same("interp", "x xp fp", "left right")
    table |= _same("isclose allclose", "a b", "rtol atol") | _same("array_equal", "a b")
    for name in ("allclose", "array_equal"):  # a bool of Python: True + True is 2
        table[name] = replace(table[name], gives="python")
    return table


def _reductions() -> dict[str, Any]:
    table = _same(
        "sum mean prod max min amax amin median any all ptp nansum nanmean nanmax nanmin",
        "a",
        "axis keepdims",
    )
    table |= _safe("std var", "a", "axis ddof keepdims")
    table |= _same("argmax argmin count_nonzero", "a", "axis keepdims")
    table |= _same("sort argsort cumsum cumprod flip", "a", "axis")
    table |= _same("dot inner outer matmul vdot searchsorted polyval", "x y")
    table |= _same("trace diag", "a") | _same("diff", "a", "n axis")
    table["cross"] = entry("cross", safe_math.cross, safe_math.cross, "a b", gives="array")
    table["median"] = _of_some(table["median"])
    return table | {"quantile": _ranks("quantile", 1.0), "percentile": _ranks("percentile", 100.0)}


def _shapes() -> dict[str, Any]:
    table = _same("atleast_1d atleast_2d ravel")
    table |= _same("transpose", "x", "axes", gives="like")
    table |= _same("squeeze", "x", "axis", gives="like")
    table |= _same("stack concatenate", "arrays", "axis", sequence=True)
    table |= _same("hstack vstack column_stack", "arrays", sequence=True)
    table |= _same("swapaxes", "a", "axis1 axis2") | _same("expand_dims", "a", "axis")
    table |= _same("roll", "a", "shift axis", gives="array")
    table["reshape"] = entry(
        "reshape",
        lambda a, shape: jnp.reshape(a, shape),  # NumPy has called it newshape, and shape
        lambda a, shape: np.reshape(a, shape),
        "a",
        "shape",
        gives="like",
    )
    return table | {
        "tile": repeat("tile", jnp.tile, "reps"),
        "repeat": repeat("repeat", jnp.repeat, "repeats"),
    }


def _eye(N: Any, M: Any = None, k: Any = 0) -> np.ndarray:
    if not isinstance(k, int):
        raise ValueProblem("np.eye needs a constant diagonal k")
    rows, columns = sizes_of([N, N if M is None else M])
    return np.eye(rows, columns, k)


def _creators() -> dict[str, Any]:
    eye = creator("eye", "N M k", _eye)
    identity = creator("identity", "n", lambda n: _eye(n))
    zeros = creator("zeros", "shape", lambda shape: np.zeros(sizes_of(shape)))
    zeros_like = creator("zeros_like", "a", like(0.0))
    table = {name: creator(name, "object", array) for name in ("asarray", "copy")}
    table |= {name: cast_entry(name) for name in _TYPES.split()}
    return table | {
        "zeros": zeros,
        "empty": zeros,
        "ones": creator("ones", "shape", lambda shape: np.ones(sizes_of(shape))),
        "full": creator("full", "shape fill_value", full),
        "eye": eye,
        "identity": identity,
        "zeros_like": zeros_like,
        "empty_like": zeros_like,
        "ones_like": creator("ones_like", "a", like(1.0)),
        "full_like": creator("full_like", "a fill_value", like(None)),
        "arange": creator("arange", "start stop step", arange),
        "linspace": creator("linspace", "start stop num endpoint", linspace),
    }


_TYPES = (
    "float16 float32 float64 int8 int16 int32 int64 intp bool_ bool double float_ int_ single "
    "half longdouble bool8"
)
_ALIASES = {
    "around": "round",
    "concat": "concatenate",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "pow": "power",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "atan2": "arctan2",
}
NUMPY: dict[str, Any] = _elementwise() | _reductions() | _shapes() | _creators()
NUMPY |= {new: NUMPY[old] for new, old in _ALIASES.items()} | MORE | WIDE
NUMPY |= {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}
