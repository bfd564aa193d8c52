"""Numbers of Python and NumPy as JAX computes them: types, promotion and arithmetic.

JAX has no 64-bit numbers here: NumPy's int64 and float64 are kept in 32 bits, its sums of unsigned
numbers (uint64) in uint32. All narrower types are kept as they are, so uint8 wraps around at 256 as
in NumPy. Which type a result has follows NumPy 2, where Python's own numbers take the other side's.
"""

from __future__ import annotations

import operator
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs.values import (
    Array,
    Number,
    PythonRaises,
    ValueProblem,
    is_traced,
)

_WIDE = {"int32": np.int64, "float32": np.float64, "uint32": np.uint64}
_NARROW = {"int64": np.int32, "float64": np.float32, "uint64": np.uint32, "float16": np.float32}
_UNSIGNED = "the difference of two sums of unsigned numbers wraps around below zero in NumPy"

_WHOLE = tuple(map(np.dtype, ("bool", "uint8", "int8", "uint16", "int16", "int32", "uint32")))

OPERATORS = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
    "MatMult": operator.matmul,
}
COMPARISONS = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}


def narrow(dtype: Any) -> np.dtype:
    """The type in which numbers of a NumPy type are kept."""
    dtype = np.dtype(dtype)
    return np.dtype(_NARROW.get(dtype.name, dtype))


def dtype_of(value: Any) -> np.dtype:
    """The type in which a number is kept."""
    if isinstance(value, Number):
        return np.dtype(value.data.dtype)
    if isinstance(value, Array):
        return narrow(value.dtype)
    if isinstance(value, np.generic):
        return narrow(value.dtype)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**31:
        return np.dtype(np.float32)
    return narrow(np.asarray(value).dtype)


def is_python(value: Any) -> bool:
    """Whether a number is Python's own."""
    if isinstance(value, Number):
        return value.python
    return isinstance(value, bool | int | float) and not isinstance(value, np.generic)


def own(value: Any) -> Any:
    """Whether a number is Python's own: a bool, or a traced 0-d bool."""
    return value.own if isinstance(value, Number) else is_python(value)


def common(a: Any, b: Any) -> np.dtype:
    """The type for a number that has one type on one path and another on the other."""
    return a if a == b else narrow(np.promote_types(_nominal(a), _nominal(b)))


def data_of(value: Any) -> Any:
    """The number itself: Python's, NumPy's or a 0-d JAX array."""
    return value.data if isinstance(value, Number) else value


def made(data: Any, python: bool) -> Any:
    """A number of the evaluator."""
    if is_traced(data):
        return Number(data, python)
    if isinstance(data, np.ndarray):
        data = data[()]
    return data.item() if python and isinstance(data, np.generic) else data


