"""Comparisons of every kind of value: `==`, the orders, `is` and `in`."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal import indexing
from core_jax.reward_models.formal.choices import conjunction, depends, negation
from core_jax.reward_models.formal.conversions import tidy, to_array, weak
from core_jax.reward_models.formal.guarded_loops import GuardedLoops
from core_jax.reward_models.formal.iterables import Lazy, View
from core_jax.reward_models.formal.values import (
    Holder,
    PythonRaises,
    Text,
    ValueProblem,
    describe,
    is_array,
    is_number,
    is_traced,
)
from core_jax.reward_models.formal.varied import kept_of

NO_TEXT = "a text made from numbers of the state is only known at run time"
TEXT_HINT = "use the numbers themselves; such a text can only be printed or be a message"
_COMPARE = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}


class Comparisons(GuardedLoops):
    """The part of the evaluator that compares."""

    def truth(self, value: Any) -> Any:
        """Python's truth of a value: a bool, or a traced 0-d bool."""
        raise NotImplementedError

    def compare(self, name: str, left: Any, right: Any) -> Any:
        """A comparison, by the name of its `ast` operator."""
        if name in ("In", "NotIn"):
            found = self._contains(left, right)
            if name == "In":
                return found
            return self.memory.kinds.as_python(negation(found)) if is_traced(found) else not found
        return self.lifted(lambda a, b: self._compare(name, a, b), left, right)

    def _compare(self, name: str, left: Any, right: Any) -> Any:
        if isinstance(left, Text) or isinstance(right, Text):
            raise ValueProblem(NO_TEXT, TEXT_HINT)
        if name in ("Is", "IsNot"):
            return self._identical(left, right) == (name == "Is")
        if isinstance(left, Holder) or isinstance(right, Holder):
            raise ValueProblem(f"{describe(left)} cannot be compared here", "compare list(...)")
        plain = (str, type(None), dict)
        both = isinstance(left, list | tuple) and isinstance(right, list | tuple)
        if both or isinstance(left, plain) or isinstance(right, plain):
            if name not in ("Eq", "NotEq"):
                return self._ordered(name, left, right)
            same = self._equal(left, right)
            if name == "Eq":
                return same
            return jnp.logical_not(same) if is_traced(same) else not same
        for side, other in ((left, right), (right, left)):
            if isinstance(side, list | tuple) and not (is_array(other) and other.ndim):
                message = f"{describe(side)} cannot be compared with {describe(other)}"
                raise ValueProblem(message, "compare numbers, or np.array(...) of them")
        left, right = to_array(left), to_array(right)
        if is_traced(left) or is_traced(right):
            result = _COMPARE[name](weak(left), weak(right))
            return self.memory.kinds.of_all(result, (left, right))
        return tidy(_COMPARE[name](left, right))

    def _identical(self, left: Any, right: Any) -> bool:
        if left is None or right is None:
            return left is right
        if isinstance(left, bool) and isinstance(right, bool):
            return left is right
        if isinstance(left, list | dict) and isinstance(right, list | dict):
            return left is right
        raise ValueProblem("`is` compares with None only", "use ==, or the truth value itself")

    def _ordered(self, name: str, left: Any, right: Any) -> Any:
        """Python's order of two strings, or of two tuples or lists."""
        if isinstance(left, str) and isinstance(right, str):
            return _COMPARE[name](left, right)
        pair = isinstance(left, tuple) and isinstance(right, tuple)
        if not pair and not (isinstance(left, list) and isinstance(right, list)):
            message = f"{describe(left)} and {describe(right)} have no order here"
            raise PythonRaises(message, "compare numbers, or np.array(...) of them")
        size, kinds = min(len(left), len(right)), self.memory.kinds
        result: Any = _COMPARE[name](len(left), len(right))
        for a, b in reversed(list(zip(left[:size], right[:size], strict=True))):
            same = self.truth(self.compare("Eq", a, b))
            decided = self.compare(name.removesuffix("E"), a, b)
            strict = self.truth(decided)
            if is_traced(same) or is_traced(strict) or is_traced(result):
                found = jnp.where(same, result, strict)  # of NumPy where its numbers decide
                result = kinds.chosen(lambda s=same: s, found, result, decided)
            else:
                result = result if same else strict
        return result if is_traced(result) else kinds.as_python(result)

    def _equal(self, left: Any, right: Any) -> Any:
        """Python's `==` of values of which one at least is no number or array."""
        kinds = (list, tuple, dict)
        kind = next((k for k in kinds if isinstance(left, k) and isinstance(right, k)), None)
        if kind is None:
            if is_array(left) and left.ndim or is_array(right) and right.ndim:
                message = f"{describe(left)} cannot be compared with {describe(right)} here"
                raise ValueProblem(message, "compare arrays with numbers or arrays")
            return left is right or (isinstance(left, str) and left == right)
        if (
            len(left) != len(right)
            or kind is dict
            and list(left) != list(right)
            and (set(left) != set(right))
        ):
            return False
        keys = left if isinstance(left, dict) else range(len(left))
        truths = [self.truth(self.compare("Eq", left[key], right[key])) for key in keys]
        traced = [truth for truth in truths if is_traced(truth)]
        if not all(truth for truth in truths if not is_traced(truth)):
            return False
        return self.memory.kinds.as_python(reduce(jnp.logical_and, traced)) if traced else True

    def _contains(self, item: Any, owner: Any) -> Any:
        """`item in owner`: a bool or a traced 0-d bool."""
        if isinstance(item, Text) or isinstance(owner, Text):
            raise ValueProblem(NO_TEXT, TEXT_HINT)
        if depends(item):
            return self.over(item, lambda one: self._contains(one, owner), pure=True)
        if isinstance(owner, View) and owner.name == "keys":
            owner = owner.owner
        if isinstance(owner, dict):
            if is_traced(item):
                pairs = [(k, there) for k, there in kept_of(owner).present.items() if is_number(k)]
                return self._any([conjunction(there, item == key) for key, there in pairs])
            return self.has_entry(owner, indexing.constant(item))
        if depends(owner):
            return self.over(owner, lambda one: self._contains(item, one), pure=True)
        if isinstance(owner, str) and isinstance(item, str):
            return item in owner
        if is_array(owner) and owner.ndim and (is_number(item) or is_array(item)):
            return jnp.any(self.compare("Eq", owner, item))
        if not isinstance(owner, list | tuple | View | Lazy):
            raise ValueProblem(f"`in` cannot look into {describe(owner)}", "compare with ==")
        truths = []
        for entry in self.items(owner):
            if entry is item and not is_array(item):
                return True
            truths.append(self.truth(self.compare("Eq", entry, item)))
        return self._any(truths)

    def _any(self, truths: list) -> Any:
        if any(truth is True for truth in truths):
            return True
        traced = [truth for truth in truths if is_traced(truth)]
        return self.memory.kinds.as_python(reduce(jnp.logical_or, traced)) if traced else False
