"""The order of a program's statements: branches, loops and jumps.

The program is a linked list of steps. A condition that is known takes one branch. One that is
traced runs both, each with everything that follows up to the point where the two surely meet
again (the end of the `if`, of the loop round, of the loop, or of the function, whichever its
`return`, `break` and `continue` reach), and joins them there with `jnp.where`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from core_jax.reward_models.formal.iterables import Turns
from core_jax.reward_models.formal.merge import Merger, first_missing
from core_jax.reward_models.formal.results import RETURN
from core_jax.reward_models.formal.statements import Statements
from core_jax.reward_models.formal.steps import (
    LOOP,
    ROUND,
    Again,
    Bind,
    Ended,
    Guarded,
    Steps,
    after,
    chain,
    inner_statements,
    meeting_point,
)
from core_jax.reward_models.formal.values import is_traced

MAX_TRIPS = 1_000


MAX_OPEN_TRIPS = 60  # of a `while` whose condition depends on the state


_LEFT = "<loop left by break>"  # no name of Python, so no name of a source


class Returned:
    """The value that a function returned."""

    def __init__(self, value: Any, node: ast.AST):
        self.value, self.node = value, node


class ControlFlow(Statements):
    """The part of the evaluator that decides which statement comes next."""

    source: str

    def execute(self, steps: Steps | None, stop: Steps | None = None) -> Returned | None:
        """Run steps until `stop`, the end or a `return`."""
        while steps is not None and steps is not stop:
            step, rest = steps.step, steps.rest
            if step is ROUND:
                left = self.frame.names[_LEFT]
                meeting = meeting_point(None, rest) if is_traced(left) else None
                if is_traced(left):
                    node = self.calls[-1] if self.calls else self.tree
                    returned = self._branch(node, left, after(LOOP, rest), rest, meeting)
                    if meeting is None:
                        return returned
                    steps = meeting
                else:
                    steps = after(LOOP, rest) if left else rest
            elif step is LOOP:
                self.frame.names[_LEFT] = False
                steps = rest
            elif isinstance(step, Bind):
                self.frame.names[_LEFT] = False
                self.at(step.target, lambda s=step: self.assign(s.target, s.turns.item(s.index)))
                steps = rest
            elif isinstance(step, Ended):
                self.at(step.node, step.turns.ended)
                steps = rest
            elif isinstance(step, ast.If | Guarded):
                if isinstance(step, Guarded):
                    self.frame.names[_LEFT] = False
                    truth, step = self.at(step.node, step.truth), step.choice
                else:
                    truth = self.at(step.test, lambda s=step: self.truth(self.value(s.test)))
                if not is_traced(truth):
                    steps = chain(step.body if truth else step.orelse, rest)
                    continue
                meeting = meeting_point(step, rest, stop)
                yes, no = chain(step.body, rest), chain(step.orelse, rest)
                returned = self._branch(step, truth, yes, no, meeting)
                if meeting is None:
                    return returned
                steps = meeting
            elif isinstance(step, ast.For):
                steps = self._unroll(step, rest)
            elif isinstance(step, ast.While):
                steps = Steps(Again(step, 0), chain(step.orelse, Steps(LOOP, rest)))
            elif isinstance(step, Again):
                done = self._again(step, rest)
                if isinstance(done, Returned) or done is None:
                    return done
                steps = done
            elif isinstance(step, ast.Break | ast.Continue):
                self.frame.names[_LEFT] = isinstance(step, ast.Break)
                steps = after(ROUND, rest)
                if steps is None:
                    self.fail(step, "`break` and `continue` belong inside a loop")
            elif isinstance(step, ast.Return):
                return self._return(step)
            else:
                assert isinstance(step, ast.stmt)
                self.statement(step)
                steps = rest
        return None

    def _unroll(self, step: ast.For, rest: Steps | None) -> Steps | None:
        turns = self.loop(step.iter)
        self.held.append(turns.held)  # a write in the loop shows in the rows still to come
        steps: Steps | None = Steps(Ended(step.iter, turns), chain(step.orelse, Steps(LOOP, rest)))
        for index in reversed(range(turns.count)):
            bind = Bind(step.target, turns, index)
            guard = turns.guard(index)
            if guard is True:
                steps = Steps(bind, chain(step.body, Steps(ROUND, steps)))
            else:  # the round takes place on some states only
                body: list[Any] = [bind, *step.body]
                choice = ast.copy_location(ast.If(step.iter, body, []), step)
                turn = Guarded(step.iter, lambda g=guard: g, choice)
                steps = Steps(turn, Steps(ROUND, steps))
        return steps

    def _again(self, step: Again, rest: Steps | None) -> Steps | Returned | None:
        """The next round of a `while` loop, or what follows the loop."""
        node = step.node
        truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
        if not is_traced(truth) and not truth:
            return rest
        if step.count >= (MAX_OPEN_TRIPS if is_traced(truth) else MAX_TRIPS):
            hint = "use `for i in range(N)`, or add a counter to the condition: `and i < 10`"
            self.fail(node, "this `while` loop does not end after a known number of rounds", hint)
        self.at(node, lambda: self.spend(2))
        self.frame.names[_LEFT] = False
        yes = chain(node.body, Steps(ROUND, Steps(Again(node, step.count + 1), rest)))
        if not is_traced(truth):
            return yes
        meeting = meeting_point(None, rest)
        if any(isinstance(part, ast.Return) for part in inner_statements(node)):
            meeting = None
        returned = self._branch(node, truth, yes, rest, meeting)
        return returned if meeting is None else meeting

    def loop(self, node: ast.expr) -> Turns:
        """A loop over the value of `node`, of at most MAX_TRIPS rounds."""
        value = self.value(node)
        found = self.at(node, lambda: self.guarded(self.rows(value)))
        self.at(node, lambda: self.spend(found.count // 4))
        if found.count > MAX_TRIPS:
            self.fail(node, f"the loop runs {found.count} times; the limit is {MAX_TRIPS}")
        return found

    def _branch(
        self,
        node: ast.AST,
        truth: Any,
        yes_steps: Steps | None,
        no_steps: Steps | None,
        meeting: Steps | None,
    ) -> Returned | None:
        """Run both sides of a traced condition up to `meeting` and join them."""
        before = self.frame.names

        def side(steps: Steps | None) -> Callable[[], Any]:
            def run() -> tuple[dict, Returned | None]:
                self.frame.names = dict(before)
                try:
                    returned = self.execute(steps, meeting)
                    return self.frame.names, returned
                finally:
                    self.frame.names = before

            return run

        def join(merger: Merger, yes: tuple, no: tuple) -> tuple:
            if meeting is not None:
                return merger.names(yes[0], no[0]), None
            return before, self._joined_return(node, merger, yes[1], no[1])

        names, returned = self.fork(node, truth, side(yes_steps), side(no_steps), join)
        self.frame.names = names
        return returned

    def _joined_return(
        self, node: ast.AST, merger: Merger, yes: Returned | None, no: Returned | None
    ) -> Returned | None:
        """What a function returns whose sides return, or of which one comes to the end."""
        if yes is None and no is None:
            return None
        last = no or yes
        assert last is not None
        values: list[Any] = [None if side is None else side.value for side in (yes, no)]
        one, other = values
        if self.frame.is_reward:
            if yes is None or no is None:
                self.fail(node, "the reward function may end without `return`", RETURN)
            self._check_same_components(last.node, one[1], other[1])
        value = merger.merge(one, other, "the returned value")
        missing = first_missing(value)
        if self.frame.is_reward and missing is not None:
            self.fail(last.node, missing.reason, missing.hint)
        return Returned(value, last.node)

    def _check_same_components(self, node: ast.AST, yes: dict, no: dict) -> None:
        """Refuse a reward whose paths return different components."""
        for name in (*yes, *no):
            if name not in yes or name not in no:
                message = f"the component {name!r} is returned on one path only"
                self.fail(node, message, "return the same components, by name, on every path")

    def _return(self, node: ast.Return) -> Returned:
        value = None if node.value is None else self.value(node.value)
        return Returned(self._reward(node, value) if self.frame.is_reward else value, node)
