"""The methods and attributes that the values of formal rewards have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.builtins_table import to_dict
from core_jax.reward_models.formal.entries import bind, cast, scalar
from core_jax.reward_models.formal.iterables import View
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.values import (
    ValueProblem,
    holds_traced,
    is_array,
    is_number,
    is_traced,
    to_jax,
)

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
SHAPERS = ("astype", "copy", "reshape", "squeeze", "transpose")
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
            args = (to_dict(evaluator, *args),)
        if name == "index" and holds_traced(owner):
            raise ValueProblem(".index() needs constants", "use np.argmax")
        if name in ("values", "items", "keys") and not args and not kwargs:
            return View(owner, name)
        return getattr(owner, name)(*args, **kwargs)
    kinds = evaluator.memory.kinds
    if name == "item" and not args and not kwargs:
        return kinds.as_python(fresh(scalar(owner), (owner,)))
    if name == "clip":
        bound = bind("clip", ("min", "max"), args, kwargs)
        return NUMPY[name].call(evaluator, (owner, bound.get("min"), bound.get("max")), {})
    if name == "astype":
        return cast(owner, bind("astype", ("dtype",), args, kwargs)["dtype"])
    if name == "tolist" and not args:
        return [row if np.ndim(row) else kinds.as_python(row) for row in evaluator.items(owner)]
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
