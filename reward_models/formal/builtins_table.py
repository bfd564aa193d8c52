"""Python's builtin functions and the methods that formal rewards may use.

The reductions keep Python's meaning on static values and become JAX operations on traced ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from reward_models.formal.numpy_table import NUMPY, bind, cast
from reward_models.formal.values import (
    MAX_ITEMS,
    Primitive,
    ValueProblem,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
    to_array,
    to_jax,
)


def scalar(value: Any, what: str = "a single number") -> Any:
    """A number, or an array of one element as a 0-d array.

    Raises:
        ValueProblem: anything else.
    """
    value = to_array(value)
    if np.size(value) != 1:
        raise ValueProblem(
            f"{what} is needed here, not {describe(value)}",
            "reduce it with np.sum, np.mean, np.max or np.linalg.norm",
        )
    if is_traced(value):
        return value.reshape(())
    return value.item() if isinstance(value, np.ndarray) else value


def _number(kind: str) -> Callable[..., Any]:
    python = {"float": float, "int": int, "bool": bool}[kind]

    def call(evaluator: Any, x: Any = 0) -> Any:
        if isinstance(x, list | tuple | dict) and kind == "bool":
            return bool(x)
        value = scalar(x)
        return cast(value, kind) if is_traced(value) else python(value)

    return call


def _extreme(name: str) -> Callable[..., Any]:
    joined = NUMPY[{"max": "maximum", "min": "minimum"}[name]]
    python = {"max": max, "min": min}[name]

    def call(evaluator: Any, *args: Any, default: Any = None) -> Any:
        values = list(args) if len(args) > 1 else evaluator.items(args[0])
        if not values:
            if default is None:
                raise ValueProblem(f"{name}() of nothing")
            return default
        if not holds_traced(values):
            return python(values)
        values = [scalar(value) for value in values]
        return reduce(lambda a, b: joined.call(evaluator, (a, b), {}), values)

    return call


def _sum(evaluator: Any, values: Any, start: Any = 0) -> Any:
    return reduce(lambda a, b: evaluator.arithmetic("Add", a, b), evaluator.items(values), start)


def _truth(name: str) -> Callable[..., Any]:
    join = {"any": jnp.logical_or, "all": jnp.logical_and}[name]

    def call(evaluator: Any, values: Any) -> Any:
        truths = [evaluator.truth(value) for value in evaluator.items(values)]
        if holds_traced(truths):
            return reduce(join, truths)
        return any(truths) if name == "any" else all(truths)

    return call


def _round(evaluator: Any, x: Any, ndigits: int | None = None) -> Any:
    value = scalar(x)
    if not is_traced(value):
        return round(value, ndigits)
    if ndigits is None:
        return jnp.round(value).astype(jnp.int32)
    return jnp.round(value, ndigits)


def _len(evaluator: Any, x: Any) -> int:
    if is_array(x) and not x.ndim or not (is_array(x) or isinstance(x, list | tuple | dict | str)):
        raise ValueProblem(f"len() of {describe(x)}")
    return len(x)


def _range(evaluator: Any, *bounds: Any) -> tuple:
    if holds_traced(bounds):
        raise ValueProblem(
            "range() needs constants, not values of the observation or action",
            "loop over a constant range and use np.where inside",
        )
    values = range(*bounds)
    if len(values) > MAX_ITEMS:
        raise ValueProblem(f"range() of {len(values)} steps is too long")
    return tuple(values)


def _dict(evaluator: Any, items: Any = (), **named: Any) -> dict:
    return dict(items if isinstance(items, dict) else evaluator.items(items)) | named


def _zip(evaluator: Any, *sequences: Any, strict: bool = False) -> list:
    return list(zip(*(evaluator.items(s) for s in sequences), strict=bool(strict)))


def _static(python: Callable[..., Any]) -> Callable[..., Any]:
    def call(evaluator: Any, values: Any, reverse: bool = False) -> Any:
        items = evaluator.items(values)
        if holds_traced(items):
            raise ValueProblem("sorted() needs constants", "use np.sort")
        return python(items, reverse=bool(reverse))

    return call


def _on_evaluator(name: str, function: Callable[..., Any]) -> Primitive:
    return Primitive(name, lambda evaluator, args, kwargs: function(evaluator, *args, **kwargs))


BUILTINS: dict[str, Any] = {
    name: _on_evaluator(name, function)
    for name, function in {
        "sum": _sum,
        "max": _extreme("max"),
        "min": _extreme("min"),
        "any": _truth("any"),
        "all": _truth("all"),
        "float": _number("float"),
        "int": _number("int"),
        "bool": _number("bool"),
        "round": _round,
        "len": _len,
        "range": _range,
        "dict": _dict,
        "zip": _zip,
        "sorted": _static(sorted),
        "list": lambda evaluator, x=(): list(evaluator.items(x)),
        "tuple": lambda evaluator, x=(): tuple(evaluator.items(x)),
        "reversed": lambda evaluator, x: evaluator.items(x)[::-1],
        "enumerate": lambda evaluator, x, start=0: list(enumerate(evaluator.items(x), start)),
        "pow": lambda evaluator, x, y: evaluator.arithmetic("Pow", x, y),
    }.items()
}
BUILTINS["abs"] = NUMPY["abs"]
BUILTINS["print"] = Primitive("print", lambda evaluator, args, kwargs: None)

_FROM_NUMPY = (
    "sum mean std var min max prod any all argmax argmin dot clip round cumsum ravel squeeze "
    "transpose"
)
ARRAY_METHODS = tuple(_FROM_NUMPY.split()) + (
    "copy",
    "astype",
    "flatten",
    "reshape",
    "item",
    "tolist",
)
PROPERTIES = ("shape", "size", "T", "ndim")
CONTAINER_METHODS = {
    dict: ("values", "items", "keys", "get", "update", "copy", "pop", "setdefault"),
    list: ("append", "extend", "copy", "index", "insert", "pop"),
    tuple: ("index",),
    str: (),
}
METHOD_NAMES = frozenset(
    (*ARRAY_METHODS, *PROPERTIES, *(n for names in CONTAINER_METHODS.values() for n in names))
)


def call_method(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """Call a method of an array, number, list, tuple or dict."""
    if not (is_number(owner) or is_array(owner)):
        if name in ("index", "pop", "insert", "setdefault", "get") and holds_traced(args[:1]):
            raise ValueProblem(f".{name}() needs a constant here")
        if name == "extend":
            args = (evaluator.items(args[0]),)
        if name == "update" and args and not isinstance(args[0], dict):
            args = (_dict(evaluator, *args),)
        if name == "index" and holds_traced(owner):
            raise ValueProblem(".index() needs constants", "use np.argmax")
        result = getattr(owner, name)(*args, **kwargs)
        return list(result) if name in ("values", "items", "keys") else result
    if name == "item" and not args and not kwargs:
        return scalar(owner)
    if name == "astype":
        return cast(owner, bind("astype", ("dtype",), args, kwargs)["dtype"])
    if name == "tolist" and not args:
        return list(map(lambda row: to_array(row), evaluator.items(owner)))
    if name == "flatten":
        return to_jax(owner).reshape(-1) if is_traced(owner) else np.ravel(owner)
    if name == "copy":
        return owner + 0 if not is_traced(owner) else jnp.array(owner, copy=True)
    if name in ("reshape", "transpose"):
        shape = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        if name == "reshape":
            return owner.reshape(tuple(shape))
        return owner.transpose(*shape)
    return NUMPY[name].call(evaluator, (owner, *args), kwargs)
