"""Python's builtin functions and the methods that formal rewards may use.

The reductions keep Python's meaning on static values and become JAX operations on traced ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from reward_models.formal.entries import bind, cast, scalar
from reward_models.formal.iterables import Lazy, Rows, View
from reward_models.formal.numpy_table import NUMPY
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

_CONTAINERS, _SCALARS = ("list", "tuple", "dict", "str"), ("float", "int", "bool")
_NON_NUMBERS = ("inf", "infinity", "nan")


def _number(kind: str) -> Callable[..., Any]:
    python = {"float": float, "int": int, "bool": bool}[kind]

    def call(evaluator: Any, x: Any = 0) -> Any:
        if isinstance(x, list | tuple | dict) and kind == "bool":
            return bool(x)
        if kind == "float" and isinstance(x, str) and x.strip("+-").lower() in _NON_NUMBERS:
            return float(x)
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
    if isinstance(x, View):
        return len(x.owner)
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
    parts = [_part(evaluator, values) for values in sequences]
    found = Lazy("zip", parts, lambda *row: row)
    if strict and len(set(found.sizes)) > 1:
        raise ValueProblem(f"zip() of different lengths: {found.sizes}")
    return found


def _sorted(evaluator: Any, values: Any, key: Any = None, reverse: bool = False) -> list:
    items = evaluator.items(values)
    keys = items if key is None else [evaluator.apply_to(key, item) for item in items]
    if keys and all(isinstance(one, tuple) and one for one in keys):
        first = [one[0] for one in keys]
        if not holds_traced(first) and len(set(first)) == len(first):
            keys = first  # as of a dict's items: what follows decides nothing
    if holds_traced(keys):
        if key is not None:
            raise ValueProblem("sorted() with a key needs constants", "use np.sort")
        ordered = list(jnp.sort(jnp.stack([to_jax(scalar(item)) for item in items])))
        return ordered[::-1] if reverse else ordered
    order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
    return [items[i] for i in order]


def _map(evaluator: Any, function: Any, *sequences: Any) -> list:
    parts = [_part(evaluator, values) for values in sequences]
    return Lazy("map", parts, lambda *row: evaluator.apply_to(function, *row))


def _enumerate(evaluator: Any, iterable: Any, start: int = 0) -> Lazy:
    part = _part(evaluator, iterable)
    count = len(part) if isinstance(part, list) else part.count
    return Lazy("enumerate", [list(range(start, start + count)), part], lambda *row: row)


def _reversed(evaluator: Any, sequence: Any) -> Lazy:
    if isinstance(sequence, Lazy):
        raise ValueProblem(f"reversed() of {describe(sequence)}", "make a list of it first")
    return Lazy("reversed", [_part(evaluator, sequence)], lambda item: item, backwards=True)


def _part(evaluator: Any, values: Any) -> Any:
    """What an iterator reads from: a list, iterator or array, or the items of anything else."""
    values = evaluator.rows(values)
    return values if isinstance(values, list | Lazy | Rows) else evaluator.items(values)


def _filter(evaluator: Any, function: Any, values: Any) -> list:
    items = evaluator.items(values)
    truths = [evaluator.truth(evaluator.apply_to(function, item)) for item in items]
    if holds_traced(truths):
        raise ValueProblem("filter() needs constants", "use np.where or multiply by a condition")
    return [item for item, kept in zip(items, truths, strict=True) if kept]


def _divmod(evaluator: Any, x: Any, y: Any) -> tuple:
    return evaluator.arithmetic("FloorDiv", x, y), evaluator.arithmetic("Mod", x, y)


def _str(evaluator: Any, x: Any = "") -> str:
    return str(x) if is_number(x) or isinstance(x, str) else "..."


def _slice(evaluator: Any, *bounds: Any) -> slice:
    if holds_traced(bounds):
        raise ValueProblem("slice() needs constants")
    return slice(*bounds)


def _isinstance(evaluator: Any, value: Any, kinds: Any) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    names = {kind.name for kind in kinds if isinstance(kind, Primitive)}
    if len(names) < len(kinds) or not names <= {*_CONTAINERS, "ndarray", *_SCALARS}:
        raise ValueProblem("isinstance() takes types of Python and np.ndarray here")
    if is_number(value) or is_array(value) and not value.ndim:
        if names & {*_SCALARS, "ndarray"}:  # float or np.float32? that is lost in lowering
            raise ValueProblem("the type of a number is not known here", "use float(x)")
        return False
    kind = "ndarray" if is_array(value) else type(value).__name__
    return kind in names


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
        "sorted": _sorted,
        "map": _map,
        "filter": _filter,
        "divmod": _divmod,
        "str": _str,
        "list": lambda evaluator, x=(): list(evaluator.items(x)),
        "tuple": lambda evaluator, x=(): tuple(evaluator.items(x)),
        "reversed": _reversed,
        "enumerate": _enumerate,
        "slice": _slice,
        "isinstance": _isinstance,
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
MUTATORS = frozenset("update pop setdefault append extend insert".split())
# Functions and methods whose result may share memory with their first argument; these are only
# run on positions, which tell whether it does.
VIEWS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in "asarray ravel reshape transpose squeeze expand_dims atleast_1d flip diag".split()
}
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
        if name in ("values", "items", "keys") and not args and not kwargs:
            return View(owner, name)
        return getattr(owner, name)(*args, **kwargs)
    if name == "item" and not args and not kwargs:
        return scalar(owner)
    if name == "astype":
        return cast(owner, bind("astype", ("dtype",), args, kwargs)["dtype"])
    if name == "tolist" and not args:
        return list(map(lambda row: to_array(row), evaluator.items(owner)))
    if name == "flatten":
        return to_jax(owner).reshape(-1) if is_traced(owner) else np.ravel(owner)
    if name == "copy":
        return jnp.array(owner, copy=True) if is_traced(owner) else np.array(owner)
    if name in ("reshape", "transpose"):
        shape = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        if name == "reshape":
            return owner.reshape(tuple(shape))
        return owner.transpose(*shape)
    return NUMPY[name].call(evaluator, (owner, *args), kwargs)
