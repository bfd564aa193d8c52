"""Comparisons of an image program's values, and `not`."""

from __future__ import annotations

from typing import Any

import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.operations import Operations
from core_jax.reward_models.programs.paths import both, either, negated
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    Instance,
    List,
    Number,
    PythonRaises,
    Record,
    Stack,
    Text,
    Unset,
    ValueProblem,
    describe,
)


class Comparisons(Operations):
    """The part of the evaluator for comparisons."""

    def compare(self, name: str, a: Any, b: Any) -> Any:
        """`a op b` of a comparison."""
        if name in ("Is", "IsNot"):
            same = self._same(a, b)
            return self.not_of(same) if name == "IsNot" else same
        if name in ("In", "NotIn"):
            found = self._contains(b, a)
            return self.not_of(found) if name == "NotIn" else found
        for index, one in enumerate((a, b)):
            if isinstance(one, Choice):
                other = (lambda x: self.compare(name, x, b)) if index == 0 else (
                    lambda x: self.compare(name, a, x))  # fmt: skip
                return self.over(one, other)
        if a is None or b is None or isinstance(a, str | Text) or isinstance(b, str | Text):
            return self._unlike(name, a, b)
        if isinstance(a, tuple | List) and isinstance(b, tuple | List):
            return self._compare_items(name, a, b)
        if isinstance(a, Instance | Dict | Record) or isinstance(b, Instance | Dict | Record):
            raise ValueProblem(f"{describe(a)} and {describe(b)} cannot be compared here")
        ragged = self.ragged_of(a, b)
        x, y = self.data(a), self.data(b)
        self._check_shapes(x, y)
        python = numbers.is_python(a) and numbers.is_python(b)
        return self.wrapped(numbers.compare(name, x, y), python, ragged)

    def _unlike(self, name: str, a: Any, b: Any) -> Any:
        if isinstance(a, Text) or isinstance(b, Text):
            raise ValueProblem("a text made from the picture cannot be compared", "use numbers")
        if name in ("Eq", "NotEq"):
            if isinstance(a, Array) or isinstance(b, Array):
                message = "an array compared with None gives an array"
                raise ValueProblem(message, "write `is None`")
            return (a == b) is (name == "Eq")
        if isinstance(a, str) and isinstance(b, str):
            return numbers.COMPARISONS[name](a, b)
        raise PythonRaises(f"{describe(a)} and {describe(b)} have no order", "test for None first")

    def _compare_items(self, name: str, a: Any, b: Any) -> Any:
        if name not in ("Eq", "NotEq"):
            raise ValueProblem("an order of tuples or lists", "compare their items")
        rows = [one if isinstance(one, tuple) else self.store.get(one) for one in (a, b)]
        if any(isinstance(row, Stack) for row in rows):
            raise ValueProblem("lists whose length depends on the picture cannot be compared")
        if type(a) is not type(b) or len(rows[0]) != len(rows[1]):
            return name == "NotEq"
        same: Any = True
        for x, y in zip(*rows, strict=True):
            same = both(same, self.truth(self.compare("Eq", x, y)))
        same = negated(same) if name == "NotEq" else same
        return numbers.made(same, True)

    def _same(self, a: Any, b: Any) -> Any:
        if isinstance(a, Choice):
            truth: Any = False
            for condition, one in zip(a.conditions, a.values, strict=True):
                if isinstance(one, Unset):
                    self.raises(condition, f"{one.what} has no value")
                    continue
                found = numbers.data_of(self._same(one, b))
                truth = either(truth, both(condition, found))
            return numbers.made(truth, True)
        if b is None or a is None:
            return self._same(b, a) if isinstance(b, Choice) else a is b
        if isinstance(b, bool):  # `x is True`: of NumPy's truth values never, of Python's as ==
            if isinstance(a, Number) and a.python and a.data.dtype == np.bool_:
                return self.compare("Eq", a, b)
            return a is b
        if isinstance(a, int | str) and type(a) is type(b):
            return a == b
        if isinstance(a, Number) or isinstance(b, Number):
            return self.compare("Eq", a, b)
        return a is b

    def not_of(self, value: Any) -> Any:
        """`not value`."""
        return numbers.made(negated(self.truth(value)), True)

    def _contains(self, owner: Any, value: Any) -> Any:
        if isinstance(owner, Choice):
            return self.over(owner, lambda one: self._contains(one, value))
        if isinstance(owner, Dict):
            found = self.store.get(owner).get(value, Unset("entry"))
            if isinstance(found, Choice):
                pairs = zip(found.conditions, found.values, strict=True)
                there = [condition for condition, one in pairs if not isinstance(one, Unset)]
                truth: Any = False
                for condition in there:
                    truth = either(truth, condition)
                return numbers.made(truth, True)
            return not isinstance(found, Unset)
        if isinstance(owner, str) and isinstance(value, str):
            return value in owner
        held = self.store.get(owner) if isinstance(owner, List) else owner
        if not isinstance(held, tuple):
            raise ValueProblem(f"`in` of {describe(owner)}", "loop over it and compare")
        truth = False
        for item in held:
            truth = either(truth, self.truth(self.compare("Eq", item, value)))
        return numbers.made(truth, True)
