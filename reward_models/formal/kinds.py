"""Which numbers are Python's, and which are arrays without dimensions, as NumPy would have it.

JAX has one kind of number, a 0-d array. NumPy has three, and which one it is decides what raises:
`float(x) / 0.0` does and `x[0] / 0.0` does not, `round(x[0])` works and `round(np.where(...))`
does not. Constants show their kind by their type (but integers and truth values, which count as
Python's); that of a traced number is noted here. A number that is of one kind on one path and of
another on the other has the kind that the condition tells, which is worked out only if asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import tidy
from core_jax.reward_models.formal.values import is_number, is_traced


class Late:
    """A truth value, traced or not, that is computed when it is first asked for."""

    def __init__(self, function: Callable[[], Any]):
        self._function, self._known = function, None

    def now(self) -> Any:
        if self._known is None:
            self._known = self._function()
        return self._known


Flag = bool | Late


def known(flag: Flag) -> Any:
    """A flag as a bool or a traced 0-d bool."""
    return flag.now() if isinstance(flag, Late) else flag


def _both(a: Flag, b: Flag) -> Flag:
    if a is False or b is False:
        return False
    if a is True or a is b:
        return b
    return a if b is True else Late(lambda: jnp.logical_and(known(a), known(b)))


def _chosen(condition: Callable[[], Any], yes: Flag, no: Flag) -> Flag:
    if yes is no:
        return yes
    return Late(lambda: jnp.where(condition(), known(yes), known(no)))


class Kinds:
    """The kinds of the traced numbers of one run, found by identity."""

    def __init__(self) -> None:
        self._noted: dict[int, tuple[Any, Flag, Flag]] = {}  # holds the number, so ids stay

    def _note(self, value: Any, python: Flag, array: Flag) -> Any:
        value = tidy(value)
        if is_traced(value) and not value.ndim:
            self._noted[id(value)] = (value, python, array)
        return value

    def python(self, value: Any) -> Flag:
        """Whether `value` is a number of Python."""
        if is_traced(value):
            return self._noted.get(id(value), (value, False, False))[1]
        return is_number(value) and not isinstance(value, np.floating)

    def array(self, value: Any) -> Flag:
        """Whether `value` is an array without dimensions, and no scalar of NumPy."""
        if is_traced(value):
            return self._noted.get(id(value), (value, False, False))[2]
        return isinstance(value, np.ndarray) and not value.ndim

    def differ(self, a: Any, b: Any) -> bool:
        """Whether one of two values is a truth value, or a whole number of NumPy, and one is not.

        As one number or array they would lose what is decided by their type: `+` of NumPy's truth
        values is "or", `-` of one raises, and neither is an index of a list.
        """
        types = [side.dtype if is_traced(side) else np.result_type(side) for side in (a, b)]
        if types[0].kind == types[1].kind:
            return False
        sides = zip((a, b), types, strict=True)
        return any(
            type.kind == "b"
            or (type.kind == "i" and is_traced(side) and self.python(side) is not True)
            for side, type in sides
        )

    def as_python(self, value: Any) -> Any:
        """`value`, which Python has made."""
        return self._note(value.item() if isinstance(value, np.generic) else value, True, False)

    def as_array(self, value: Any) -> Any:
        """`value`, which is an array of NumPy even if it has no dimensions."""
        return self._note(value, False, True)

    def of_all(self, result: Any, operands: tuple) -> Any:
        """`result`, which is Python's if all operands are, and else a scalar of NumPy."""
        python: Flag = True
        for operand in operands:
            python = _both(python, self.python(operand))
        return result if python is False else self._note(result, python, False)

    def like(self, result: Any, value: Any) -> Any:
        """`result`, of the kind of `value`."""
        return self._note(result, self.python(value), self.array(value))

    def reshaped(self, result: Any, owner: Any) -> Any:
        """`result`, another shape or type of `owner`; an array, unless that is a scalar."""
        return self._note(result, False, bool(np.ndim(owner)) or self.array(owner))

    def chosen(self, condition: Callable[[], Any], result: Any, yes: Any, no: Any) -> Any:
        """`result`, which is `yes` where the condition holds, else `no`."""
        python = _chosen(condition, self.python(yes), self.python(no))
        array = _chosen(condition, self.array(yes), self.array(no))
        return result if python is False and array is False else self._note(result, python, array)
