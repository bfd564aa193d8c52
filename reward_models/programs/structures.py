"""The structure of a value, apart from the numbers in it: how two paths of a program are joined.

Where a condition is known only at run time, and from one round of a loop or one frame to the next,
a value may be an array here and None there, a list of two items or of three. Its structure is a
tree of `Node`s, its numbers a flat list of arrays (its leaves). `join` finds a structure that two
values fit into, `lift` writes a value in it, `build` makes the value of leaves. Then joining two
paths is `jnp.where` on leaves, and a loop's carry or a program's state is a tuple of leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    Instance,
    List,
    Number,
    Record,
    Scope,
    Stack,
    Unset,
    ValueProblem,
    is_static_number,
)

CAPACITY = 64  # items of a list whose length is known only at run time
MAX_OPTIONS = 8


@dataclass(frozen=True, eq=False)
class Node:
    """A piece of a structure.

    Attributes:
        kind: same, number, array, tuple, list, stack, dict, object, record or choice.
        meta: what is known of it beyond its kind; compared by `==`.
        children: the structures of its parts.
        origin: the object itself, if it is the same one on all paths; then it has no leaves.
        example: a value to make others from.
        family: of a contour, the contours that it is one of, if these are the same on all paths.
    """

    kind: str
    meta: tuple = ()
    children: tuple[Node, ...] = ()
    origin: Any = None
    example: Any = None
    family: Any = None


def equal(a: Node, b: Node) -> bool:
    """Whether two structures are the same."""
    if a.kind != b.kind or a.origin is not b.origin or len(a.children) != len(b.children):
        return False
    if a.origin is not None:
        return True
    if a.kind == "same":
        return same_static(a.example, b.example)
    same_meta = a.meta == b.meta and a.family is b.family
    return same_meta and all(map(equal, a.children, b.children))


def same_static(a: Any, b: Any) -> bool:
    """Whether two static values are one and the same to a program."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    if is_static_number(a) and is_static_number(b):
        return type(a) is type(b) and (a == b or (a != a and b != b))
    return type(a) is type(b) and isinstance(a, str | Unset) and a == b


def node_of(value: Any, store: Any) -> Node:
    """The structure of `value`; `store.get(cell)` gives what a cell holds."""
    of = lambda items: tuple(node_of(item, store) for item in items)
    if isinstance(value, Number):
        python = value.python if value.sometimes is None else None
        return Node("number", (value.data.dtype, python), origin=value)
    if isinstance(value, Array):
        data = store.get(value)
        ragged = type(value.ragged).__name__
        return Node("array", (tuple(data.shape), np.dtype(data.dtype), ragged), origin=value)
    if isinstance(value, tuple):
        return Node("tuple", (len(value),), of(value), example=value)
    if isinstance(value, List):
        held = store.get(value)
        if isinstance(held, Stack):
            return Node("stack", (), (held.element,), origin=value)
        return Node("list", (len(held),), of(held), origin=value)
    if isinstance(value, Dict):
        held = store.get(value)
        return Node("dict", tuple(held), of(held.values()), origin=value)
    if isinstance(value, Instance):
        held = store.get(value)
        return Node("object", (id(value.cls), *held), of(held.values()), value, value)
    if isinstance(value, Scope):
        held = store.get(value)
        return Node("scope", tuple(held), of(held.values()), origin=value)
    if isinstance(value, Record):
        family = getattr(value, "family", None)
        return Node("record", _record_meta(value), (), value, value, family)
    if isinstance(value, Choice):
        return Node("choice", (), of(value.values))
    return Node("same", example=value)


def _record_meta(value: Record) -> tuple:
    kinds = tuple((tuple(part.shape), np.dtype(part.dtype)) for part in value.parts())
    return (type(value).__name__, kinds)


def stripped(node: Node, limit: int | None = None) -> Node:
    """A structure that says nothing of which objects it is made of.

    Args:
        node: a structure.
        limit: contours of pictures with a higher serial number are kept by themselves.
    """
    children = tuple(stripped(child, limit) for child in node.children)
    if limit is not None and node.family is not None and node.family.serial > limit:
        return _lone(node)
    return replace(node, children=children, origin=None)


def _lone(node: Node) -> Node:
    """The structure of a contour without the others of its picture."""
    if node.family is None:
        return replace(node, origin=None)
    alone = node.example.lone()
    return Node("record", _record_meta(alone), example=alone)


