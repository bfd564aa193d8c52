"""The methods and attributes that the values of formal rewards have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import bind, cast, scalar
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.texts import braces
from core_jax.reward_models.formal.values import (
    PythonRaises,
    Text,
    ValueProblem,
    is_array,
    is_number,
    is_traced,
)
from core_jax.reward_models.formal.whole_numbers import check_cast

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
    "fill",
    "sort",
    "argsort",
    "nonzero",
    "take",
    "repeat",
    "swapaxes",
    "diagonal",
    "trace",
    "ptp",
    "cumprod",
    "conj",
)
MUTATORS = frozenset(
    "fill update pop setdefault append extend insert sort reverse remove clear".split()
)
# Functions and methods whose result may share memory with their first argument; these are only
# run on positions, which tell whether it does.
VIEWS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        "asarray ravel reshape transpose squeeze expand_dims atleast_1d atleast_2d atleast_3d flip "
        "flipud fliplr rot90 swapaxes moveaxis diag diagonal broadcast_to real"
    ).split()
}
SHAPERS = ("astype", "copy", "reshape", "squeeze", "transpose")
PROPERTIES = ("shape", "size", "T", "ndim", "flat")
CONTAINER_METHODS = {
    dict: ("values", "items", "keys", "get", "update", "copy", "pop", "setdefault", "clear"),
    list: tuple("append extend copy index insert pop sort reverse count remove clear".split()),
    tuple: ("index", "count"),
    str: tuple(
        "format join lower upper strip lstrip rstrip title capitalize replace startswith endswith "
        "split count find isdigit".split()
    ),
}
METHOD_NAMES = frozenset(
    (*ARRAY_METHODS, *PROPERTIES, *(n for names in CONTAINER_METHODS.values() for n in names))
)


def call_method(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """Call a method of an array, number, list, tuple or dict."""
    if not (is_number(owner) or is_array(owner)):
        if isinstance(owner, tuple):
            return evaluator._found_in(owner, name, *args)
        return _text_method(evaluator, owner, name, args, kwargs)
    kinds = evaluator.memory.kinds
    if name in SHAPERS or name in ("flatten", "tolist", "conj"):
        _check_options(name, args, kwargs)
    if name == "item" and not args and not kwargs:
        return kinds.as_python(fresh(scalar(owner), (owner,)))
    if name == "clip":
        bound = bind("clip", ("min", "max"), args, kwargs)
        return NUMPY[name].call(evaluator, (owner, bound.get("min"), bound.get("max")), {})
    if name == "fill":
        return evaluator.set_item(owner, slice(None) if np.ndim(owner) else (), *args)
    if name == "sort":
        if kwargs or args:
            raise ValueProblem(".sort() takes no options here", "use np.sort(x, axis)")
        return evaluator.set_item(owner, slice(None), NUMPY["sort"].call(evaluator, (owner,), {}))
    if name == "conj":
        return owner
    if name == "item" and len(args) == np.ndim(owner) > 1 and not kwargs:
        return kinds.as_python(fresh(scalar(evaluator.item(to_array(owner), args)), (owner,)))
    if name == "item" and len(args) == 1 and not kwargs and isinstance(args[0], int):
        if not -np.size(owner) <= args[0] < np.size(owner):
            raise PythonRaises(f"index {args[0]} is out of range for {np.size(owner)} elements")
        return kinds.as_python(fresh(to_array(owner).reshape(-1)[args[0]], (owner,)))
    if name == "astype":
        dtype = bind("astype", ("dtype",), args, kwargs)["dtype"]
        check_cast(evaluator, owner, dtype)
        return cast(owner, dtype)
    if name == "tolist" and not args:
        if not np.ndim(owner):
            return kinds.as_python(fresh(scalar(owner), (owner,)))
        rows = evaluator.items(owner)
        return [call_method(evaluator, row, name, (), {}) for row in rows]
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


def _check_options(name: str, args: tuple, kwargs: dict) -> None:
    """Refuse the options of a change of shape that would be passed over."""
    given = {key: value for key, value in kwargs.items() if key not in ("dtype", "axis", "axes")}
    order = given.pop("order", args[0] if name in ("flatten", "copy") and args else "C")
    if order not in ("C", "K", "A") or given:
        option = f"order={order!r}" if not given else next(iter(given))
        raise ValueProblem(f".{name}() has no option {option} here", "use .T, or an index")


def _text_method(evaluator: Any, owner: str, name: str, args: tuple, kwargs: dict) -> Any:
    """A method of a string of constants."""
    if name == "format":
        return braces(owner, args, kwargs)
    if name == "join":
        parts = evaluator.items(args[0])
        if any(isinstance(part, Text) for part in parts):
            return Text()
        args = (parts,)
    if not all(isinstance(one, str | list | tuple | int) for one in args):
        raise ValueProblem(f"str.{name}() needs constants here")
    if name == "replace" and len(args) > 1 and len(owner) * len(args[1]) > 10_000:
        raise ValueProblem("the string is too long")
    return getattr(owner, name)(*args, **kwargs)
