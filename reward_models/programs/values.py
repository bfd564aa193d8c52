"""The values that an image program handles while it is lowered.

Static values are Python's own numbers, strings, tuples and None. What is known only at run time is
a `Number` or an `Array`, which hold JAX arrays in the narrow types of `numbers.py`. Objects that
Python changes in place (arrays, lists, dicts, instances, local names) are `Cell`s: what they hold
now is kept in the evaluator's store, so that the two sides of a condition can be run from one start
and joined.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from core_jax.reward_models.formal.values import PythonRaises, ValueProblem

__all__ = ["PythonRaises", "ValueProblem"]

_serial = itertools.count()


class Cell:
    """An object that is changed in place; `initial` is what it holds where the store has nothing.

    Attributes:
        serial: cells made later have a higher number.
    """

    def __init__(self, initial: Any):
        self.initial = initial
        self.serial = next(_serial)


class Array(Cell):
    """An array of NumPy with at least one dimension; holds a NumPy or JAX array.

    Attributes:
        ragged: how much of the array is really there, if that is known only at run time.
        base: the array whose memory this one shares, as a slice does.
    """

    def __init__(self, data: Any, ragged: Any = None, base: Array | None = None):
        super().__init__(data)
        self.ragged, self.base = ragged, base

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is held; that is more than is there if the array is ragged."""
        return tuple(self.initial.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.initial.dtype)


class List(Cell):
    """A list; holds a tuple of its items, or a `Stack`."""


class Dict(Cell):
    """A dict; holds a dict of its entries that is never changed."""


class Instance(Cell):
    """An object of a class of the source; holds a dict of its attributes."""

    def __init__(self, cls: Class, initial: dict[str, Any]):
        super().__init__(initial)
        self.cls = cls


class Scope(Cell):
    """The names of one call; holds a dict."""

    def __init__(self, initial: dict[str, Any], parent: Scope | None = None):
        super().__init__(initial)
        self.parent = parent


@dataclass(frozen=True, eq=False)
class Number:
    """A number that is known only at run time.

    Attributes:
        data: 0-d array.
        python: whether it is Python's own (division by zero raises) and not NumPy's.
        sometimes: where that depends on the path, whether it is: 0-d bool.
        ratio: an int32 and a constant that it is the quotient of, where `data` is rounded.
    """

    data: Any
    python: bool = False
    ratio: tuple[Any, int] | None = None
    sometimes: Any = None

    @property
    def own(self) -> Any:
        """Whether it is Python's own: a bool, or a traced 0-d bool."""
        return self.python if self.sometimes is None else self.sometimes


@dataclass(frozen=True, eq=False)
class Window:
    """The extent of a slice whose bounds are known only at run time: it begins at the origin.

    Attributes:
        height, width: 0-d int32.
    """

    height: jax.Array
    width: jax.Array

    def parts(self) -> tuple:
        return (self.height, self.width)


@dataclass(frozen=True, eq=False)
class Picked:
    """The elements that a mask picks: [N] bool, along the first axis of the array."""

    member: jax.Array

    def parts(self) -> tuple:
        return (self.member,)


@dataclass(frozen=True, eq=False)
class Stack:
    """The contents of a list whose length is known only at run time.

    Attributes:
        element: the structure of one item (a node of `structures.py`).
        leaves: the arrays of all items, each with a leading axis of the list's capacity.
        length: 0-d int32.
    """

    element: Any
    leaves: tuple
    length: Any


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several values that do not fit into one; exactly one of the conditions holds."""

    conditions: tuple
    values: tuple


@dataclass(frozen=True)
class Unset:
    """Stands for the value of a name, attribute or entry on the paths on which it has none.

    Attributes:
        what: of what, as in "`x`".
    """

    what: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the source."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Any]

    @property
    def name(self) -> str:
        return getattr(self.node, "name", "lambda")


@dataclass(frozen=True, eq=False)
class Class:
    """A class of the source: its functions and constants."""

    name: str
    names: dict[str, Any]
    static: frozenset[str] = frozenset()  # functions that take no `self`
    fields: tuple[str, ...] = ()  # of a dataclass


@dataclass(frozen=True, eq=False)
class Method:
    """A method of a value, such as `contours.append`; or a function of an instance."""

    owner: Any
    name: str
    function: Function | None = None


@dataclass(frozen=True, eq=False)
class Primitive:
    """A function of the tables: `call(evaluator, *args, **kwargs)`.

    Attributes:
        name: as in the source, such as `cv2.inRange`.
        call: computes the result.
        whole: whether it takes values that may be one of several (`Choice`) as they are.
    """

    name: str
    call: Callable[..., Any]
    whole: bool = False


@dataclass(frozen=True)
class Module:
    """`cv2`, `np`, `np.linalg`, `math` or another module of the tables."""

    name: str


@dataclass(frozen=True)
class Type:
    """A type of numbers: `np.uint8`, `float`."""

    name: str


@dataclass(frozen=True)
class Text:
    """A text that shows numbers of the picture; it can be stored and returned, no more."""


class Record:
    """A value made of a fixed number of arrays, such as the contours of a picture."""

    def parts(self) -> tuple:
        """The arrays."""
        raise NotImplementedError

    def made(self, parts: tuple) -> Record:
        """One of the same kind, of other arrays."""
        raise NotImplementedError

    def size(self, evaluator: Any) -> Any:
        """`len(value)`."""
        raise PythonRaises(f"{describe(self)} has no len()")

    def item(self, evaluator: Any, key: Any) -> Any:
        """`value[key]`."""
        raise PythonRaises(f"{describe(self)} cannot be indexed")

    def attribute(self, evaluator: Any, name: str) -> Any:
        """`value.name`."""
        raise PythonRaises(f"{describe(self)} has no `.{name}`")


def is_static_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.generic)


def is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.generic | Number)


def is_traced(data: Any) -> bool:
    return isinstance(data, jax.Array)


def describe(value: Any) -> str:
    """A short name of a value's kind, for messages."""
    if isinstance(value, Choice):
        kinds = dict.fromkeys(describe(one) for one in value.values)
        return " or ".join(kinds)
    if isinstance(value, Array):
        return f"an array of shape {value.shape}"
    if isinstance(value, bool | np.bool_):
        return "a truth value"
    if is_number(value):
        bools = isinstance(value, Number) and value.data.dtype == np.bool_
        return "a truth value" if bools else "a number"
    if isinstance(value, Function | Primitive | Module | Class):
        return f"the {type(value).__name__.lower()} {value.name}"
    if isinstance(value, Unset):
        return f"{value.what}, which has no value"
    if isinstance(value, Instance):
        return f"a {value.cls.name}"
    names = {"str": "a string", "NoneType": "None", "List": "a list", "Dict": "a dict"}
    names |= {"Text": "a text", "Type": "a type"}
    return names.get(type(value).__name__, f"a {type(value).__name__.lower()}")


def unset(value: Any) -> bool:
    """Whether a value is missing on some path."""
    return isinstance(value, Unset) or (
        isinstance(value, Choice) and any(isinstance(one, Unset) for one in value.values)
    )
