"""The values a formal reward handles while it is lowered (CoRe, formal reward module).

Static values are Python numbers, strings, None, tuples, lists, dicts and NumPy arrays: they are
folded at trace time. Traced values are JAX arrays, whose numbers are never looked at. The classes
here are the few things that are neither.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import jax
import numpy as np

MAX_ELEMENTS = 10_000
MAX_ITEMS = 2_000


class ValueProblem(Exception):
    """A refusal raised where no syntax node is at hand; the evaluator adds the place."""

    def __init__(self, message: str, hint: str = ""):
        self.message, self.hint = message, hint
        super().__init__(message)


class PythonRaises(ValueProblem):
    """A refusal of what Python refuses as well, such as a key that is not in a dict."""


@dataclass(frozen=True)
class Missing:
    """Stands for a value that exists on some paths only; using it is an error."""

    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Unset(Missing):
    """A name that has no value on some paths; Python raises where it is read there."""


@dataclass(frozen=True)
class Undetermined(Missing):
    """Part of a result that NumPy does not define; a name may be given to it, but not read."""


@dataclass(frozen=True)
class Module:
    """`np`, `np.linalg` or `math`."""

    name: str


@dataclass(frozen=True, eq=False)
class Namespace:
    """A class of the source that holds nothing but constants.

    Attributes:
        name: of the class.
        names: its constants.
        fields: of a dataclass, in the order in which an instance takes them.
    """

    name: str
    names: dict[str, Any]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Primitive:
    """A function of the tables: `call(evaluator, args, kwargs)` with evaluated arguments.

    Attributes:
        name: of the function.
        call: computes the result.
        gives: the kind of a result without dimensions (`kinds.py`): "python" if it is a number of
            Python, "array" if it is an array, "own" if `call` notes it itself, "like" if it is an
            array unless the first argument is a scalar, else a scalar of NumPy.
    """

    name: str
    call: Callable[[Any, tuple, dict], Any]
    gives: str = ""


@dataclass(frozen=True)
class BoundMethod:
    """A method of a value, such as `components.items`."""

    owner: Any
    name: str


class Holder:
    """A value that refers to lists or dicts, without being one (`iterables.py`)."""

    name: str

    def held(self) -> list:
        """What it refers to."""
        raise NotImplementedError


class Record:
    """A value made of a fixed number of arrays."""

    def parts(self) -> tuple:
        """The arrays."""
        raise NotImplementedError

    def made(self, parts: tuple) -> Any:
        """One of the same kind, of other arrays."""
        raise NotImplementedError


@dataclass(frozen=True)
class Text:
    """A text that shows numbers of the state: it can be printed or be a message, no more."""


@dataclass
class Frame:
    """Names of one call. Closures keep the frame, so they see what the running branch assigned."""

    names: dict[str, Any]
    parent: Frame | None = None
    is_reward: bool = False
    inner: bool = False  # of a comprehension
    own: frozenset[str] = frozenset()  # names that the function assigns, so no others are read


@dataclass(frozen=True, eq=False)
class Function:
    """A function defined in the source."""

    node: ast.FunctionDef
    frame: Frame
    defaults: dict[str, Any] = field(default_factory=dict)


def is_traced(value: Any) -> TypeGuard[Any]:
    return isinstance(value, jax.Array)


def is_array(value: Any) -> TypeGuard[Any]:
    return isinstance(value, jax.Array | np.ndarray)


def is_number(value: Any) -> TypeGuard[Any]:
    return isinstance(value, bool | int | float)


def holds_traced(value: Any) -> bool:
    """Whether a traced value is in `value`, at any depth of tuples, lists and dicts."""
    if isinstance(value, list | tuple):
        return any(holds_traced(item) for item in value)
    if isinstance(value, dict):
        return any(holds_traced(item) for item in value.values())
    return is_traced(value) or isinstance(value, Holder)


def check_items(value: Any) -> Any:
    """`value`, unless its tuples, lists and dicts hold more than MAX_ITEMS items at all depths.

    Raises:
        ValueProblem: too many items; a list that contains itself counts as that.
    """
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        count += len(item) // 64 if isinstance(item, str) else 1
        if count > MAX_ITEMS:
            raise ValueProblem(f"a container may hold at most {MAX_ITEMS} items")
        if isinstance(item, list | tuple | dict):
            if len(item) > MAX_ITEMS:
                raise ValueProblem(f"a container may hold at most {MAX_ITEMS} items")
            stack.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, Holder):
            stack.extend(item.held())
    return value


def containers(roots: list[Any]) -> Iterator[list | dict]:
    """Every list and dict that can be reached from `roots`, once each."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        value = stack.pop()
        if not isinstance(value, list | dict | tuple) or id(value) in seen:
            if isinstance(value, Function):
                stack.append(value.defaults)
                frame: Frame | None = value.frame  # what a closure refers to
                while frame is not None and id(frame) not in seen:
                    seen.add(id(frame))
                    stack.extend(frame.names.values())
                    frame = frame.parent
            elif isinstance(value, Namespace):
                stack.append(value.names)
            elif isinstance(value, BoundMethod):
                stack.append(value.owner)
            elif isinstance(value, Holder):
                stack.extend(value.held())
            continue
        seen.add(id(value))
        stack.extend(value.values() if isinstance(value, dict) else value)
        if not isinstance(value, tuple):
            yield value


def describe(value: Any) -> str:
    """A short name of a value's kind, for messages."""
    if is_array(value):
        return f"an array of shape {tuple(value.shape)}" if value.ndim else "a number"
    if isinstance(value, Function):
        return f"the function {value.node.name}"
    if isinstance(value, Primitive | Module | BoundMethod | Namespace):
        return f"the {type(value).__name__.lower()} {value.name}"
    if isinstance(value, Text):
        return "a text made from the state"
    if isinstance(value, Holder):
        if value.name == "choice":
            kinds = dict.fromkeys(describe(item) for [items] in [value.held()] for item in items)
            return f"{' or '.join(kinds)}, depending on the state"
        return f"what {value.name}() gives"
    if value is None:
        return "None"
    if isinstance(value, Missing):
        return "a value that is missing on some path"
    names = {
        "str": "a string",
        "float": "a number",
        "float64": "a number",
        "int": "a number",
        "bool": "a truth value",
    }
    return names.get(type(value).__name__, f"a {type(value).__name__}")
