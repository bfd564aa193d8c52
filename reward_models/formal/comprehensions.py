"""Comprehensions and generators; what their filters keep may depend on the state."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.calls import Calls, may_change
from core_jax.reward_models.formal.choices import Varied, content_of
from core_jax.reward_models.formal.iterables import Turns
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.merge import same_items
from core_jax.reward_models.formal.values import (
    Frame,
    Function,
    PythonRaises,
    containers,
    is_traced,
)


class Comprehensions(Calls):
    """The part of the evaluator for `[... for ...]` and what is like it."""

    callers: list[Frame]
    assign: Callable[[ast.expr, Any], None]  # these are further down in the tower
    loop: Callable[[ast.expr], Turns]

    def eval_ListComp(self, node: ast.ListComp) -> Any:
        with self.holding([]) as values:
            self._comprehend(node.generators, lambda: self.extended(values, self.value(node.elt)))
        return values

    eval_GeneratorExp = eval_ListComp

    def check_stream(self, node: ast.expr, owner: Any) -> None:
        """Refuse a generator that reads what it is put into: Python makes each item when the ones
        before it are there, and here all are made first."""
        if isinstance(node, ast.GeneratorExp) and isinstance(owner, list | dict):
            if any(one is owner for one in containers(self._read_by(node, self.frame, set()))):
                message = "this generator reads what its items are put into"
                self.fail(node, message, "make a list of it first: [... for ...]")

    def _read_by(self, node: ast.AST, frame: Frame | None, seen: set[int]) -> list:
        """The values of names in `node`, and of those in the functions that it names."""
        found: list[Any] = []
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                value = _looked_up(part.id, frame)
                if not isinstance(value, Function):
                    found.append(value)
                elif id(value) not in seen:
                    seen.add(id(value))
                    found.append(value.defaults)
                    found += self._read_by(value.node, value.frame, seen)
        return found

    def noted(self, *nodes: ast.AST) -> list[tuple[Any, Any]]:
        """All lists and dicts that the program knows, and what they hold; none of them if `nodes`
        (where there are any) call nothing that could change a value."""
        if nodes and not any(may_change(one) for node in nodes for one in ast.walk(node)):
            return []
        return [(one, one.copy()) for one in containers([*self.name_dicts()])]

    def check_unchanged(self, node: ast.AST, before: list[tuple[Any, Any]]) -> None:
        """Refuse what changed a value where Python evaluates no more than it must."""
        if not all(same_items(one, old) for one, old in before):
            message = "what Python may leave out here, as the result is known, changes a value"
            self.fail(node, message, "use a `for` loop, or `if`")

    def short_cut(self, name: str, node: ast.GeneratorExp) -> Any:
        """The truths of a generator in `any` or `all`, of which Python looks at no more than it
        must.
        """
        total: Any = name == "all"
        found, before = [total], self.noted(node)
        with self.passing() as passed, self.holding(found):
            passed.append((lambda: found[0], total))

            def body() -> None:
                if found[0] is not total and not is_traced(found[0]):
                    return  # it is known
                truth = self.at(node.elt, lambda: self.truth(self.value(node.elt)))
                join = jnp.logical_and if total else jnp.logical_or
                if is_traced(truth):
                    found[0] = join(found[0], truth)
                elif truth is not total:
                    found[0] = truth

            self._comprehend(node.generators, body)
        if is_traced(found[0]):
            self.check_unchanged(node, before)
        return self.memory.kinds.as_python(fresh(found[0], ()))

    def first_of(self, node: ast.GeneratorExp, default: Any, has_default: bool) -> Any:
        """`next(generator, default)`."""
        before = self.noted(node)
        with self.passing() as passed, self.holding([]) as values:

            def body() -> None:
                if content_of(values) is None and values:
                    return
                self.extended(values, self.value(node.elt))

            passed.append((lambda: self.truth(values), False))
            self._comprehend(node.generators, body)
        if content_of(values) is None:
            if not values and not has_default:
                raise PythonRaises("next() of nothing", "give it a default: next(..., 0.0)")
            return values[0] if values else default
        self.check_unchanged(node, before)
        if not has_default:
            return self.list_item(values, 0)
        there = self.size(values) > 0
        content = content_of(values)
        assert isinstance(content, Varied)
        return self.merged(there, content.items[0], default)

    def eval_DictComp(self, node: ast.DictComp) -> Any:
        values: dict = {}
        with self.holding([values]):
            self._comprehend(
                node.generators,
                lambda: self.set_item(values, self.value(node.key), self.value(node.value)),
            )
        return values

    def _comprehend(self, generators: list[ast.comprehension], body: Callable[[], Any]) -> None:
        self.callers.append(self.frame)
        self.frame = Frame({}, self.frame, inner=True)
        try:
            self._generate(generators, body)
        finally:
            self.frame = self.callers.pop()

    def _generate(self, generators: list[ast.comprehension], body: Callable[[], Any]) -> None:
        if not generators:
            body()
            return
        first = generators[0]
        turns = self.loop(first.iter)
        with self.holding(turns.held):
            for index in range(turns.count):
                guard = turns.guard(index)
                turn = lambda i=index: self._turn(generators, body, lambda: turns.item(i))
                if guard is True:
                    turn()
                else:
                    self.fork(first.iter, guard, turn, lambda: None)
            self.at(first.iter, turns.ended)

    def _turn(
        self, generators: list[ast.comprehension], body: Callable[[], Any], item: Callable[[], Any]
    ) -> None:
        """One round of a comprehension's loop."""
        first = generators[0]
        self.assign(first.target, self.at(first.iter, item))
        self._filtered(first.ifs, lambda: self._generate(generators[1:], body))

    def _filtered(self, tests: list[ast.expr], body: Callable[[], Any]) -> None:
        """Run `body` where all tests hold."""
        if not tests:
            body()
            return
        truth = self.at(tests[0], lambda: self.truth(self.value(tests[0])))
        rest = lambda: self._filtered(tests[1:], body)
        if is_traced(truth):
            self.fork(tests[0], truth, rest, lambda: None)
        elif truth:
            rest()


def _looked_up(name: str, frame: Frame | None) -> Any:
    """The value of a name, None if it has none."""
    while frame is not None:
        if name in frame.names:
            return frame.names[name]
        frame = frame.parent
    return None
