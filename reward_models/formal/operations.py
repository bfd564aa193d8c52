"""Operations on static and traced values, with errors located at the node being evaluated."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import (
    Choice,
    Masked,
    content_of,
    depends,
)
from core_jax.reward_models.formal.comparisons import NO_TEXT, TEXT_HINT, Comparisons
from core_jax.reward_models.formal.conversions import tidy
from core_jax.reward_models.formal.entries import scalar
from core_jax.reward_models.formal.errors import (
    PythonError,
    RewardError,
    diagnostic_for,
    plain_error,
)
from core_jax.reward_models.formal.iterables import Lazy, Rows, View
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Missing,
    PythonRaises,
    Text,
    ValueProblem,
    check_items,
    describe,
    is_array,
    is_number,
    is_traced,
)

MAX_OPERATIONS = 8_000
MAX_WORK = 400_000
_OPERANDS = "check the shapes and types of the operands"


class Operations(Comparisons):
    """What expressions are made of besides arithmetic: errors and costs, truth, iteration."""

    source: str
    held: list[list]
    operations: int
    elements: int

    def fail(self, node: ast.AST, message: str, hint: str = "") -> Any:
        raise RewardError([diagnostic_for(self.source, node, message, hint)])

    def at(self, node: ast.AST, function: Callable[[], Any]) -> Any:
        """Run `function`; whatever goes wrong in it is reported at `node`."""
        outer, self.place = self.place, node
        try:
            return function()
        except (RewardError, RecursionError):
            raise
        except PythonRaises as problem:
            found = diagnostic_for(self.source, node, problem.message, problem.hint)
            raise PythonError([found]) from None
        except ValueProblem as problem:
            return self.fail(node, problem.message, problem.hint)
        except Exception as error:  # NumPy and JAX refuse shapes and types in many ways
            message, python = plain_error(error)
            found = diagnostic_for(self.source, node, message, _OPERANDS)
            raise (PythonError if python else RewardError)([found]) from None
        finally:
            self.place = outer

    @staticmethod
    def _checked(value: Any) -> Any:
        if isinstance(value, list | tuple | dict):
            return check_items(value)
        if isinstance(value, str) and len(value) > 1_000:
            raise ValueProblem("the string is too long")
        return tidy(value)

    def work(self, elements: int) -> None:
        """Count the elements that the program computes, which every state of a batch costs.

        Raises:
            ValueProblem: there are too many.
        """
        self.elements += elements
        if self.elements > MAX_WORK:
            message = f"the reward computes more than {MAX_WORK} numbers for each state"
            raise ValueProblem(message, "use smaller arrays")

    def spend(self, operations: int) -> None:
        """Count what the program costs; a thousand operations take some tens of milliseconds.

        Raises:
            ValueProblem: it costs too much.
        """
        self.operations += operations
        if self.operations > MAX_OPERATIONS:
            message = f"the reward needs more than {MAX_OPERATIONS} operations"
            raise ValueProblem(message, "simplify it: fewer loops, or arithmetic on whole arrays")

    @contextmanager
    def holding(self, values: list) -> Iterator[list]:
        """While this lasts, a write into an array shows in the arrays of `values` as well."""
        depth = len(self.held)
        self.held.append(values)
        try:
            yield values
        finally:
            del self.held[depth:]

    def guard(self, value: Any, fill: float) -> Any:
        """`value`, with `fill` in its place where the present branch is not taken."""
        if self.active is None or not is_traced(value):
            return value
        return jnp.where(self.active, value, jnp.asarray(fill, value.dtype))

    def truth(self, value: Any) -> Any:
        """Python's truth of a value: a bool, or a traced 0-d bool."""
        if isinstance(value, Missing):
            raise ValueProblem(value.reason, value.hint)
        if isinstance(value, Text):
            raise ValueProblem(NO_TEXT, TEXT_HINT)
        if isinstance(value, Masked):
            value.conditions  # noqa: B018  # refuses what is too large
        if isinstance(value, Choice):
            return self.over(value, self.truth, pure=True)
        if not (is_number(value) or is_array(value)):
            value = value.owner if isinstance(value, View) else value
            if content_of(value) is not None:
                return self.size(value) > 0
            sized = isinstance(value, list | tuple | dict | str)
            return bool(value) if sized else value is not None
        if np.size(value) != 1:
            raise ValueProblem(
                f"the truth of {describe(value)} is ambiguous", "use np.any(...) or np.all(...)"
            )
        value = scalar(value)
        return value.astype(jnp.bool_) if is_traced(value) else bool(value)

    def items(self, value: Any) -> list:
        """What a loop over `value` runs through; must be known at trace time."""
        if depends(value):
            message = "how many items there are to loop over depends on the state here"
            raise ValueProblem(message, "use a `for` loop over it, or np.where and np.sum")
        if isinstance(value, list | tuple | dict | str):
            items = list(value)
        elif isinstance(value, View):
            items = value.now()
        elif isinstance(value, Lazy):
            value.use()
            items = [value.at(index) for index in range(value.count)]
            value.end()
        elif is_array(value) and value.ndim:
            rows = self.rows(value)
            items = [rows.at(i) for i in range(min(len(value), MAX_ITEMS + 1))]
        else:
            raise ValueProblem(f"{describe(value)} cannot be looped over", "use range(N)")
        self.spend(len(items) // 4)
        if len(items) > MAX_ITEMS:
            raise ValueProblem(f"more than {MAX_ITEMS} items to loop over")
        for item in items:
            if isinstance(item, Missing):
                raise ValueProblem(item.reason, item.hint)
        return [
            item
            if isinstance(item, list | dict | tuple | str)
            else tidy(item)
            if is_array(item) or isinstance(item, np.generic)
            else item
            for item in items
        ]

    def rows(self, value: Any) -> Any:
        """An array as its rows, each looked up when its turn comes; any other value as it is."""

        def row(array: Any, index: int) -> Any:
            found = self.memory.viewed(array, array[index], lambda places: places[index])
            return tidy(found)

        return Rows([value], row) if is_array(value) and value.ndim else value
