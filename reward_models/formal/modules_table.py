"""`numpy.linalg` and `math` of a formal reward."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import math_domain, safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax, weak
from core_jax.reward_models.formal.entries import bind, cast, entry, number
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.numpy_linalg import (
    WIDE_LINALG,
    raises_if_not_finite,
    raises_if_singular,
)
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.values import Primitive, PythonRaises, ValueProblem, is_traced
from core_jax.reward_models.formal.whole_numbers import check_cast

_MAX_SIDE = 16


def _square(name: str, jax_function: Callable, numpy_function: Callable, right: str) -> Primitive:
    """A function of a small square matrix, which is the unit matrix on branches not taken."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.linalg.{name}", ("a", right) if right else ("a",), args, kwargs)
        if len(bound) != 1 + bool(right):
            raise ValueProblem(f"np.linalg.{name} needs the arguments a {right}")
        values = [to_array(value) for value in bound.values()]
        sides = np.shape(values[0])
        if len(sides) != 2 or sides[0] != sides[1] or sides[0] > _MAX_SIDE:
            raise ValueProblem(
                f"np.linalg.{name} needs a square matrix of at most {_MAX_SIDE} rows"
            )
        if not any(is_traced(value) for value in values):
            return numpy_function(*values)
        values = [jnp.asarray(weak(value), jnp.float32) for value in values]
        if evaluator.active is not None:
            values[0] = jnp.where(evaluator.active, values[0], jnp.eye(sides[0]))
        raises_if_singular(evaluator, name, values[0])
        return jax_function(*values)

    return Primitive(name, call)


def _of_scipy(name: str) -> Primitive:
    """The function of `scipy.linalg`, which takes neither NaN nor infinity."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        given = [*args[: 2 if name == "solve" else 1], *(kwargs[k] for k in "ab" if k in kwargs)]
        for value in given:
            raises_if_not_finite(evaluator, f"scipy.linalg.{name}", to_array(value))
        return LINALG[name].call(evaluator, args, kwargs)

    return Primitive(name, call)


def _multi_dot(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    arrays = evaluator.items(bind("np.linalg.multi_dot", ("arrays",), args, kwargs)["arrays"])
    dot = lambda a, b: NUMPY["dot"].call(evaluator, (a, b), {})
    if len(arrays) == 3:  # NumPy takes the cheaper order, which decides where infinities are NaN
        (a, shared), (_, width) = _as_matrices(arrays[0], arrays[1])
        _, (last, columns) = _as_matrices(arrays[1], arrays[2])
        if a * last * (shared + columns) >= shared * columns * (a + width):
            return dot(arrays[0], dot(arrays[1], arrays[2]))
    return functools.reduce(dot, arrays)


def _as_matrices(left: Any, right: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """The shapes of two factors; a vector is a row on the left and a column on the right."""
    left, right = np.shape(left), np.shape(right)
    row = left if len(left) == 2 else (1, *left)
    column = right if len(right) == 2 else (*right, 1)
    return (row[0], row[1]), (column[0], column[1])


LINALG = {
    "norm": entry("norm", safe_math.norm, np.linalg.norm, "x", "ord axis keepdims"),
    "det": entry("det", jnp.linalg.det, np.linalg.det, "a"),
    "inv": _square("inv", jnp.linalg.inv, np.linalg.inv, ""),
    "solve": _square("solve", jnp.linalg.solve, np.linalg.solve, "b"),
    "multi_dot": Primitive("multi_dot", _multi_dot),
}


def _is_whole(evaluator: Any, value: Any) -> bool:
    """Whether a value is no float and may be one of NumPy's, as any constant may."""
    if not is_traced(value):
        return not isinstance(value, float | np.floating)
    return value.dtype.kind != "f" and evaluator.memory.kinds.python(value) is not True


def _on_numbers(name: str, function: Primitive) -> Primitive:
    """A function of `math`: of single numbers, where NumPy's takes arrays, and raising."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        if kwargs:
            raise ValueProblem(f"math.{name} takes no keywords", "pass the values in order")
        values = tuple(number(value, f"math.{name}") for value in args)
        if name == "trunc" and any(_is_whole(evaluator, value) for value in values):
            raise ValueProblem("math.trunc does not take NumPy's whole numbers", "use int(x)")
        # A truth value is a number to `math`, and its result no half-precision one as NumPy's.
        truths = [is_traced(x) and x.dtype == np.bool_ for x in values]
        values = tuple(
            x.astype(jnp.float32) if truth else x for x, truth in zip(values, truths, strict=True)
        )
        if not any(is_traced(value) for value in values):
            return math_domain.folded(name, values)
        result = function.call(evaluator, values, {})
        math_domain.note(evaluator, name, values)
        return result

    return Primitive(name, call, gives="python")


def _to_int(name: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        result = NUMPY[name].call(evaluator, args, kwargs)
        check_cast(evaluator, result, "int")
        return cast(result, "int")

    return _on_numbers(name, Primitive(name, call))


def _log(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    parts = [NUMPY["log"].call(evaluator, (value,), kwargs) for value in args]
    return parts[0] if len(parts) == 1 else evaluator.arithmetic("Div", *parts)


def _hypot(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    return LINALG["norm"].call(evaluator, (list(args),), kwargs)


def _isclose(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("math.isclose", ("a", "b", "rel_tol", "abs_tol"), args[:2], kwargs)
    a, b = (number(bound[key], "math.isclose") for key in ("a", "b"))
    if any(bound.get(key, 0) < 0 for key in ("rel_tol", "abs_tol")):
        raise ValueProblem("a tolerance of math.isclose is negative", "use rel_tol=1e-6")
    if not (is_traced(a) or is_traced(b)):
        return math.isclose(a, b, **{k: v for k, v in bound.items() if k.endswith("tol")})
    largest = jnp.maximum(jnp.abs(a), jnp.abs(b))
    limit = jnp.maximum(bound.get("rel_tol", 1e-9) * largest, bound.get("abs_tol", 0.0))
    infinite = jnp.isinf(a) | jnp.isinf(b)  # close to itself only
    return jnp.where(infinite, jnp.equal(a, b), jnp.abs(a - b) <= limit)


def _over(called: str, name: str) -> Primitive:
    """A reduction of `math`, of anything that can be looped over."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        (values,) = args
        items = [number(value, f"math.{called}") for value in evaluator.items(values)]
        result = NUMPY[name].call(evaluator, (items,), kwargs)
        if called == "prod":  # as by `*`; fsum makes a number of Python of anything
            return evaluator.memory.kinds.of_all(fresh(result, items), tuple(items))
        if is_traced(result):
            fails = jnp.isnan(result) & ~jnp.isnan(jnp.stack([to_jax(x) for x in items])).any()
            evaluator.raises(fails, "math.fsum of infinity and minus infinity")
        return result

    return Primitive(name, call, gives="own" if called == "prod" else "python")


