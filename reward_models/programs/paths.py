"""The paths of a program: what runs under a condition, where paths end, and how they are joined.

A condition that is known only at run time runs both sides, one after the other from one start, each
with `live` (whether the program is on this path) narrowed. A `return`, `break`, `continue` or a
caught exception ends a path: it is kept as an `Exit` and joined to the others where Python goes on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.errors import (
    PythonError,
    RewardError,
    diagnostic_for,
    plain_error,
)
from core_jax.reward_models.programs.joins import Join, Store
from core_jax.reward_models.programs.values import (
    Choice,
    Dict,
    Number,
    PythonRaises,
    Unset,
    ValueProblem,
    is_traced,
)

MAX_STEPS = 20_000
MAX_ELEMENTS = 100_000_000  # numbers that a program may compute for one picture
RAISED = "raised"


@dataclass(frozen=True, eq=False)
class Exit:
    """The end of a path.

    Attributes:
        live: whether the program takes it.
        store: what everything holds there.
    """

    live: Any
    store: Store


def both(a: Any, b: Any) -> Any:
    """`a and b` of truths that may be traced."""
    if a is True or b is False:
        return b
    if b is True or a is False:
        return a
    return a if a is b else jnp.logical_and(a, b)


def either(a: Any, b: Any) -> Any:
    """`a or b` of truths that may be traced."""
    if a is False or b is True:
        return b
    if b is False or a is True:
        return a
    return a if a is b else jnp.logical_or(a, b)


def negated(a: Any) -> Any:
    """`not a` of a truth that may be traced."""
    return jnp.logical_not(a) if is_traced(a) else not a


class Paths:
    """The part of the evaluator that knows which path it is on.

    Attributes:
        source: the text, for messages.
        store: what cells hold on this path.
        live: whether the program comes here: True, False or a traced 0-d bool.
        exits: for each kind of jump, the paths that have ended in it; None of "raise" if nothing
            catches it.
        flags: a cell with the truth that Python has raised.
        place: the innermost node being evaluated.
        doubts: places at which Python may raise, for warnings.
    """

    source: str
    store: Store
    live: Any
    exits: dict[str, list[Exit] | None]
    flags: Dict
    place: ast.AST | None
    doubts: dict[str, str]
    pixels: int

    def __init__(self, source: str, pixels: int):
        self.source, self.pixels = source, pixels
        self.store, self.live = Store(), True
        self.exits = {"return": [], "break": None, "continue": None, "raise": None}
        self.flags = Dict({RAISED: Number(jnp.asarray(False), True)})
        self.place, self.doubts = None, {}
        self.steps = self.elements = 0

    # Errors and limits

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
        except Widen:
            raise
        except Exception as error:  # NumPy and JAX refuse shapes and types in many ways
            message, python = plain_error(error)
            found = diagnostic_for(self.source, node, message, "check the shapes and types")
            raise (PythonError if python else RewardError)([found]) from None
        finally:
            self.place = outer

    def spend(self, steps: int) -> None:
        """Count what the program costs to lower.

        Raises:
            ValueProblem: it costs too much.
        """
        self.steps += steps
        if self.steps > MAX_STEPS:
            message = f"the program needs more than {MAX_STEPS} steps"
            raise ValueProblem(message, "use fewer loops, and operations on whole arrays")

    def work(self, elements: int) -> None:
        """Count the numbers that the program computes for one picture.

        Raises:
            ValueProblem: there are too many.
        """
        self.elements += elements
        if self.elements > MAX_ELEMENTS:
            message = f"the program computes more than {MAX_ELEMENTS} numbers for each frame"
            raise ValueProblem(message, "use fewer operations on whole pictures, or smaller ones")

    def raises(self, condition: Any, message: str, hint: str = "") -> None:
        """Python raises here where `condition` holds, if the program comes here.

        Raises:
            PythonRaises: it always does.
        """
        if not is_traced(condition):
            if condition:
                raise PythonRaises(message, hint)
            return
        here = both(self.live, condition)
        caught = self.exits["raise"]
        if caught is not None:
            caught.append(Exit(here, self.store.copy()))
            self.live = both(self.live, negated(condition))
            return
        before = self.store.get(self.flags)[RAISED].data
        self.store.set(self.flags, {RAISED: Number(jnp.logical_or(before, here), True)})

    def doubt(self, what: str) -> None:
        """Note that Python may raise at the present place."""
        line = getattr(self.place, "lineno", 0)
        self.doubts.setdefault(what, f"line {line}: {what}")

    # Joining

    def leave(self, kind: str) -> None:
        """End the present path in a jump."""
        found = self.exits[kind]
        assert found is not None
        found.append(Exit(self.live, self.store))
        self.store, self.live = self.store.copy(), False

    def merged(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, else `no`; both of the present path."""
        return Join(condition, self.store, self.store).value(yes, no)

    def fork(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """Run both sides of a traced condition from one start; the joined value."""
        sides = [(condition, yes), (negated(condition), no)]
        return self._alternatives(sides, False)

    def over(self, value: Choice, function: Callable[[Any], Any]) -> Any:
        """`function` of the value that a choice has.

        Python may raise for some of the values; for all of them it is an error.
        """
        sides = [
            (condition, lambda one=one: self._option(function, one))
            for condition, one in zip(value.conditions, value.values, strict=True)
        ]
        return self._alternatives(sides, True)

    def _option(self, function: Callable[[Any], Any], value: Any) -> Any:
        if isinstance(value, Unset):
            raise PythonRaises(f"{value.what} has no value", "give it a value on every path")
        try:
            return function(value)
        except (PythonRaises, RewardError, RecursionError, Widen):
            raise
        except ValueProblem as problem:
            if value is None:
                raise PythonRaises(problem.message, problem.hint) from None
            raise
        except Exception as error:
            message, _ = plain_error(error)
            raise PythonRaises(message) from None

    def _alternatives(self, sides: list[tuple[Any, Callable]], may_raise: bool) -> Any:
        start, live, exits = self.store, self.live, self.exits
        ends: list[tuple[Any, Any, Store, Any]] = []
        problem: Exception | None = None
        raised: list[Any] = []
        for condition, run in sides:
            self.store, self.live = start.copy(), both(live, condition)
            entry = self.live
            try:
                result = run()
            except (PythonRaises, PythonError) as error:
                if not may_raise:
                    raise
                problem = problem or error
                raised.append(condition)
                self.exits = exits
                continue
            if self.live is not False:
                whole = self.live is entry
                ends.append((condition, result, self.store, True if whole else self.live))
        if not ends and problem is not None:
            raise problem
        self.store, self.live = start.copy(), live
        if not ends:
            self.live = False
            return None
        value, store = ends[-1][1], ends[-1][2]
        for condition, other, held, _ in reversed(ends[:-1]):
            join = Join(condition, held, store)
            value, store = join.value(other, value), join.stores()
        self.store = store
        if len(ends) + len(raised) < len(sides) or any(one[3] is not True for one in ends):
            self.live = False
            for condition, _, _, whole in ends:
                here = both(live, condition) if whole is True else whole
                self.live = either(self.live, here)
        for condition in raised:
            self.raises(condition, "Python raises here")
        return value

    def rejoined(self, exits: list[Exit]) -> None:
        """Go on where all of these paths meet."""
        exits = [one for one in exits if one.live is not False]
        if not exits:
            self.live = False
            return
        store, live = exits[0].store, exits[0].live
        for one in exits[1:]:
            store = Join(one.live, one.store, store).stores()
            live = either(live, one.live)
        self.store, self.live = store.copy(), live


class Widen(Exception):
    """A loop's carry needs a wider structure than it was given."""
