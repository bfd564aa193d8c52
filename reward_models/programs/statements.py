"""Statements of an image program: assignments, branches, loops, jumps and definitions."""

from __future__ import annotations

import ast
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.errors import PythonError
from core_jax.reward_models.programs.expressions import Expressions
from core_jax.reward_models.programs.paths import Exit
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Class,
    Instance,
    List,
    Module,
    Number,
    PythonRaises,
    Text,
    Unset,
    ValueProblem,
    describe,
    is_traced,
)

MAX_WHILE = 1_000


class Statements(Expressions):
    """The part of the evaluator for statements.

    Attributes:
        last_return: the last `return` of the program's own function, for messages.
    """

    last_return: ast.Return | None = None

    def block(self, body: list[ast.stmt]) -> None:
        """Run statements until the path ends."""
        for node in body:
            if self.live is False:
                return
            self.at(node, lambda: self.spend(1))
            method = getattr(self, f"run_{type(node).__name__}", None)
            if method is None:
                self.fail(node, f"`{type(node).__name__}` cannot be used here")
            else:
                self._guarded(node, method)

    def _guarded(self, node: ast.stmt, method: Any) -> None:
        try:
            self.at(node, lambda: method(node))
        except PythonError:
            if self.exits["raise"] is None:
                raise
            self.leave("raise")

    def run_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value)

    def run_Pass(self, node: ast.Pass) -> None:
        pass

    def run_Assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.at(target, lambda t=target: self.assign(t, value))

    def run_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value))

    def assign(self, target: ast.expr, value: Any) -> None:
        """Assign to a name, an attribute, a subscript or a tuple of such."""
        if isinstance(target, ast.Name):
            self.set_name(target.id, value)
        elif isinstance(target, ast.Attribute):
            self._set_attribute(self.value(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            owner = self.value(target.value)
            self.set_item(owner, self.key(target.slice), value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value)
        else:
            raise ValueProblem("this cannot be assigned to", "assign to a name")

    def _set_attribute(self, owner: Any, name: str, value: Any) -> None:
        if isinstance(owner, Choice):
            self.over(owner, lambda one: self._set_attribute(one, name, value))
            return
        if not isinstance(owner, Instance):
            raise ValueProblem(f"an attribute of {describe(owner)} is set", "set one of `self`")
        held = dict(self.store.get(owner))
        held[name] = value
        self.store.set(owner, held)

    def _unpack(self, targets: list[ast.expr], value: Any) -> None:
        if isinstance(value, Choice):
            count = len(targets)
            found = self.over(value, lambda one: self._parts(targets, one))
            if not isinstance(found, tuple):
                found = tuple(self.over(found, lambda one, i=i: one[i]) for i in range(count))
        else:
            found = self._parts(targets, value)
        for target, item in zip(targets, found, strict=True):
            part = target.value if isinstance(target, ast.Starred) else target
            self.assign(part, item)

    def _parts(self, targets: list[ast.expr], value: Any) -> tuple:
        sized = isinstance(value, tuple | str | List | Array) or hasattr(value, "size")
        if not sized or isinstance(value, Number) or isinstance(value, bool | int | float):
            message = f"{describe(value)} cannot be unpacked into {len(targets)} names"
            raise PythonRaises(message, "return as many values as are assigned")
        size = self.size(value)
        starred = [i for i, one in enumerate(targets) if isinstance(one, ast.Starred)]
        if isinstance(size, Number):
            if starred:
                raise ValueProblem("a starred name for what depends on the picture in size")
            self.raises(size.data != len(targets), f"not {len(targets)} values to unpack")
            return tuple(
                self.at_index(value, Number(jnp.int32(i), True)) for i in range(len(targets))
            )
        items = self.collected(value)
        if starred and size >= len(targets) - 1:
            first, after = starred[0], len(targets) - starred[0] - 1
            middle = List(items[first : size - after])
            items = (*items[:first], middle, *items[size - after :])
        if len(items) != len(targets):
            message = f"{len(items)} values for {len(targets)} names"
            raise PythonRaises(message, "return as many values as are assigned")
        return items

    def run_AugAssign(self, node: ast.AugAssign) -> None:
        operation, target = type(node.op).__name__, node.target
        if isinstance(target, ast.Subscript):
            owner, key = self.value(target.value), self.key(target.slice)
            new = self.arithmetic(operation, self.item(owner, key), self.value(node.value))
            self.set_item(owner, key, new)
            return
        old = self.value(target)
        value = self.value(node.value)
        if isinstance(old, List) and operation == "Add":
            self.each(value, lambda item: self.append(old, item))
            return
        new = self.arithmetic(operation, old, value)
        if isinstance(old, Array) and isinstance(new, Array):
            if new.dtype != old.dtype or new.shape != old.shape or old.ragged is not None:
                message = "this operation in place changes the type or size of an array"
                raise ValueProblem(message, "write x = x + ...")
            self.write(old, self.store.get(new))
            return
        self.assign(target, new)

    def run_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Name):
                self.fail(target, "only names can be deleted", "remove this `del`")
            else:
                self.set_name(target.id, Unset(f"`{target.id}`"))

    # Branches and loops

    def run_If(self, node: ast.If) -> None:
        truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
        if not is_traced(truth):
            self.block(node.body if truth else node.orelse)
        else:
            self.fork(truth, lambda: self.block(node.body), lambda: self.block(node.orelse))

    def run_For(self, node: ast.For) -> None:
        iterable = self.value(node.iter)

        def do(item: Any) -> None:
            self.at(node.target, lambda: self.assign(node.target, item))
            self.block(node.body)

        finished = self.at(node.iter, lambda: self.each(iterable, do))
        self._otherwise(node.orelse, finished)

    def _otherwise(self, body: list[ast.stmt], finished: Any) -> None:
        """The `else` of a loop."""
        finished = finished.data if isinstance(finished, Number) else finished
        if not body or self.live is False:
            return
        if is_traced(finished):
            self.fork(finished, lambda: self.block(body), lambda: None)
        elif finished:
            self.block(body)

    def run_While(self, node: ast.While) -> None:
        """A loop of at most MAX_WHILE rounds; Python raises nothing beyond, so the program does."""
        exits = dict(self.exits)

        def do(_: Any) -> None:
            truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
            if is_traced(truth):
                self.fork(truth, lambda: None, lambda: self.leave("break"))
            elif not truth:
                self.leave("break")
            self.block(node.body)

        if node.orelse:
            self.fail(node, "the `else` of a `while`", "use a flag")
        finished = self.repeat(jnp.int32(MAX_WHILE), do)
        self.exits = exits
        self.raises(finished, f"a `while` loop of more than {MAX_WHILE} rounds")

    def run_Break(self, node: ast.Break) -> None:
        self.leave("break")

    def run_Continue(self, node: ast.Continue) -> None:
        self.leave("continue")

    def run_Return(self, node: ast.Return) -> None:
        if self.calls == 1:
            self.last_return = node
        self.returned(None if node.value is None else self.value(node.value))

    def run_Assert(self, node: ast.Assert) -> None:
        truth = self.truth(self.value(node.test))
        failed = ~truth if is_traced(truth) else not truth
        self.raises(failed, "this assertion fails")

    def run_Raise(self, node: ast.Raise) -> None:
        if is_traced(self.live) and self.exits["raise"] is None:
            self.raises(self.live, "this `raise` is reached")
            self.live = False
            return
        raise PythonRaises("this `raise` is reached", "return a reward instead")

    def run_Try(self, node: ast.Try) -> None:
        parts = (x for statement in node.body for x in ast.walk(statement))
        if node.finalbody and any(isinstance(x, ast.Return) for x in parts):
            self.fail(node, "a `return` out of a `try` with `finally`", "leave out the `finally`")
        outer, live = self.exits, self.live
        caught: list[Exit] = []
        self.exits = {**outer, "raise": caught}
        self.block(node.body)
        self.exits = outer
        self.block(node.orelse)
        if caught and node.handlers:
            ends = [Exit(self.live, self.store)]
            self.rejoined(caught)
            handler = node.handlers[0]
            if handler.name:
                self.set_name(handler.name, Text())
            self.block(handler.body)
            ends.append(Exit(self.live, self.store))
            self.rejoined(ends)
            if all(end.live is not False for end in ends):
                self.live = live
        self.block(node.finalbody)

    def run_With(self, node: ast.With) -> None:
        self.block(node.body)

    def run_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.set_name(node.name, self.function_of(node))

    def run_ClassDef(self, node: ast.ClassDef) -> None:
        names: dict[str, Any] = {}
        static, fields = set(), []
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                if "staticmethod" in map(ast.unparse, part.decorator_list):
                    static.add(part.name)
                names[part.name] = self.function_of(part)
            elif isinstance(part, ast.Assign | ast.AnnAssign):
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                value = None if part.value is None else self.value(part.value)
                for target in targets:
                    if part.value is not None:
                        names |= self._constants(target, value)
                    if isinstance(part, ast.AnnAssign) and node.decorator_list:
                        assert isinstance(target, ast.Name)
                        fields.append(target.id)
        self.set_name(node.name, Class(node.name, names, frozenset(static), tuple(fields)))

    def _constants(self, target: ast.expr, value: Any) -> dict[str, Any]:
        """The names of a class that an assignment in its body sets."""
        if isinstance(target, ast.Tuple):
            names = [one.id for one in target.elts if isinstance(one, ast.Name)]
            return dict(zip(names, self._parts(target.elts, value), strict=True))
        assert isinstance(target, ast.Name)
        return {target.id: value}

    def run_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            path = alias.name if alias.asname else alias.name.split(".")[0]
            self.set_name(alias.asname or path, Module(path))

    def run_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            table = self.modules.get(node.module or "", {})
            found = table.get(alias.name, Module(f"{node.module}.{alias.name}"))
            self.set_name(alias.asname or alias.name, found)
