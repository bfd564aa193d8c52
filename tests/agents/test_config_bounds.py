"""Every number of a learner's config has bounds, and its default lies within them."""

import dataclasses
import math
import types
import typing
from typing import Annotated, Any

import annotated_types
import pytest

from core_jax.agents import learner

FIELDS = [
    pytest.param(config, field.name, id=f"{name}-{field.name}")
    for name in learner.names()
    for config in [learner.config_class(name)]
    for field in dataclasses.fields(config)
]


def numbers(hint: Any, bounds: tuple = ()) -> list[tuple[type, tuple]]:
    """The numeric types within a type hint, each with its bounds."""
    if typing.get_origin(hint) is Annotated:
        inner, *metadata = typing.get_args(hint)
        flat = [
            part
            for item in metadata
            for part in (item if isinstance(item, annotated_types.GroupedMetadata) else [item])
        ]
        return numbers(inner, bounds + tuple(flat))
    if typing.get_origin(hint) in (tuple, typing.Union, types.UnionType):
        return [n for part in typing.get_args(hint) for n in numbers(part, bounds)]
    return [(hint, bounds)] if hint in (int, float) else []


def allows(bounds: tuple, value: float) -> bool:
    tests = {
        annotated_types.Gt: lambda b: value > b.gt,
        annotated_types.Ge: lambda b: value >= b.ge,
        annotated_types.Lt: lambda b: value < b.lt,
        annotated_types.Le: lambda b: value <= b.le,
    }
    return all(tests[type(bound)](bound) for bound in bounds)


@pytest.mark.parametrize("config, field", FIELDS)
def test_numbers_have_bounds_that_hold_for_the_default(config, field):
    hint = typing.get_type_hints(config, include_extras=True)[field]
    default = getattr(config(), field)
    values = default if isinstance(default, tuple) else (default,)
    for kind, bounds in numbers(hint):
        assert bounds, f"{field}: {kind.__name__} without bounds"
        assert not allows(bounds, math.nan) and not allows(bounds, -math.inf)
        assert all(allows(bounds, value) for value in values if value is not None)


@pytest.mark.parametrize("name", learner.names())
@pytest.mark.parametrize("field, bad", [("gamma", 0.0), ("gamma", 1.01), ("actor_lr", -1e-3)])
def test_nonsense_is_out_of_bounds(name, field, bad):
    hint = typing.get_type_hints(learner.config_class(name), include_extras=True)[field]
    [(_, bounds)] = numbers(hint)
    assert not allows(bounds, bad)


def test_the_checker_finds_numbers_in_tuples_and_options():
    hint = tuple[Annotated[int, annotated_types.Ge(1)], ...] | None
    assert numbers(hint) == [(int, (annotated_types.Ge(1),))]
    assert numbers(float) == [(float, ())]
