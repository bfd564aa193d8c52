"""Values as flat lists of arrays, in a structure that says what each array is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.structures import (
    CAPACITY,
    Node,
    equal,
    fitting,
    node_of,
    stripped,
)
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    Instance,
    List,
    Number,
    Picked,
    Scope,
    Stack,
    Unset,
    Window,
)


def lift(value: Any, node: Node, store: Any) -> list:
    """The leaves of `value` in a structure that it fits into."""
    if node.origin is not None or node.kind == "same":
        return []
    if node.kind == "number":
        own = [] if node.meta[1] is not None else [jnp.asarray(numbers.own(value))]
        return [jnp.asarray(numbers.data_of(value), node.meta[0]), *own]
    if node.kind == "array":
        ragged = () if value.ragged is None else value.ragged.parts()
        return [jnp.asarray(store.get(value), node.meta[1]), *ragged]
    if node.kind == "record":
        mine = getattr(value, "family", None)
        return list((value.lone() if mine is not node.family else value).parts())
    if node.kind == "choice":
        return _lifted_choice(value, node, store)
    if node.kind == "stack":
        return _lifted_stack(store.get(value), node, store)
    held: Any = value if isinstance(value, tuple) else store.get(value)
    if node.kind in ("dict", "object", "scope"):
        names = node.meta[1:] if node.kind == "object" else node.meta
        held = [held.get(name, Unset(f"`{name}`")) for name in names]
    return [
        x for item, child in zip(held, node.children, strict=True) for x in lift(item, child, store)
    ]


def _lifted_choice(value: Any, node: Node, store: Any) -> list:
    if not isinstance(value, Choice):
        value = Choice((jnp.asarray(True),), (value,))
    conditions = [jnp.asarray(False)] * len(node.children)
    leaves: list[list | None] = [None] * len(node.children)
    for condition, one in zip(value.conditions, value.values, strict=True):
        index = _place(one, node, store)
        new = lift(one, node.children[index], store)
        old = leaves[index]
        leaves[index] = new if old is None else where(condition, new, old)
        conditions[index] = jnp.logical_or(conditions[index], condition)
    filled = [
        zeros(child) if found is None else found
        for found, child in zip(leaves, node.children, strict=True)
    ]
    return [*conditions, *(x for part in filled for x in part)]


def _place(value: Any, node: Node, store: Any) -> int:
    """The option of a choice that `value` belongs to."""
    mine = node_of(value, store)
    for index, child in enumerate(node.children):
        found = fitting(child, mine, None)
        if child.origin is not None and child.origin is value:
            return index
        if child.origin is None and found is not None and equal(stripped(found), stripped(child)):
            return index
    raise AssertionError("a value does not fit into its structure")


def _lifted_stack(held: Any, node: Node, store: Any) -> list:
    (element,) = node.children
    if isinstance(held, Stack):
        if equal(held.element, element):
            return [held.length, *held.leaves]
        rows = [
            lift(build(held.element, iter([leaf[i] for leaf in held.leaves])), element, store)
            for i in range(CAPACITY)
        ]
        length = held.length
    else:
        rows = [lift(item, element, store) for item in held]
        length = jnp.int32(len(held))
    rows += [zeros(element)] * (CAPACITY - len(rows))
    return [length, *(jnp.stack(column) for column in zip(*rows, strict=True))]


def zeros(node: Node) -> list:
    """Leaves for a value that is not there."""
    if node.origin is not None or node.kind == "same":
        return []
    if node.kind == "number":
        own = [] if node.meta[1] is not None else [jnp.asarray(False)]
        return [jnp.zeros((), node.meta[0]), *own]
    if node.kind == "array":
        shape, dtype, ragged = node.meta
        parts = {"Window": [jnp.int32(0)] * 2, "Picked": [jnp.zeros(shape[:1], jnp.bool_)]}
        return [jnp.zeros(shape, dtype), *parts.get(ragged, [])]
    if node.kind == "record":
        return [jnp.zeros(shape, dtype) for shape, dtype in node.meta[1]]
    inner = [x for child in node.children for x in zeros(child)]
    if node.kind == "stack":
        return [jnp.int32(0), *(jnp.zeros((CAPACITY, *x.shape), x.dtype) for x in inner)]
    if node.kind == "choice":
        first = [jnp.asarray(index == 0) for index in range(len(node.children))]
        return [*first, *inner]
    return inner


def where(condition: Any, yes: list, no: list) -> list:
    """Leaves of two values in one structure, joined."""
    return [a if a is b else jnp.where(condition, a, b) for a, b in zip(yes, no, strict=True)]


def build(node: Node, leaves: Iterator) -> Any:
    """The value of a structure whose leaves come next."""
    if node.origin is not None:
        return node.origin
    if node.kind == "same":
        return node.example
    if node.kind == "number":
        if node.meta[1] is None:
            return Number(next(leaves), False, None, next(leaves))
        return Number(next(leaves), node.meta[1])
    if node.kind == "array":
        data, ragged = next(leaves), node.meta[2]
        if ragged == "Window":
            return Array(data, Window(next(leaves), next(leaves)))
        return Array(data, Picked(next(leaves)) if ragged == "Picked" else None)
    if node.kind == "record":
        return node.example.made(tuple(next(leaves) for _ in node.meta[1]))
    if node.kind == "stack":
        length = next(leaves)
        return List(
            Stack(node.children[0], tuple(next(leaves) for _ in zeros(node.children[0])), length)
        )
    if node.kind == "choice":
        conditions = tuple(next(leaves) for _ in node.children)
        return Choice(conditions, tuple(build(child, leaves) for child in node.children))
    items = tuple(build(child, leaves) for child in node.children)
    if node.kind == "tuple":
        return items
    if node.kind == "list":
        return List(items)
    if node.kind in ("dict", "scope"):
        return (Dict if node.kind == "dict" else Scope)(dict(zip(node.meta, items, strict=True)))
    return Instance(node.example.cls, dict(zip(node.meta[1:], items, strict=True)))
