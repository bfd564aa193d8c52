"""Where Python would raise on values that are known only at run time.

`math.sqrt(-1.0)` has no value in Python, and neither has a reward that comes to it. A program here
cannot stop, so each such place notes the condition under which Python raises there, together with
the condition under which the program comes there at all; where any of them holds, the reward and
its components are NaN (`lower.py`), whatever the rest of the program makes of it.

NumPy's own functions do not raise, they give NaN or infinity: they note nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.memory import Memory
from core_jax.reward_models.formal.values import ValueProblem, is_number, is_traced

_LARGEST_LOG = 709.782712893384  # of what a float of Python can be
_GUARD = "test for zero first, as in `x / y if y != 0 else 0.0`, or divide by `y + 1e-6`"


@dataclass(frozen=True, eq=False)
class Raise:
    """A place where Python may raise.

    Attributes:
        node: what is evaluated there.
        message: what is wrong.
        hint: what to write instead.
        condition: traced 0-d bool, whether the program comes there and Python raises.
    """

    node: ast.AST | None
    message: str
    hint: str
    condition: jax.Array


class Raising:
    """The part of the evaluator that notes where Python raises.

    Attributes:
        active: the condition under which the present code runs; None if always.
        passed: pairs of a truth and what it must be for the present operand to be evaluated, where
            it does not stand in `active`, as no other value depends on it.
        place: the innermost node being evaluated.
        raised: where Python may raise, in the program's order.
    """

    active: jax.Array | None
    passed: list[tuple[Any, bool]]
    place: ast.AST | None
    raised: list[Raise]
    memory: Memory

    def spend(self, operations: int) -> None:
        """Count what the program costs."""
        raise NotImplementedError

    def raises(self, condition: Any, message: str, hint: str = "") -> None:
        """Python raises here where `condition` holds, if the program comes here.

        Raises:
            ValueProblem: it always does.
        """
        if not is_traced(condition):
            if condition:
                raise ValueProblem(message, hint)
            return
        self.spend(2)
        if self.active is not None:
            condition = jnp.logical_and(self.active, condition)
        for found, wanted in self.passed:
            truth: Any = found() if callable(found) else found
            if not is_traced(truth):
                if bool(truth) is not wanted:
                    return  # the program does not come here
                continue
            holds = truth if wanted else jnp.logical_not(truth)
            condition = jnp.logical_and(condition, holds)
        self.raised.append(Raise(self.place, message, hint, condition))

    @contextmanager
    def passing(self) -> Iterator[list[tuple[Any, bool]]]:
        """A list of (truth, what it must be) on which the evaluations that follow depend."""
        depth = len(self.passed)
        try:
            yield self.passed
        finally:
            del self.passed[depth:]

    def raises_in(self, name: str, left: Any, right: Any) -> None:
        """What Python's arithmetic on its own numbers raises; that on NumPy's does not, but for
        whole powers."""
        if name not in ("Div", "FloorDiv", "Mod", "Pow"):
            return
        kinds = self.memory.kinds
        if kinds.python(left) is False or kinds.python(right) is False:
            if name == "Pow":
                self.raises_in_power(left, right)
            return
        if name == "Pow":
            if is_number(right) and right in range(8):  # no float32 is too large for these
                return
            condition, message = power_fails(left, right), "this power has no real value"
            hint = "keep the base positive and the exponent small"
        elif is_number(right) and right != 0:
            return
        else:
            condition, message, hint = right == 0, "division of a number by zero", _GUARD
        for side in (left, right):
            python = known(kinds.python(side))
            condition = condition if python is True else jnp.logical_and(condition, python)
        self.raises(condition, message, hint)

    def raises_in_power(self, base: Any, exponent: Any) -> None:
        """NumPy's power of whole numbers raises where an exponent is negative."""
        kinds = [np.dtype(getattr(x, "dtype", type(x))).kind for x in (base, exponent)]
        if "f" not in kinds:
            fails = jnp.any(exponent < 0) if is_traced(exponent) else np.min(exponent) < 0
            message = "a whole number of NumPy to a negative whole power"
            self.raises(fails, message, "use a float, as in `2.0 ** n`")


def power_fails(x: Any, y: Any) -> Any:
    """Where Python's `x ** y` or `math.pow(x, y)` of floats raises, or is complex."""
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    pole = (x == 0) & (y < 0)
    root = (x < 0) & (y != jnp.round(y))
    size = jnp.where(x == 0, 1.0, jnp.abs(x))
    overflow = jnp.isfinite(x) & (y * jnp.log(size) > _LARGEST_LOG)
    return jnp.isfinite(y) & jnp.isfinite(x) & (pole | root | overflow)