def _nominal(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    return np.dtype(_WIDE.get(dtype.name, dtype))


def _kind(data: Any, python: bool) -> Any:
    """What NumPy's rules of promotion look at."""
    if python:
        kind = np.asarray(data).dtype.kind if not is_traced(data) else np.dtype(data.dtype).kind
        return {"b": False, "i": 0, "f": 0.0}.get(kind, 0)
    return _nominal(data.dtype)


def result_type(a: Any, b: Any, pythons: tuple[bool, bool]) -> np.dtype:
    """NumPy's type of a result of two operands, as it is kept."""
    kinds = [_kind(data, python) for data, python in zip((a, b), pythons, strict=True)]
    if all(pythons):
        return narrow(np.result_type(*(np.asarray(kind).dtype for kind in kinds)))
    for data, python, other in ((a, pythons[0], kinds[1]), (b, pythons[1], kinds[0])):
        whole = isinstance(other, np.dtype) and other.kind in "ui"
        if python and type(data) is int and whole and not _fits(data, np.dtype(other)):
            message = f"{data} is out of bounds for an array of {other}"
            raise PythonRaises(message, "convert the array first: x.astype(int)")
    return narrow(np.result_type(*kinds))


def _fits(value: int, dtype: np.dtype) -> bool:
    found = np.iinfo(dtype)
    return int(found.min) <= value <= int(found.max)


def binary(name: str, a: Any, b: Any, pythons: tuple[bool, bool]) -> tuple[Any, Any]:
    """`a op b` on plain data, and where Python raises (None: nowhere).

    Raises:
        PythonRaises: NumPy or Python refuses these types.
        ValueProblem: the result is not what NumPy's would be.
    """
    function = OPERATORS[name]
    if not (is_traced(a) or is_traced(b)):
        return _static(function, a, b), None
    if name == "Div" and all(np.dtype(jnp.asarray(_clipped(x)).dtype) in _WHOLE for x in (a, b)):
        return _divided(jnp.asarray(a), jnp.asarray(b), all(pythons))
    dtype = result_type(a, b, pythons)
    if dtype == np.uint32 and name in ("Sub",):
        raise ValueProblem(_UNSIGNED, "make them integers first: int(np.sum(x))")
    if name in ("BitAnd", "BitOr", "BitXor") and dtype.kind == "f":
        raise PythonRaises("a bitwise operation on floats", "use & of masks, or `and`")
    if dtype == np.bool_ and name not in ("BitAnd", "BitOr", "BitXor"):
        if all(pythons):
            dtype = np.dtype(np.int32)
        elif name == "Sub":
            raise PythonRaises("NumPy has no minus of truth values", "use .astype(int) first")
        elif name in ("Add", "Mult"):
            function = {"Add": operator.or_, "Mult": operator.and_}[name]
        else:
            dtype = np.dtype(np.int8)
    if dtype.kind != "f" and (name == "Div" or name == "Pow" and _negative(b)):
        dtype = np.dtype(np.float32)
    x, y = (jnp.asarray(_clipped(one)).astype(dtype) for one in (a, b))
    if name not in ("Div", "FloorDiv", "Mod"):
        return function(x, y), None
    zero = y == 0
    raised = jnp.any(zero) if all(pythons) else None
    if dtype.kind == "f" and raised is None:
        return function(x, y), None
    result = function(x, jnp.where(zero, jnp.ones((), dtype), y))
    return (result if dtype.kind == "f" else jnp.where(zero, 0, result).astype(dtype)), raised


def _divided(a: Any, b: Any, python: bool) -> tuple[Any, Any]:
    zero = b == 0
    result = quotient(a, jnp.where(zero, 1, b))
    if python:
        return result, jnp.any(zero)
    return jnp.where(zero, a.astype(jnp.float32) / 0.0, result), None


def quotient(a: Any, b: Any) -> Any:
    """`a / b` of whole numbers, b not 0, which is whole where the true quotient is.

    A float32 of large numbers is rounded before it is divided, and `int()` of the quotient may then
    be one less than it should.
    """
    a, b = a.astype(jnp.int32), b.astype(jnp.int32)
    whole = a // b
    return whole.astype(jnp.float32) + (a - whole * b).astype(jnp.float32) / b.astype(jnp.float32)


def _negative(value: Any) -> bool:
    return not is_traced(value) and bool(np.any(np.asarray(value) < 0))


def _clipped(value: Any) -> Any:
    """Python's large integers as floats, which JAX can hold."""
    return float(value) if type(value) is int and abs(value) >= 2**31 else value


def _static(function: Any, a: Any, b: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            result = function(a, b)
    except ZeroDivisionError:
        raise PythonRaises("division by zero", "test for zero first") from None
    except (TypeError, OverflowError, ValueError) as error:
        raise PythonRaises(str(error)[:120]) from None
    if isinstance(result, complex):
        raise ValueProblem("the result is a complex number")
    if isinstance(result, int) and abs(result) > 2**63:
        raise ValueProblem("the integer is too large", "use a float such as 1e6")
    return result


def compare(name: str, a: Any, b: Any) -> Any:
    """`a op b` of numbers and arrays, elementwise."""
    function = COMPARISONS[name]
    if not (is_traced(a) or is_traced(b)):
        return function(a, b)
    floats = any(np.dtype(getattr(one, "dtype", type(one))).kind == "f" for one in (a, b))
    dtype = jnp.float32 if floats else jnp.int32
    return function(*(jnp.asarray(_clipped(one)).astype(dtype) for one in (a, b)))


def cast(data: Any, dtype: Any) -> Any:
    """`data.astype(dtype)` of a NumPy type; floats become integers toward zero, and wrap."""
    if not is_traced(data):
        with np.errstate(all="ignore"):
            return np.asarray(data).astype(dtype)
    target = narrow(dtype)
    if np.dtype(data.dtype).kind == "f" and target.kind in "iu":
        data = jnp.trunc(jnp.clip(data, -(2.0**31), 2.0**31 - 128)).astype(jnp.int32)
    return data.astype(target)
