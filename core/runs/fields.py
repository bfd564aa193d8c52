"""Reading config dataclasses: the text and the bounds of each field, dotted names, types of
values."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import annotated_types
import numpy as np

_INT32 = 2**31


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """The annotation of each field, with its bounds."""
    found = typing.get_type_hints(cls, include_extras=True)
    return {f.name: found[f.name] for f in dataclasses.fields(cls)}


@functools.cache
def docs(cls: type) -> dict[str, str]:
    """The string literal below each field, as one line; base classes' fields included."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(one):
            continue
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def is_group(annotation: Any) -> bool:
    """Whether a field is a dataclass: a group of flags."""
    return dataclasses.is_dataclass(bare(annotation))


def bare(annotation: Any) -> Any:
    """An annotation without its bounds."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every leaf of a nested dict."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def check_value(name: str, value: Any, annotation: Any) -> None:
    """Raises a ValueError unless a value has its field's type and lies within its bounds.

    Args:
        name: dotted, for the message.
        value: of the field.
        annotation: of the field.
    """
    if typing.get_origin(annotation) is typing.Annotated:
        kind, *bounds = typing.get_args(annotation)
        check_value(name, value, kind)
        for bound in bounds:
            if value is not None:
                _check_bound(name, value, bound)
        return
    if dataclasses.is_dataclass(annotation):
        if type(value) is not annotation:
            raise ValueError(f"{name} must be a {_named(annotation)}, not {value!r}")
        for field, inner in hints(typing.cast(type, annotation)).items():
            check_value(f"{name}.{field}", getattr(value, field), inner)
        return
    if not _fits(name, value, annotation):
        raise ValueError(f"{name} must be {_named(annotation)}, not {value!r}")
    if annotation is int and not -_INT32 <= value < _INT32:
        raise ValueError(f"{name} must be less than 2**31 (it is kept in 32 bits), not {value}")


def from_plain(value: Any, annotation: Any) -> Any:
    """A field's value from JSON's: lists become tuples, texts paths where the field is one."""
    if isinstance(value, list):
        return tuple(from_plain(v, Any) for v in value)
    if isinstance(value, str) and Path in (bare(annotation), *typing.get_args(annotation)):
        return Path(value)
    if isinstance(value, int) and not isinstance(value, bool) and bare(annotation) is float:
        return float(value)
    if isinstance(value, str) and bare(annotation) is float:
        try:  # YAML reads 1e-3, without a point, as text
            return float(value)
        except ValueError:
            return value  # `check_value` says what is wrong with it
    if isinstance(value, np.generic):
        return value.item()
    return value


def _fits(name: str, value: Any, annotation: Any) -> bool:
    """Whether a value has a type; items of tuples are checked against their own bounds."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return True
    if origin is Literal:
        return any(value is v or (type(value) is type(v) and value == v) for v in args)
    if origin in (typing.Union, types.UnionType):
        for one in args:
            if value is None or one is type(None):
                if value is None and one is type(None):
                    return True
                continue
            check_value(name, value, one)
            return True
        return False
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            return False
        for i, (item, kind) in enumerate(zip(value, kinds, strict=True)):
            check_value(f"{name}[{i}]", item, kind)
        return True
    if annotation is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, annotation)


def _check_bound(name: str, value: Any, bound: Any) -> None:
    tests = {
        annotated_types.Ge: (lambda b: value >= b.ge, lambda b: f"at least {b.ge}"),
        annotated_types.Gt: (lambda b: value > b.gt, lambda b: f"greater than {b.gt}"),
        annotated_types.Le: (lambda b: value <= b.le, lambda b: f"at most {b.le}"),
        annotated_types.Lt: (lambda b: value < b.lt, lambda b: f"less than {b.lt}"),
        annotated_types.MinLen: (
            lambda b: len(value) >= b.min_length,
            lambda b: f"at least {b.min_length} long",
        ),
    }
    if isinstance(bound, annotated_types.Interval):
        for one in bound:
            _check_bound(name, value, one)
        return
    found = tests.get(type(bound))
    if found is not None and not found[0](bound):
        raise ValueError(f"{name} must be {found[1](bound)}, not {value}")


def _named(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(annotation)))
    names = {float: "a finite number", int: "a whole number", bool: "true or false", str: "text"}
    return names.get(annotation, str(annotation).replace("typing.", ""))