def join(a: Node, b: Node, fresh: int | None = None) -> Node:
    """A structure for the values of both.

    Args:
        a, b: structures.
        fresh: if given, what `b` alone refers to may not be kept, as it is made in a round of a
            loop; but for contours of pictures with a serial number of at most this.

    Raises:
        ValueProblem: there are too many possibilities.
    """
    if a.origin is not None and a.origin is b.origin:
        return a
    if a.kind == b.kind == "same" and same_static(a.example, b.example):
        return a
    joined = _fused(a, b, fresh)
    if joined is not None:
        return joined
    options: list[Node] = list(a.children) if a.kind == "choice" else [a]
    new = [b] if b.kind != "choice" else list(b.children)
    for one in new if fresh is None else (stripped(each, fresh) for each in new):
        for index, known in enumerate(options):
            found = fitting(known, one, fresh)
            if found is not None:
                options[index] = found
                break
        else:
            options.append(one)
    if len(options) > MAX_OPTIONS:
        message = f"this has one of {len(options)} kinds of value, depending on the picture"
        raise ValueProblem(message, "give it values of the same kind and size on every path")
    return Node("choice", (), tuple(options))


def fitting(a: Node, b: Node, fresh: int | None) -> Node | None:
    """A structure for both that is no choice; None if there is none."""
    if a.origin is not None and a.origin is b.origin:
        return a
    if a.kind == b.kind == "same" and same_static(a.example, b.example):
        return a
    return _fused(a, b, fresh)


def _fused(a: Node, b: Node, fresh: int | None) -> Node | None:
    """One structure that is no choice; None if the two do not fit."""
    if _numeric(a) and _numeric(b):
        return _joined_numbers(a, b)
    kinds = {a.kind, b.kind}
    if kinds <= {"list", "stack"}:
        if a.kind == b.kind == "list" and len(a.children) == len(b.children):
            return Node("list", a.meta, _pairs(a.children, b.children, fresh))
        elements = [stripped(child, fresh) for child in (*a.children, *b.children)]
        if not elements:
            return Node("list", (0,))
        return Node("stack", (), (_all(elements),))
    if len(kinds) > 1:
        return None
    if a.kind == "array":
        return replace(a, origin=None) if a.meta == b.meta else None
    if a.kind == "record":
        return _joined_records(a, b, fresh)
    if a.kind == "tuple":
        if a.meta != b.meta or not all(
            _fits(x, y) for x, y in zip(a.children, b.children, strict=True)
        ):
            return None
        return Node("tuple", a.meta, _pairs(a.children, b.children, fresh), example=a.example)
    if a.kind in ("dict", "object", "scope"):
        return _joined_entries(a, b, fresh)
    return None


def _joined_records(a: Node, b: Node, fresh: int | None) -> Node | None:
    if a.family is not None and a.family is b.family:
        return replace(a, origin=None)
    a, b = _lone(a), _lone(b)
    return a if a.meta == b.meta else None


def _fits(a: Node, b: Node) -> bool:
    """Whether items of two tuples may be joined, which keeps (x, y) or None and (x, y) apart."""
    if a.kind == b.kind == "tuple":
        return a.meta == b.meta and all(map(_fits, a.children, b.children))
    return True


def _joined_entries(a: Node, b: Node, fresh: int | None) -> Node | None:
    skip = 1 if a.kind == "object" else 0
    if a.meta[:skip] != b.meta[:skip]:
        return None
    mine = dict(zip(a.meta[skip:], a.children, strict=True))
    other = dict(zip(b.meta[skip:], b.children, strict=True))
    names = list(mine) + [name for name in other if name not in mine]
    absent = {name: Node("same", example=Unset(f"`{name}`")) for name in names}
    children = tuple(
        join(mine.get(name, absent[name]), other.get(name, absent[name]), fresh) for name in names
    )
    return Node(a.kind, (*a.meta[:skip], *names), children, None, a.example)


def _all(nodes: list[Node]) -> Node:
    found = nodes[0]
    for one in nodes[1:]:
        found = join(found, one)
    return stripped(found)


def _pairs(a: tuple[Node, ...], b: tuple[Node, ...], fresh: int | None) -> tuple[Node, ...]:
    return tuple(join(x, y, fresh) for x, y in zip(a, b, strict=True))


def _numeric(node: Node) -> bool:
    return node.kind == "number" or node.kind == "same" and is_static_number(node.example)


def _joined_numbers(a: Node, b: Node) -> Node:
    pair = [
        (numbers.dtype_of(one.example), numbers.is_python(one.example))
        if one.kind == "same"
        else one.meta
        for one in (a, b)
    ]
    (first, python), (second, other) = pair
    same = python if python is other else None
    return Node("number", (numbers.common(first, second), same))


def stripped_top(node: Node) -> Node:
    """The structure of what a cell holds, whichever cell it is."""
    return replace(node, origin=None)
