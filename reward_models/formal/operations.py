"""Operations on static and traced values, with errors located at the node being evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.choices import (
    MAX_OPTIONS,
    Choice,
    Masked,
    content_of,
    depends,
)
from core_jax.reward_models.formal.comparisons import NO_TEXT, TEXT_HINT, Comparisons
from core_jax.reward_models.formal.entries import scalar
from core_jax.reward_models.formal.errors import (
    PythonError,
    RewardError,
    diagnostic_for,
    plain_error,
)
from core_jax.reward_models.formal.iterables import Lazy, Rows, View
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.rotation import Rotation
from core_jax.reward_models.formal.texts import percent
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
    tidy,
    to_array,
    weak,
)

MAX_OPERATIONS = 8_000
MAX_WORK = 400_000
_FOLD_ELEMENTS = 128
_OPERANDS = "check the shapes and types of the operands"

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
    "Mult": safe_math.multiply,
    "Div": safe_math.divide,
    "FloorDiv": jnp.floor_divide,
    "Mod": jnp.mod,
    "Pow": safe_math.power,
    "MatMult": jnp.matmul,
    "BitAnd": jnp.bitwise_and,
    "BitOr": jnp.bitwise_or,
    "BitXor": jnp.bitwise_xor,
}
_GROWING = frozenset({"Add", "Sub", "Mult", "Pow"})
UNKNOWN = 2**30  # int() gives no larger one


def _counted(value: Any) -> Any:
    """A truth value as 0 or 1."""
    if isinstance(value, bool):
        return int(value)
    return value.astype(jnp.int32) if is_traced(value) and value.dtype == jnp.bool_ else value


class Operations(Comparisons):
    """What expressions are made of: arithmetic, comparison, truth, iteration, guarding."""

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
        if name == "BitOr" and isinstance(left, dict) and isinstance(right, dict):
            joined = dict(left)
            self.update(joined, right)
            return self._checked(joined)
        return self.lifted(lambda a, b: self._arithmetic(name, a, b), left, right)

    def _arithmetic(self, name: str, left: Any, right: Any) -> Any:
        for side in (left, right):
            if isinstance(side, Missing):
                raise ValueProblem(side.reason, side.hint)
        if name == "Add":
            for kind in (list, tuple, str):
                if isinstance(left, kind) and isinstance(right, kind):
                    joined: Any = kind(left)
                    return self._checked(joined + kind(right))
            if all(isinstance(side, str | Text) for side in (left, right)):
                return Text()
        if isinstance(left, Rotation) and isinstance(right, Rotation) and name == "Mult":
            return left.times(right)
        if name == "Mod" and isinstance(left, str):
            return percent(left, right)
        whole = is_traced(left) and left.dtype == np.int32 and not left.ndim
        if name == "Mult" and isinstance(right, list | tuple | str):
            if whole or isinstance(left, int):
                left, right = right, left
        count = is_traced(right) and right.dtype == np.int32
        if name == "Mult" and isinstance(left, list | tuple) and count:
            right = self._counts(right)
            return self.over(right, lambda times: self._arithmetic(name, left, times), True)
        if name == "Mult" and isinstance(left, list | tuple | str) and isinstance(right, int):
            if len(left) * right > MAX_ITEMS:
                raise ValueProblem(f"a container may hold at most {MAX_ITEMS} items")
            return (list(left) if isinstance(left, list) else left) * right
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
        result = self.memory.kinds.of_all(result, operands)
        if result.dtype == np.int32 and name in _GROWING:
            self._bound(name, left, right, result)
        return result

    def _counts(self, count: Any) -> Choice:
        """A whole number of the state as one of the constants that it can be."""
        most = self.memory.bounds.get(id(count), (count, MAX_OPTIONS))[1]
        if np.ndim(count) or most >= MAX_OPTIONS:
            message = "how often a list is repeated depends on the state"
            raise ValueProblem(message, "use arrays: np.full(n, x)")
        first = (count <= 0, 0)
        pairs = [first, *((count == k, k) for k in range(1, most + 1))]
        return Choice([condition for condition, _ in pairs], [k for _, k in pairs])

    def magnitude(self, value: Any) -> int:
        """A bound of the size of a whole number, or of all of an array."""
        if not is_traced(value):
            return int(np.max(np.abs(value), initial=0)) if np.size(value) else 0
        if value.dtype == np.bool_:
            return 1
        return self.memory.bounds.get(id(value), (value, UNKNOWN))[1]

    def _bound(self, name: str, left: Any, right: Any, result: Any) -> None:
        """Note how large a whole number may be, and where it leaves int32, as Python's do not."""
        a, b = self.magnitude(left), self.magnitude(right)
        if name == "Pow":
            most = a**b if b < 64 else 2**64
        else:
            most = a * b if name == "Mult" else a + b
        if most >= 2**31:
            wide = [jnp.asarray(weak(side), jnp.float32) for side in (left, right)]
            beyond = jnp.any(jnp.abs(_TRACED[name](*wide)) >= 2.0**31)
            self.raises(beyond, "a whole number beyond 2**31", "use floats: float(x)")
            most = UNKNOWN
        self.memory.bounds[id(result)] = (result, most)