def _remainder(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    x, y = (number(value, "math.remainder") for value in args)
    if not (is_traced(x) or is_traced(y)):
        return math.remainder(x, y)
    fails = ((y == 0) & ~jnp.isnan(x)) | (jnp.isinf(x) & ~jnp.isnan(y))
    evaluator.raises(fails, "math.remainder by zero or of infinity", "test for zero first")
    return _nearest(x, jnp.where(y == 0, 1.0, y))


def _nearest(x: Any, y: Any) -> Any:
    """`math.remainder`, exact also where x / y is large: of the remainder by 2 y, y is taken at
    most twice. Ties go to the even multiple."""
    x, y = (jnp.asarray(value, jnp.float32) for value in (x, y))
    size, wide = jnp.abs(y), jnp.isinf(2.0 * y)
    rest = jnp.where(wide, jnp.abs(x), jnp.fmod(jnp.abs(x), jnp.where(wide, 1.0, 2.0 * size)))
    once = 2.0 * rest > size
    less = jnp.where(once, rest - size, rest)
    less = jnp.where(once & (2.0 * less >= size), less - size, less)
    return jnp.where(jnp.signbit(x), -less, less)


def _static(name: str) -> Primitive:
    """A function of `math` of constants alone."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        values = [number(value, f"math.{name}") for value in args]
        if any(is_traced(value) for value in values):
            if name in ("gamma", "lgamma") and len(values) == 1:
                (x,) = values
                bad = (x <= 0) & (x == jnp.floor(x)) & (jnp.isfinite(x) | (name == "gamma"))
                # Beyond what a float can be.
                bad |= (x > 171) & jnp.isfinite(x) & (name == "gamma")
                evaluator.raises(bad, f"math.{name} has no value there")
                found = jnp.asarray(x, jnp.float32)
                return (jax.scipy.special.gamma if name == "gamma" else jax.scipy.special.gammaln)(
                    found
                )
            raise ValueProblem(f"math.{name} needs constants")
        if name in ("comb", "perm", "factorial") and max(values) > 60:
            raise ValueProblem(f"math.{name} of numbers above 60 is too large")
        try:
            return getattr(math, name)(*values)
        except (TypeError, ValueError, OverflowError) as error:
            raise PythonRaises(f"math.{name}: {error}") from None

    return Primitive(name, call, gives="python")


def _dist(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    p, q = (to_array(value) for value in args)
    if kwargs or np.ndim(p) != 1 or np.shape(p) != np.shape(q):
        raise ValueProblem("math.dist takes two points of the same size", "np.linalg.norm(p - q)")
    return LINALG["norm"].call(evaluator, (evaluator.arithmetic("Sub", p, q),), {})


_MATH_NAMES = (
    "exp exp2 expm1 sqrt cbrt log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh "
    "asinh acosh atanh pow fabs copysign degrees radians isnan isfinite isinf fmod"
)
MATH: dict[str, Any] = {name: _on_numbers(name, NUMPY[name]) for name in _MATH_NAMES.split()}
MATH |= {name: getattr(math, name) for name in ("pi", "e", "inf", "nan", "tau")}
MATH |= {name: _to_int(name) for name in ("floor", "ceil", "trunc")}
MATH |= {"prod": _over("prod", "prod"), "fsum": _over("fsum", "sum")}
MATH["isclose"] = Primitive("isclose", _isclose, gives="python")
MATH["log"] = _on_numbers("log", Primitive("log", _log))
MATH["hypot"] = _on_numbers("hypot", Primitive("hypot", _hypot))
MATH["erf"] = _on_numbers("erf", entry("erf", jax.scipy.special.erf, np.positive))
MATH["remainder"] = Primitive("remainder", _remainder, gives="python")
MATH |= {name: _static(name) for name in "comb perm factorial gamma lgamma gcd lcm".split()}
MATH["dist"] = Primitive("dist", _dist, gives="python")
LINALG |= WIDE_LINALG
SCIPY_LINALG = {name: _of_scipy(name) for name in ("norm", "det", "inv", "solve")}
