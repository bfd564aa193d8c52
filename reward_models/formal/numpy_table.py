"""The part of NumPy that formal rewards may use, mapped to JAX with NumPy's meaning."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
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
from core_jax.reward_models.formal.values import (
    Primitive,
    ValueProblem,
    holds_traced,
    is_traced,
    to_array,
    weak,
)


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

    return Primitive(name, call)


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


def _build() -> dict[str, Any]:
    table: dict[str, Any] = {}
    plain = (
        "exp expm1 square sign floor ceil rint sin cos tan sinh cosh tanh arctan arcsinh "
        "logical_not isnan isfinite isinf negative positive deg2rad rad2deg degrees radians "
        "absolute abs fabs trunc exp2 sinc atleast_1d atleast_2d ravel transpose squeeze"
    )
    for name in plain.split():
        options = {"transpose": "axes", "squeeze": "axis"}.get(name, "")
        guards = {0: 0.0} if name in ("exp", "expm1", "exp2", "sinh", "cosh") else None
        both = getattr(jnp, name), getattr(np, name)
        gives = "like" if name in ("transpose", "squeeze") else ""
        table[name] = entry(name, *both, "x", options, guards, gives=gives)
    for name in "sqrt cbrt log log2 log10".split():
        table[name] = entry(name, getattr(safe_math, name), getattr(np, name), guards={0: 1.0})
    for name in "log1p arcsin arccos arctanh arccosh".split():
        table[name] = entry(name, getattr(safe_math, name), getattr(np, name), guards={0: 0.0})
    for name in (
        "add subtract multiply minimum maximum fmin fmax logical_and logical_or logical_xor "
        "greater greater_equal less less_equal equal not_equal heaviside copysign dot inner outer "
        "matmul vdot logaddexp searchsorted polyval"
    ).split():
        library = safe_math if name == "multiply" else jnp
        table[name] = entry(name, getattr(library, name), getattr(np, name), "x y")
    for name, function in {"divide": safe_math.divide, "true_divide": safe_math.divide}.items():
        table[name] = entry(name, function, np.divide, "x y", guards={1: 1.0})
    for name in ("mod", "remainder", "fmod", "floor_divide"):
        both = getattr(safe_math, name), getattr(np, name)
        table[name] = entry(name, *both, "x y", guards={1: 1.0})
    table["power"] = Primitive("power", _power)
    for name in ("arctan2", "hypot"):
        table[name] = entry(name, getattr(safe_math, name), getattr(np, name), "x y")
    for (
        name
    ) in "sum mean prod max min amax amin median any all ptp nansum nanmean nanmax nanmin".split():
        table[name] = entry(name, getattr(jnp, name), getattr(np, name), "a", "axis keepdims")
    for name in ("std", "var"):
        both = getattr(safe_math, name), getattr(np, name)
        table[name] = entry(name, *both, "a", "axis ddof keepdims")
    for name in "argmax argmin sort argsort cumsum cumprod flip count_nonzero".split():
        table[name] = entry(name, getattr(jnp, name), getattr(np, name), "a", "axis")
    for name in "stack concatenate hstack vstack column_stack".split():
        options = "axis" if name in ("stack", "concatenate") else ""
        both = getattr(jnp, name), getattr(np, name)
        table[name] = entry(name, *both, "arrays", options, sequence=True)
    table["round"] = entry("round", jnp.round, np.round, "a", "decimals")
    table["around"] = table["round"]
    table["where"] = Primitive("where", _where_call, gives="array")
    table["interp"] = entry("interp", jnp.interp, np.interp, "x xp fp", "left right")
    for name, most in {"quantile": 1.0, "percentile": 100.0}.items():
        table[name] = _ranks(name, most)
    table["float_power"] = entry(
        "float_power", safe_math.power, np.float_power, "x y", guards={0: 1.0}
    )
    table["reciprocal"] = Primitive("reciprocal", _reciprocal)
    table["digitize"] = Primitive("digitize", _digitize)
    table["swapaxes"] = entry("swapaxes", jnp.swapaxes, np.swapaxes, "a", "axis1 axis2")
    table["cross"] = entry("cross", safe_math.cross, safe_math.cross, "a b", gives="array")
    table["diff"] = entry("diff", jnp.diff, np.diff, "a", "n axis")
    table["roll"] = entry("roll", jnp.roll, np.roll, "a", "shift axis", gives="array")
    table["trace"] = entry("trace", jnp.trace, np.trace, "a")
    table["diag"] = entry("diag", jnp.diag, np.diag, "a")
    table["reshape"] = entry(
        "reshape",
        lambda a, shape: jnp.reshape(a, shape),  # NumPy has called it newshape, and shape
        lambda a, shape: np.reshape(a, shape),
        "a",
        "shape",
        gives="like",
    )
    table["expand_dims"] = entry("expand_dims", jnp.expand_dims, np.expand_dims, "a", "axis")
    for name in ("isclose", "allclose"):
        table[name] = entry(name, getattr(jnp, name), getattr(np, name), "a b", "rtol atol")
    table["array_equal"] = entry("array_equal", jnp.array_equal, np.array_equal, "a b")
    table["tile"] = repeat("tile", jnp.tile, "reps")
    table["repeat"] = repeat("repeat", jnp.repeat, "repeats")
    for name in ("asarray", "copy"):
        table[name] = creator(name, "object", array)
    table["zeros"] = creator("zeros", "shape", lambda shape: np.zeros(sizes_of(shape)))
    table["empty"] = table["zeros"]
    table["ones"] = creator("ones", "shape", lambda shape: np.ones(sizes_of(shape)))
    table["full"] = creator("full", "shape fill_value", full)
    table["eye"] = table["identity"] = creator("eye", "N", lambda N: np.eye(sizes_of([N])[0]))
    table["zeros_like"] = creator("zeros_like", "a", like(0.0))
    table["empty_like"] = table["zeros_like"]
    table["ones_like"] = creator("ones_like", "a", like(1.0))
    table["full_like"] = creator("full_like", "a fill_value", like(None))
    table["arange"] = creator("arange", "start stop step", arange)
    table["linspace"] = creator("linspace", "start stop num endpoint", linspace)
    for name in (
        "float16 float32 float64 int8 int16 int32 int64 intp bool_ bool double float_ int_ "
        "single half longdouble bool8"
    ).split():
        table[name] = cast_entry(name)
    for new, old in {
        "concat": "concatenate",
        "asin": "arcsin",
        "acos": "arccos",
        "atan": "arctan",
        "pow": "power",
        "asinh": "arcsinh",
        "acosh": "arccosh",
        "atanh": "arctanh",
    }.items():
        table[new] = table[old]
    table["atan2"] = table["arctan2"]
    return (
        table
        | MORE
        | WIDE
        | {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}
    )


NUMPY = _build()
