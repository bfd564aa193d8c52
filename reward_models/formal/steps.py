"""A program as a linked list of steps, so that control flow is a choice of what comes next."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core_jax.reward_models.formal.iterables import Turns


@dataclass(frozen=True, eq=False)
class Mark:
    """The end of a loop round, where `continue` and `break` lead, or of a loop."""

    name: str


@dataclass(frozen=True, eq=False)
class Bind:
    """Assign an item of an unrolled loop to the loop's target."""

    target: ast.expr
    turns: Turns
    index: int


@dataclass(frozen=True, eq=False)
class Ended:
    """An unrolled loop is over: Python must not find another item."""

    node: ast.expr
    turns: Turns


@dataclass(frozen=True, eq=False)
class Guarded:
    """A loop round that takes place on some states only: an `if` whose truth is no expression."""

    node: ast.expr
    truth: Callable[[], Any]
    choice: ast.If


@dataclass(frozen=True, eq=False)
class Again:
    """The test of a `while` loop after `count` rounds."""

    node: ast.While
    count: int


ROUND, LOOP = Mark("end of a loop round"), Mark("end of a loop")
Step = ast.stmt | Mark | Bind | Ended | Guarded | Again


@dataclass(frozen=True, eq=False)
class Steps:
    """A step and all that follow it; None is the end of the function."""

    step: Step
    rest: Steps | None


def chain(body: list[ast.stmt], rest: Steps | None = None) -> Steps | None:
    """The statements of `body`, followed by `rest`."""
    for statement in reversed(body):
        rest = Steps(statement, rest)
    return rest


def after(mark: Mark, steps: Steps | None) -> Steps | None:
    """The steps from the next `mark` on; None if there is none."""
    while steps is not None and steps.step is not mark:
        steps = steps.rest
    return steps


def meeting_point(
    branch: ast.stmt | None, rest: Steps | None, stop: Steps | None = None
) -> Steps | None:
    """The first point that both sides of a condition surely reach; None is the function's end.

    Args:
        branch: the `if`; None for the choice, at the end of a round, to leave the loop.
        rest: the steps that follow.
        stop: where the two sides that this runs in meet, which is not passed.

    Returns:
        Without jumps, `rest`. A `continue` or `break` moves it to the end of the loop round (where
        a flag tells whether to go on), leaving the loop to the end of the loop, and a `return` to
        the end of the function. What lies between is looked at as well.
    """
    jumps = _jumps(branch) if branch is not None else frozenset({"leave"})
    if not jumps:
        return rest
    if isinstance(branch, ast.If) and "return" not in jumps:
        if _breaks(branch.body) or _breaks(branch.orelse):  # only the other side goes on looping
            end = _loop_end(rest, stop)
            if end is not None:
                return end
    mark = ROUND if branch is not None else LOOP
    onward = False  # whether the `else` of a loop jumps beyond the loop's end
    while "return" not in jumps and rest is not None:
        if rest.step is mark:
            if mark is ROUND or not onward:
                break
            mark, onward = ROUND, False
        found = _jumps_of(rest)
        jumps |= found
        onward = not _begins_round(rest) and (onward or "round" in found)
        rest = rest.rest
    return None if "return" in jumps else rest


def _jumps_of(steps: Steps) -> frozenset[str]:
    """Kinds of jumps that leave the statement of a step."""
    step = steps.step
    step = step.choice if isinstance(step, Guarded) else step
    step = step.node if isinstance(step, Again) else step
    return _jumps(step) if isinstance(step, ast.stmt) else frozenset()


def _begins_round(steps: Steps) -> bool:
    """Whether what follows a step is another round of its loop, or the loop's `else`."""
    return steps.step is ROUND or isinstance(steps.step, Again)


def _breaks(body: list[ast.stmt]) -> bool:
    """Whether statements surely end in `break`."""
    if not body or not isinstance(body[-1], ast.Break):
        return False
    return not any(_jumps(part) for part in body[:-1])


def _loop_end(rest: Steps | None, stop: Steps | None) -> Steps | None:
    """The end of the loop that is running; None if a `return` or `stop` may come first, or if the
    loop's `else` jumps beyond it."""
    onward = False
    while rest is not None and rest.step is not LOOP:
        found = _jumps_of(rest)
        if rest is stop or "return" in found:
            return None
        onward = not _begins_round(rest) and (onward or "round" in found)
        rest = rest.rest
    return None if onward else rest


def _jumps(statement: ast.stmt) -> frozenset[str]:
    """Kinds of jumps that leave `statement`. Nested functions keep their own."""
    if isinstance(statement, ast.Return):
        return frozenset({"return"})
    if isinstance(statement, ast.Break | ast.Continue):
        return frozenset({"round"})
    if isinstance(statement, ast.If):
        parts = (*statement.body, *statement.orelse)
        return frozenset().union(*(_jumps(part) for part in parts))
    if isinstance(statement, ast.For | ast.While):
        inner = frozenset().union(*(_jumps(part) for part in statement.body))
        after_it = frozenset().union(*(_jumps(part) for part in statement.orelse))
        return (inner & {"return"}) | after_it
    return frozenset()


def inner_statements(statement: ast.stmt) -> Iterator[ast.AST]:
    """All nodes in a statement, but those of functions defined in it."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            stack.extend(ast.iter_child_nodes(node))
