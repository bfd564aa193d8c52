"""Attributes and methods of the values of an image program, but those of its own classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.reductions import REDUCTIONS, reduced
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    List,
    Method,
    Module,
    PythonRaises,
    Record,
    Text,
    Type,
    Unset,
    ValueProblem,
    describe,
    is_number,
    is_traced,
)

_ARRAY = frozenset(
    (*REDUCTIONS, "astype", "copy", "reshape", "flatten", "ravel", "tolist", "item", "clip")
) | frozenset(("nonzero", "transpose", "squeeze", "round", "fill", "sort", "dot", "view"))
_LIST = frozenset("append extend index count reverse sort copy pop insert clear remove".split())
_DICT = frozenset("get keys values items update copy setdefault".split())
_STR = frozenset("lower upper strip format join startswith endswith replace split".split())


def of(evaluator: Any, owner: Any, name: str) -> Any:
    """`owner.name`.

    Raises:
        PythonRaises, ValueProblem: it has no such attribute, or not here.
    """
    if isinstance(owner, Module):
        path = f"{owner.name}.{name}"
        if path in evaluator.modules:
            return Module(path)
        table = evaluator.modules.get(owner.name, {})
        if name in table:
            return table[name]
        hint = evaluator.hints.get(path, evaluator.hints.get(owner.name, ""))
        raise ValueProblem(f"`{path}` is not available", hint)
    if isinstance(owner, Array) or is_number(owner):
        found = _of_array(evaluator, owner, name)
        if found is not None:
            return found
    methods = {List: _LIST, Dict: _DICT, str: _STR, tuple: frozenset(("index", "count"))}
    if name in methods.get(type(owner), ()) or isinstance(owner, Text) and name in _STR:
        return Method(owner, name)
    if isinstance(owner, Record):
        return owner.attribute(evaluator, name)
    raise PythonRaises(f"{describe(owner)} has no `.{name}`", "use functions of numpy and cv2")


def _of_array(evaluator: Any, owner: Any, name: str) -> Any:
    if name == "shape":
        return evaluator.shape_of(owner) if isinstance(owner, Array) else ()
    if name == "size" and isinstance(owner, Array):
        product: Any = 1
        for size in evaluator.shape_of(owner):
            product = evaluator.arithmetic("Mult", product, size)
        return product
    if name == "ndim":
        return len(owner.shape) if isinstance(owner, Array) else 0
    if name == "dtype":
        return Type(numbers.dtype_of(owner).name)
    if name == "T" and isinstance(owner, Array):
        return evaluator.wrapped(_plain(evaluator, owner, ".T").T)
    return Method(owner, name) if name in _ARRAY else None


def _plain(evaluator: Any, owner: Array, what: str) -> Any:
    if owner.ragged is not None:
        raise ValueProblem(f"{what} of an array whose size depends on the picture")
    return evaluator.data(owner)


def call(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """Call a method."""
    if isinstance(owner, List):
        return _list_method(evaluator, owner, name, args, kwargs)
    if isinstance(owner, Dict):
        return _dict_method(evaluator, owner, name, args)
    if isinstance(owner, tuple):
        return getattr(owner, name)(*args)
    if isinstance(owner, str | Text):
        plain = isinstance(owner, str) and all(isinstance(one, str | int) for one in args)
        return getattr(owner, name)(*args) if plain and not kwargs else Text()
    if name in REDUCTIONS:
        return reduced(evaluator, name, owner, *args, **kwargs)
    return _array_method(evaluator, owner, name, args, kwargs)


def _array_method(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    ragged = getattr(owner, "ragged", None)
    if name == "astype":
        kind = args[0] if args else kwargs["dtype"]
        return astype(evaluator, owner, kind)
    if name == "copy":
        data = evaluator.data(owner)
        return Array(data, ragged) if isinstance(owner, Array) else owner
    if name in ("clip", "round", "sort", "dot", "squeeze", "transpose", "nonzero"):
        if name == "sort":
            raise ValueProblem("an array is sorted in place", "use np.sort(x)")
        return evaluator.modules["numpy"][name].call(evaluator, owner, *args, **kwargs)
    data = _plain(evaluator, owner, f".{name}()") if isinstance(owner, Array) else (
        numbers.data_of(owner))  # fmt: skip
    if name == "item":
        if np.size(data) != 1 or args:
            raise PythonRaises(".item() of an array of several elements", "index it first")
        return numbers.made(data.reshape(()) if np.ndim(data) else data, True)
    if name == "tolist":
        return listed(evaluator, owner)
    if name in ("flatten", "ravel"):
        return evaluator.wrapped(data.reshape(-1))
    if name == "reshape":
        shape = args[0] if len(args) == 1 and isinstance(args[0], tuple | List) else args
        shape = evaluator.collected(shape)
        if not all(isinstance(one, int) for one in shape):
            raise ValueProblem("a shape that depends on the picture")
        return evaluator.wrapped(data.reshape(shape))
    if name == "fill":
        return evaluator.set_item(owner, slice(None), *args)
    raise ValueProblem(f".{name}() is not available", "use functions of numpy")


def listed(evaluator: Any, value: Any) -> Any:
    """`value.tolist()`."""
    if not isinstance(value, Array):
        return numbers.made(numbers.data_of(value), True)
    return List(tuple(listed(evaluator, one) for one in evaluator.collected(value)))


def type_name(kind: Any) -> str:
    """The NumPy name of a type of numbers.

    Raises:
        ValueProblem: it is none.
    """
    names = {"float": "float64", "int": "int64", "bool": "bool", "uint": "uint64"}
    name = kind.name if isinstance(kind, Type) else kind
    name = names.get(name, name) if isinstance(name, str) else ""
    try:
        found = np.dtype(name)
    except TypeError:
        found = np.dtype(object)
    if not name or found.kind not in "biuf":
        raise ValueProblem(f"{describe(kind)} is not a type of numbers", "use np.uint8, np.float32")
    return found.name


def astype(evaluator: Any, value: Any, kind: Any) -> Any:
    """`value.astype(kind)`."""
    data = evaluator.data(value)
    dtype = np.dtype(type_name(kind))
    if not is_traced(data):
        found = numbers.cast(data, dtype)
        return Array(found) if found.ndim else found[()]
    return evaluator.wrapped(numbers.cast(data, dtype), False, getattr(value, "ragged", None))


def _list_method(evaluator: Any, owner: List, name: str, args: tuple, kwargs: dict) -> Any:
    if name == "append":
        return evaluator.append(owner, *args)
    if name == "extend":
        evaluator.each(args[0], lambda item: evaluator.append(owner, item))
        return None
    if name == "copy":
        return List(evaluator.store.get(owner))
    if name == "clear":
        return evaluator.store.set(owner, ())
    if name == "sort":
        found = evaluator.builtins["sorted"].call(evaluator, owner, *args, **kwargs)
        return evaluator.store.set(owner, evaluator.store.get(found))
    held = evaluator.store.get(owner)
    if not isinstance(held, tuple):
        raise ValueProblem(f".{name}() of a list whose length depends on the picture")
    items = list(held)
    if name == "pop" and (not args or isinstance(args[0], int)):
        if not items:
            raise PythonRaises("pop from an empty list")
        found = items.pop(*args)
    elif name == "insert" and isinstance(args[0], int):
        found = items.insert(*args)
    elif name == "reverse":
        found = items.reverse()
    else:
        raise ValueProblem(f".{name}() of a list is not available", "use indices, or a loop")
    evaluator.store.set(owner, tuple(items))
    return found


def _dict_method(evaluator: Any, owner: Dict, name: str, args: tuple) -> Any:
    held = evaluator.store.get(owner)
    if name == "copy":
        return Dict(held)
    if name == "update":
        evaluator.store.set(owner, {**held, **evaluator.store.get(args[0])})
        return None
    if name in ("get", "setdefault"):
        key, default = args[0], args[1] if len(args) > 1 else None
        found = held.get(key, Unset("entry"))
        if isinstance(found, Unset):
            found = default
        elif isinstance(found, Choice):
            found = evaluator.over(
                Choice(
                    found.conditions,
                    tuple(default if isinstance(one, Unset) else one for one in found.values),
                ),
                lambda one: one,
            )
        if name == "setdefault":
            evaluator.set_item(owner, key, found)
        return found
    for key, value in held.items():
        evaluator.present(value, f"the entry {key!r}")
    if name == "keys":
        return tuple(held)
    if name == "values":
        return tuple(held.values())
    return tuple(held.items())
