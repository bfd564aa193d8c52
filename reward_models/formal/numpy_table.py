"""The part of NumPy and `math` that formal rewards may use, mapped to JAX with NumPy's meaning.

Calls whose arguments are all static are folded with NumPy itself; all others go to `jax.numpy`.
The dangerous argument of a function (the number under a square root) is replaced by a harmless
one on branches that are not taken, see `Evaluator.guard`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reward_models.formal import safe_math
from reward_models.formal.values import (
    Primitive,
    ValueProblem,
    describe,
    holds_traced,
    is_traced,
    to_array,
    weak,
)

_FOLD_ELEMENTS = 256
_DTYPE_NOTE = "dtype"


def bind(name: str, parameters: tuple[str, ...], args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by parameter name.

    Raises:
        ValueProblem: too many arguments, an unknown keyword, or one given twice.
    """
    if len(args) > len(parameters):
        raise ValueProblem(f"{name} takes at most {len(parameters)} arguments here")
    bound = dict(zip(parameters, args, strict=False))
    for key, value in kwargs.items():
        if key not in parameters or key in bound:
            known = ", ".join(parameters)
            raise ValueProblem(f"{name} has no argument `{key}` here", f"its arguments: {known}")
        bound[key] = value
    return bound


def _entry(
    name: str,
    jax_function: Callable,
    numpy_function: Callable,
    arrays: str = "x",
    options: str = "",
    guards: dict[int, float] | None = None,
    sequence: bool = False,
) -> Primitive:
    """A table function: array arguments are converted and guarded, options must be static."""
    names, option_names = tuple(arrays.split()), tuple(options.split())

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", names + option_names + (_DTYPE_NOTE,), args, kwargs)
        bound.pop(_DTYPE_NOTE, None)
        chosen = {key: bound.pop(key) for key in option_names if key in bound}
        if holds_traced(chosen):
            raise ValueProblem(f"the options of np.{name} must be constants")
        if [key for key in names if key in bound] != list(names[: len(bound)]) or not bound:
            raise ValueProblem(f"np.{name} needs the arguments {', '.join(names)}")
        values = [bound[key] for key in names if key in bound]
        if sequence:
            if not isinstance(values[0], list | tuple):
                values = [list(evaluator.items(values[0]))]
            values = [to_array(value) for value in values[0]]
        else:
            values = [None if value is None else to_array(value) for value in values]
        static = not any(is_traced(value) for value in values)
        if static and sum(np.size(value) for value in values) <= _FOLD_ELEMENTS:
            with np.errstate(all="ignore"):
                return numpy_function(*([values] if sequence else values), **chosen)
        for index, fill in (guards or {}).items():
            values[index] = evaluator.guard(values[index], fill)
        if sequence:
            return jax_function([jnp.asarray(weak(value)) for value in values], **chosen)
        values = [None if value is None else weak(value) for value in values]
        if len(values) == 1:
            values = [jnp.asarray(values[0])]
        return jax_function(*values, **chosen)

    return Primitive(name, call)


def _shape(value: Any) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(size, int) and 0 <= size <= 1_000 for size in sizes) or len(sizes) > 4:
        raise ValueProblem("a shape must be made of constant integers of at most 1000")
    if math.prod(sizes) > 10_000:
        raise ValueProblem("the array is too large (limit 10000 elements)")
    return sizes


def _creator(name: str, parameters: str, create: Callable[..., Any]) -> Primitive:
    names = tuple(parameters.split())

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", (*names, _DTYPE_NOTE), args, kwargs)
        dtype = bound.pop(_DTYPE_NOTE, None)
        result = create(**bound)
        return result if dtype is None else cast(result, dtype)

    return Primitive(name, call)


