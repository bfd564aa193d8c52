"""Operations on static and traced values, with errors located at the node being evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.entries import scalar
from core_jax.reward_models.formal.errors import RewardError, diagnostic_for
from core_jax.reward_models.formal.iterables import Lazy, Rows, View
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.raising import Raising
from core_jax.reward_models.formal.texts import percent
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Holder,
    Missing,
    ValueProblem,
    check_items,
    describe,
    is_array,
    is_number,
    is_traced,
    tidy,
    to_array,
    weak,
)

MAX_OPERATIONS = 8_000
_FOLD_ELEMENTS = 128

_STATIC = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "MatMult": operator.matmul,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
_TRACED = {
    "Add": jnp.add,
    "Sub": jnp.subtract,
    "Mult": jnp.multiply,
    "Div": safe_math.divide,
    "FloorDiv": jnp.floor_divide,
    "Mod": jnp.mod,
    "Pow": safe_math.power,
    "MatMult": jnp.matmul,
    "BitAnd": jnp.bitwise_and,
    "BitOr": jnp.bitwise_or,
    "BitXor": jnp.bitwise_xor,
}
_COMPARE = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}


def _counted(value: Any) -> Any:
    """A truth value as 0 or 1."""
    if isinstance(value, bool):
        return int(value)
    return value.astype(jnp.int32) if is_traced(value) and value.dtype == jnp.bool_ else value


class Operations(Raising):
    """What expressions are made of: arithmetic, comparison, truth, iteration, guarding."""

    source: str
    held: list[list]
    operations: int

    def fail(self, node: ast.AST, message: str, hint: str = "") -> Any:
        raise RewardError([diagnostic_for(self.source, node, message, hint)])

    def at(self, node: ast.AST, function: Callable[[], Any]) -> Any:
        """Run `function`; whatever goes wrong in it is reported at `node`."""
        outer, self.place = self.place, node
        try:
            return function()
        except (RewardError, RecursionError):
            raise
        except ValueProblem as problem:
            return self.fail(node, problem.message, problem.hint)
        except Exception as error:  # NumPy and JAX refuse shapes and types in many ways
            lines = str(error).strip().splitlines() or [type(error).__name__]
            return self.fail(node, lines[0][:300], "check the shapes and types of the operands")
        finally:
            self.place = outer

    @staticmethod
    def _checked(value: Any) -> Any:
        if isinstance(value, list | tuple | dict):
            return check_items(value)
        if isinstance(value, str) and len(value) > 1_000:
            raise ValueProblem("the string is too long")
        return tidy(value)

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
        if not (is_number(value) or is_array(value)):
            value = value.owner if isinstance(value, View) else value
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
        if isinstance(value, list | tuple | dict | str):
            items = list(value)
        elif isinstance(value, View):
            items = value.now()
        elif isinstance(value, Lazy):
            value.use()
            items = [value.at(index) for index in range(value.count)]
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

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """A binary operation, by the name of its `ast` operator."""
        for side in (left, right):
            if isinstance(side, Missing):
                raise ValueProblem(side.reason, side.hint)
        if name == "Add" and type(left) is type(right) and isinstance(left, list | tuple | str):
            return self._checked(left + right)
        if name == "BitOr" and isinstance(left, dict) and isinstance(right, dict):
            return self._checked(left | right)
        if name == "Mod" and isinstance(left, str):
            return percent(left, right)
        if name == "Mult" and isinstance(right, list | tuple) and isinstance(left, int):
            left, right = right, left
        if name == "Mult" and isinstance(left, list | tuple) and isinstance(right, int):
            if len(left) * right > MAX_ITEMS:
                raise ValueProblem(f"a container may hold at most {MAX_ITEMS} items")
            return left * right
        if not (is_number(left) or is_array(left) or is_number(right) or is_array(right)):
            raise ValueProblem(f"no arithmetic between {describe(left)} and {describe(right)}")
        for side, other in ((left, right), (right, left)):
            if isinstance(side, list | tuple) and not (is_array(other) and other.ndim):
                raise ValueProblem(f"no arithmetic with {describe(side)}", "use np.array(...)")
        left, right = to_array(left), to_array(right)
        self.spend(4 if is_traced(left) or is_traced(right) else 1)
        if not is_traced(left) and not is_traced(right):
            if is_number(left) and is_number(right):
                if name == "Pow" and (abs(right) > 1_000 or abs(left) > 1e6 and abs(right) > 50):
                    raise ValueProblem("the exponent is too large")
                with np.errstate(all="ignore"):
                    return tidy(_STATIC[name](left, right))
            if np.size(left) <= _FOLD_ELEMENTS and np.size(right) <= _FOLD_ELEMENTS:
                with np.errstate(all="ignore"):
                    return tidy(_STATIC[name](left, right))
        operands, python = (left, right), self.memory.kinds.python
        self.raises_in(name, left, right)
        if python(left) is True and python(right) is True and not name.startswith("Bit"):
            left, right = (_counted(side) for side in operands)  # True + True is 2 in Python
        if name in ("Div", "FloorDiv", "Mod"):
            right = self.guard(right, 1.0)
        if name == "Pow" and not (isinstance(right, int) and right >= 0):
            left = self.guard(left, 1.0)
        if name == "Sub" and is_number(left) and isinstance(left, bool):
            left = int(left)
        result = fresh(tidy(_TRACED[name](weak(left), weak(right))), (left, right))
        return self.memory.kinds.of_all(result, operands)

    def _compare(self, name: str, left: Any, right: Any) -> Any:
        if name in ("Is", "IsNot"):
            if left is not None and right is not None and not isinstance(right, bool):
                raise ValueProblem("`is` compares with None only", "use ==")
            return (left is right) == (name == "Is")
        if name in ("In", "NotIn"):
            return self._contains(left, right) == (name == "In")
        if isinstance(left, Holder) or isinstance(right, Holder):
            raise ValueProblem(f"{describe(left)} cannot be compared here", "compare list(...)")
        plain = (str, type(None), dict)
        both = isinstance(left, list | tuple) and isinstance(right, list | tuple)
        if both or isinstance(left, plain) or isinstance(right, plain):
            if name not in ("Eq", "NotEq"):
                message = f"{describe(left)} and {describe(right)} have no order here"
                raise ValueProblem(message, "compare numbers, or np.array(...) of them")
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

    def _equal(self, left: Any, right: Any) -> Any:
        """Python's `==` of values of which one at least is no number or array."""
        if type(left) is not type(right) or not isinstance(left, list | tuple | dict):
            return left is right or (isinstance(left, str) and left == right)
        if len(left) != len(right) or isinstance(left, dict) and left.keys() != right.keys():
            return False
        keys = left if isinstance(left, dict) else range(len(left))
        truths = [self.truth(self._compare("Eq", left[key], right[key])) for key in keys]
        traced = [truth for truth in truths if is_traced(truth)]
        if not all(truth for truth in truths if not is_traced(truth)):
            return False
        return reduce(jnp.logical_and, traced) if traced else True

    def _contains(self, item: Any, owner: Any) -> bool:
        if isinstance(owner, dict | View):
            owner = self.items(owner)
        if isinstance(owner, str) and isinstance(item, str):
            return item in owner
        if not isinstance(owner, list | tuple) or not (is_number(item) or isinstance(item, str)):
            raise ValueProblem("`in` needs constants or a dict", "compare with == instead")
        if any(is_array(entry) for entry in owner):
            raise ValueProblem("`in` needs constants", "compare with == instead")
        return item in owner
