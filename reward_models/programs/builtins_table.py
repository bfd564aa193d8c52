"""Python's builtin functions, and `math`, for image programs."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import iteration, numbers
from core_jax.reward_models.programs.values import (
    Array,
    Class,
    Dict,
    Instance,
    List,
    Number,
    Primitive,
    PythonRaises,
    Text,
    Type,
    ValueProblem,
    describe,
    is_number,
    is_traced,
)


def _abs(evaluator: Any, value: Any) -> Any:
    data = evaluator.data(value)
    found = jnp.abs(data) if is_traced(data) else abs(data)
    return evaluator.wrapped(found, numbers.is_python(value), getattr(value, "ragged", None))


def _round(evaluator: Any, value: Any, digits: Any = None) -> Any:
    data = evaluator.data(value)
    if not is_traced(data):
        return round(data, digits) if digits is not None else round(data)
    found = jnp.round(data.astype(jnp.float32), digits or 0)
    return numbers.made(numbers.cast(found, "int64") if digits is None else found, True)


def _print(evaluator: Any, *values: Any, **options: Any) -> None:
    """`print`: what it shows is not needed."""


def _tuple(evaluator: Any, value: Any = ()) -> Any:
    size = evaluator.size(value)
    return evaluator.list_of(value) if isinstance(size, Number) else evaluator.collected(value)


def _list(evaluator: Any, value: Any = ()) -> Any:
    return evaluator.list_of(value)


def _dict(evaluator: Any, value: Any = None, **entries: Any) -> Dict:
    held = {} if value is None else dict(evaluator.store.get(value))
    return Dict(held | entries)


def _isinstance(evaluator: Any, value: Any, kinds: Any) -> Any:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    names = {getattr(kind, "name", "") for kind in kinds}
    if isinstance(value, Array):
        return "ndarray" in names
    if is_number(value):
        dtype = numbers.dtype_of(value).kind
        return {"b": "bool", "i": "int", "u": "int", "f": "float"}[dtype] in names
    held = {tuple: "tuple", List: "list", Dict: "dict", str: "str"}.get(type(value), "")
    if isinstance(value, Instance):
        return any(isinstance(kind, Class) and kind is value.cls for kind in kinds)
    return held in names


def _hasattr(evaluator: Any, owner: Any, name: Any) -> Any:
    if not isinstance(owner, Instance) or not isinstance(name, str):
        raise ValueProblem("hasattr() of anything but `self`", "set a flag in __init__")
    if name in owner.cls.names:
        return True
    return evaluator.compare("In", name, Dict(evaluator.store.get(owner)))


def _pow(evaluator: Any, a: Any, b: Any) -> Any:
    return evaluator.arithmetic("Pow", a, b)


def _divmod(evaluator: Any, a: Any, b: Any) -> Any:
    return (evaluator.arithmetic("FloorDiv", a, b), evaluator.arithmetic("Mod", a, b))


_WHOLE = {"len", "print", "isinstance", "any", "all", "list", "tuple"}
BUILTINS: dict[str, Any] = {
    name: Primitive(name, call, name in _WHOLE)
    for name, call in {
        "len": iteration.length,
        "range": iteration.range_of,
        "enumerate": iteration.enumerated,
        "zip": iteration.zipped,
        "map": iteration.map_of,
        "reversed": iteration.backwards,
        "filter": iteration.filtered,
        "max": iteration.extreme(True),
        "min": iteration.extreme(False),
        "sum": iteration.summed,
        "sorted": iteration.in_order,
        "any": iteration.any_of,
        "all": iteration.all_of,
        "abs": _abs,
        "round": _round,
        "print": _print,
        "tuple": _tuple,
        "list": _list,
        "dict": _dict,
        "hasattr": _hasattr,
        "isinstance": _isinstance,
        "pow": _pow,
        "divmod": _divmod,
    }.items()
}
BUILTINS |= {name: Type(name) for name in ("int", "float", "bool", "str")}
BUILTINS |= {"object": Class("object", {})}
EXCEPTIONS = frozenset(
    "Exception ValueError IndexError KeyError TypeError ZeroDivisionError AttributeError "
    "RuntimeError BaseException ArithmeticError".split()
)


def converted(evaluator: Any, kind: Type, value: Any = 0) -> Any:
    """`int(value)`, `float(value)`, `np.uint8(value)` and so on."""
    name = kind.name
    if name == "bool":
        return numbers.made(evaluator.truth(value), True)
    if name == "str":
        return value if isinstance(value, str) else Text()
    if isinstance(value, str | Text) or value is None:
        raise PythonRaises(f"{name}() of {describe(value)}")
    data = evaluator.data(value)
    if name in ("int", "float"):
        if np.size(data) != 1 or np.ndim(data) and getattr(value, "ragged", None) is not None:
            raise PythonRaises(f"{name}() of {describe(value)}", "reduce it first, or index it")
        data = data.reshape(()) if np.ndim(data) else data
        if not is_traced(data):
            if isinstance(data, float | np.floating) and not math.isfinite(data) and name == "int":
                raise PythonRaises(f"int() of {data}")
            return (int if name == "int" else float)(data)
        if name == "int" and np.dtype(data.dtype).kind == "f":
            evaluator.raises(~jnp.isfinite(data), "int() of NaN or infinity", "test for it first")
        return numbers.made(numbers.cast(data, "int64" if name == "int" else "float64"), True)
    from core_jax.reward_models.programs.attributes import astype

    return astype(evaluator, value, kind)


def _math(name: str) -> Primitive:
    def call(evaluator: Any, *values: Any) -> Any:
        if not all(is_number(one) for one in values):
            raise PythonRaises(f"math.{name} takes numbers")
        data = [numbers.data_of(one) for one in values]
        if not any(map(is_traced, data)):
            try:
                return getattr(math, name)(*data)
            except (ValueError, OverflowError) as error:
                raise PythonRaises(f"math.{name}: {error}") from None
        wide = [jnp.asarray(one, jnp.float32) for one in data]
        found = getattr(jnp, _JAX_NAMES.get(name, name))(*wide)
        if name in ("sqrt", "log"):
            evaluator.raises(wide[0] < 0 if name == "sqrt" else wide[0] <= 0, f"math.{name}")
        whole = name in ("floor", "ceil", "trunc")
        return numbers.made(numbers.cast(found, "int64") if whole else found, True)

    return Primitive(f"math.{name}", call)


_JAX_NAMES = {"atan2": "arctan2", "fabs": "abs", "pow": "power", "asin": "arcsin",
              "acos": "arccos", "atan": "arctan", "log1p": "log1p"}  # fmt: skip
MATH: dict[str, Any] = {
    name: _math(name)
    for name in "sqrt exp log log2 log10 sin cos tan atan2 atan asin acos hypot floor ceil trunc "
    "fabs pow degrees radians tanh isnan isinf isfinite".split()
}
MATH |= {name: getattr(math, name) for name in ("pi", "e", "inf", "nan", "tau")}