def cast(value: Any, dtype: Any) -> Any:
    """`value` with NumPy type `dtype`, given by a name of the table (`float`, `np.int32`)."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", "")
    kind = next((kind for kind in ("float", "int", "bool") if name.startswith(kind)), None)
    if kind is None and name != "double":
        raise ValueProblem(f"{describe(dtype)} is not a number type", "use np.float32")
    value = to_array(value)
    types = {"int": jnp.int32, "bool": jnp.bool_}
    if is_traced(value):
        return value.astype(types.get(kind, jnp.float32))
    return np.asarray(value).astype({"int": np.int64, "bool": np.bool_}.get(kind, np.float64))


def _arange(start: Any, stop: Any = None, step: Any = 1) -> Any:
    start, stop = (0, start) if stop is None else (start, stop)
    if holds_traced([start, stop, step]) or not step or abs((stop - start) / step) > 1_000:
        raise ValueProblem("np.arange needs constant bounds and at most 1000 steps")
    return np.arange(start, stop, step)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    _shape(num)
    if holds_traced([start, stop]):
        return jnp.linspace(weak(start), weak(stop), num, endpoint=bool(endpoint))
    return np.linspace(start, stop, num, endpoint=bool(endpoint))


def _full(shape: Any, fill_value: Any) -> Any:
    value = to_array(fill_value)
    return (jnp if is_traced(value) else np).full(_shape(shape), value)


def _like(fill: float | None) -> Callable[..., Any]:
    def create(a: Any, fill_value: Any = fill) -> Any:
        value, fill_value = to_array(a), to_array(fill_value)
        return (jnp if is_traced(fill_value) else np).full(np.shape(value), fill_value)

    return create


def _array(object: Any) -> Any:
    value = to_array(object)
    return value if is_traced(value) else np.asarray(value)


def _repeat(name: str, function: Callable, count: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", ("a", count, "axis")[: 2 + (name == "repeat")], args, kwargs)
        value = jnp.asarray(weak(bound.pop("a")))
        _shape(bound[count])
        if value.size * math.prod(_shape(bound[count])) > 10_000:
            raise ValueProblem("the array is too large (limit 10000 elements)")
        return function(value, **bound)

    return Primitive(name, call)


def _cast_entry(name: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        (value,) = args or (0.0,)
        return cast(value, name)

    return Primitive(name, call)


def _build() -> dict[str, Any]:
    table: dict[str, Any] = {}
    plain = (
        "exp expm1 square sign floor ceil rint sin cos tan sinh cosh tanh arctan arcsinh "
        "logical_not isnan isfinite isinf negative positive deg2rad rad2deg degrees radians "
        "absolute abs fabs trunc exp2 sinc atleast_1d ravel transpose squeeze"
    )
    for name in plain.split():
        options = {"transpose": "axes", "squeeze": "axis"}.get(name, "")
        guards = {0: 0.0} if name in ("exp", "expm1", "exp2", "sinh", "cosh") else None
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "x", options, guards)
    for name in "sqrt cbrt log log2 log10 reciprocal".split():
        table[name] = _entry(name, getattr(safe_math, name), getattr(np, name), guards={0: 1.0})
    for name in "log1p arcsin arccos arctanh".split():
        table[name] = _entry(name, getattr(safe_math, name), getattr(np, name), guards={0: 0.0})
    for name in (
        "add subtract multiply minimum maximum fmin fmax logical_and logical_or logical_xor "
        "greater greater_equal less less_equal equal not_equal heaviside copysign dot inner outer "
        "matmul vdot"
    ).split():
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "x y")
    for name, function in {"divide": safe_math.divide, "true_divide": safe_math.divide}.items():
        table[name] = _entry(name, function, np.divide, "x y", guards={1: 1.0})
    for name in ("mod", "remainder", "fmod", "floor_divide"):
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "x y", guards={1: 1.0})
    table["power"] = _entry("power", safe_math.power, np.power, "x y", guards={0: 1.0})
    for name in ("arctan2", "hypot"):
        table[name] = _entry(name, getattr(safe_math, name), getattr(np, name), "x y")
    for name in "sum mean prod max min amax amin median any all ptp".split():
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "a", "axis keepdims")
    for name in ("std", "var"):
        both = getattr(safe_math, name), getattr(np, name)
        table[name] = _entry(name, *both, "a", "axis ddof keepdims")
    for name in "argmax argmin sort argsort cumsum cumprod flip count_nonzero".split():
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "a", "axis")
    for name in "stack concatenate hstack vstack".split():
        options = "axis" if name in ("stack", "concatenate") else ""
        both = getattr(jnp, name), getattr(np, name)
        table[name] = _entry(name, *both, "arrays", options, sequence=True)
    table["round"] = _entry("round", jnp.round, np.round, "a", "decimals")
    table["around"] = table["round"]
    table["clip"] = _entry("clip", jnp.clip, np.clip, "a a_min a_max")
    table["where"] = _entry("where", _where, _where_static, "condition x y")
    table["interp"] = _entry("interp", jnp.interp, np.interp, "x xp fp")
    table["cross"] = _entry("cross", safe_math.cross, safe_math.cross, "a b")
    table["diff"] = _entry("diff", jnp.diff, np.diff, "a", "n axis")
    table["roll"] = _entry("roll", jnp.roll, np.roll, "a", "shift axis")
    table["trace"] = _entry("trace", jnp.trace, np.trace, "a")
    table["diag"] = _entry("diag", jnp.diag, np.diag, "a")
    table["reshape"] = _entry("reshape", jnp.reshape, np.reshape, "a", "newshape")
    table["expand_dims"] = _entry("expand_dims", jnp.expand_dims, np.expand_dims, "a", "axis")
    table["nan_to_num"] = _entry(
        "nan_to_num", jnp.nan_to_num, np.nan_to_num, "x", "copy nan posinf neginf"
    )
    for name in ("isclose", "allclose"):
        table[name] = _entry(name, getattr(jnp, name), getattr(np, name), "a b", "rtol atol")
    table["array_equal"] = _entry("array_equal", jnp.array_equal, np.array_equal, "a b")
    table["tile"] = _repeat("tile", jnp.tile, "reps")
    table["repeat"] = _repeat("repeat", jnp.repeat, "repeats")
    for name in ("array", "asarray", "copy"):
        table[name] = _creator(name, "object", _array)
    table["zeros"] = _creator("zeros", "shape", lambda shape: np.zeros(_shape(shape)))
    table["ones"] = _creator("ones", "shape", lambda shape: np.ones(_shape(shape)))
    table["full"] = _creator("full", "shape fill_value", _full)
    table["eye"] = table["identity"] = _creator("eye", "N", lambda N: np.eye(*_shape([N])))
    table["zeros_like"] = _creator("zeros_like", "a", _like(0.0))
    table["ones_like"] = _creator("ones_like", "a", _like(1.0))
    table["full_like"] = _creator("full_like", "a fill_value", _like(None))
    table["arange"] = _creator("arange", "start stop step", _arange)
    table["linspace"] = _creator("linspace", "start stop num endpoint", _linspace)
    for name in "float16 float32 float64 int32 int64 bool_ double".split():
        table[name] = _cast_entry(name)
    for new, old in {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "pow": "power"}.items():
        table[new] = table[old]
    table["atan2"] = table["arctan2"]
    return table | {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise ValueProblem("np.where needs a value for both cases", "np.where(condition, x, y)")
    return jnp.where(condition, x, y)


def _where_static(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise ValueProblem("np.where needs a value for both cases", "np.where(condition, x, y)")
    return np.where(condition, x, y)


NUMPY = _build()
LINALG = {
    "norm": _entry("norm", safe_math.norm, np.linalg.norm, "x", "ord axis keepdims"),
    "det": _entry("det", jnp.linalg.det, np.linalg.det, "a"),
}
_MATH_NAMES = (
    "exp expm1 sqrt cbrt log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh "
    "hypot pow floor ceil fabs copysign degrees radians isnan isfinite isinf pi e inf nan fmod "
    "trunc prod"
)
MATH = {name: NUMPY[name] for name in _MATH_NAMES.split()}
MATH |= {"tau": math.tau, "isclose": NUMPY["isclose"]}
MATH["erf"] = _entry("erf", jax.scipy.special.erf, np.vectorize(math.erf))
MATH["dist"] = _entry(
    "dist", lambda p, q: safe_math.norm(p - q), lambda p, q: np.linalg.norm(p - q), "p q"
)
MODULES: dict[str, dict[str, Any]] = {"numpy": NUMPY, "numpy.linalg": LINALG, "math": MATH}
