"""Python's and NumPy's arithmetic on static and traced values, and how large whole numbers get."""

from __future__ import annotations

import operator
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.choices import MAX_OPTIONS, Choice
from core_jax.reward_models.formal.conversions import tidy, to_array, weak
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.operations import Operations
from core_jax.reward_models.formal.rotation import Rotation
from core_jax.reward_models.formal.texts import percent
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Missing,
    Text,
    ValueProblem,
    describe,
    is_array,
    is_number,
    is_traced,
)

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


_OF_TRUTHS = ("Add", "Sub", "Mult")  # numbers in Python; in NumPy truth values, or refused


_GROWING = frozenset({"Add", "Sub", "Mult", "Pow", "MatMult"})


UNKNOWN = 2**30  # int() gives no larger one


def _counted(value: Any) -> Any:
    """A truth value as 0 or 1."""
    if isinstance(value, bool):
        return int(value)
    return value.astype(jnp.int32) if is_traced(value) and value.dtype == jnp.bool_ else value


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or is_array(value) and value.dtype == np.bool_


class Arithmetic(Operations):
    """The part of the evaluator that computes.

    Attributes:
        literal: whether a side of the operation under way is written as a constant, so Python's.
    """

    literal = False

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
            return left.times(self, right)
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
            if isinstance(right, bool):
                message = "a list or text times a constant truth value, which NumPy's cannot be"
                raise ValueProblem(message, "write int(x), or `if`")
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
            if isinstance(left, bool) and isinstance(right, bool) and name in _OF_TRUTHS:
                message = "constant truth values of Python and of NumPy add up to other numbers"
                raise ValueProblem(message, "make numbers of them: int(a) + int(b)")
            if is_number(left) and is_number(right):
                if name == "Pow":
                    self._check_power(left, right)
                with np.errstate(all="ignore"):
                    return tidy(_STATIC[name](left, right))
            if np.size(left) <= _FOLD_ELEMENTS and np.size(right) <= _FOLD_ELEMENTS:
                with np.errstate(all="ignore"):
                    return tidy(_STATIC[name](left, right))
        operands, python = (left, right), self.memory.kinds.python
        self.raises_in(name, left, right)
        if name in _OF_TRUTHS and not self.literal and all(map(_is_truth, operands)):
            if any(isinstance(s, bool) for s in operands) and all(map(python, operands)):
                message = "a constant truth value, which may be NumPy's, and one of Python"
                raise ValueProblem(message, "make numbers of them: int(a) + int(b)")
        if python(left) is True and python(right) is True and not name.startswith("Bit"):
            left, right = (_counted(side) for side in operands)  # True + True is 2 in Python
        elif not name.startswith("Bit") and all(map(_is_truth, operands)):
            if not any(python(side) is False for side in operands):
                message = "a truth value that may be Python's or NumPy's"
                raise ValueProblem(message, "make a number of it: int(x)")
        if name in ("Div", "FloorDiv", "Mod"):
            right = self.guard(right, 1.0)
        if name == "Pow" and not (isinstance(right, int) and right >= 0):
            left = self.guard(left, 1.0)
        if name == "Sub" and isinstance(left, bool) and not _is_truth(right):
            left = int(left)
        result = fresh(tidy(_TRACED[name](weak(left), weak(right))), (left, right))
        result = self.memory.kinds.of_all(result, operands)
        if result.dtype == np.int32 and name in _GROWING:
            self._bound(name, left, right, result)
        return result

    def _check_power(self, base: float, exponent: float) -> None:
        """Refuse powers of constants that take too long, or that NumPy may not have."""
        if abs(exponent) > 1_000 or abs(base) > 1e6 and abs(exponent) > 50:
            raise ValueProblem("the exponent is too large")
        whole = isinstance(base, int) and isinstance(exponent, int)
        if whole and exponent < 0 and not self.literal:
            message = "a constant whole number, which may be NumPy's, to a negative whole power"
            raise ValueProblem(message, "use a float, as in `1.0 / n` or `float(n) ** -1`")

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
            most = {"Mult": a * b, "MatMult": a * b * np.shape(left)[-1:][0] if np.ndim(left) else 0
                    }.get(name, a + b)  # fmt: skip
        if most >= 2**31:
            wide = [jnp.asarray(weak(side), jnp.float32) for side in (left, right)]
            beyond = jnp.any(jnp.abs(_TRACED[name](*wide)) >= 2.0**31)
            self.raises(beyond, "a whole number beyond 2**31", "use floats: float(x)")
            most = UNKNOWN
        self.memory.bounds[id(result)] = (result, most)
