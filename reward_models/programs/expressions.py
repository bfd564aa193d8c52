"""Expressions of an image program, one method per node of the whitelist."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.programs import attributes, numbers
from core_jax.reward_models.programs.calls import Calls
from core_jax.reward_models.programs.paths import both
from core_jax.reward_models.programs.sequences import Iterator
from core_jax.reward_models.programs.values import (
    Choice,
    Class,
    Dict,
    Function,
    Instance,
    List,
    Method,
    PythonRaises,
    Scope,
    Text,
    ValueProblem,
    describe,
    is_traced,
)


class Expressions(Calls):
    """The part of the evaluator for expressions."""

    builtins: dict[str, Any]
    modules: dict[str, dict[str, Any]]

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; counted, and located if it fails."""
        self.at(node, lambda: self.spend(1))
        method = getattr(self, f"eval_{type(node).__name__}", None)
        if method is None:
            return self.fail(node, f"`{type(node).__name__}` cannot be used here")
        return self.at(node, lambda: method(node))

    def eval_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def eval_Name(self, node: ast.Name) -> Any:
        scope: Scope | None = self.scope
        while scope is not None:
            held = self.store.get(scope)
            if node.id in held:
                return self.present(held[node.id], f"`{node.id}`")
            scope = scope.parent
        if node.id in self.builtins:
            return self.builtins[node.id]
        raise PythonRaises(f"`{node.id}` has no value here", "assign it before it is used")

    def eval_Attribute(self, node: ast.Attribute) -> Any:
        return self.attribute(self.value(node.value), node.attr)

    def attribute(self, owner: Any, name: str) -> Any:
        """`owner.name`."""
        if isinstance(owner, Choice):
            return self.over(owner, lambda one: self.attribute(one, name))
        if isinstance(owner, Instance):
            held = self.store.get(owner)
            if name in held:
                return self.present(held[name], f"`.{name}`")
            found = owner.cls.names.get(name)
            if isinstance(found, Function):
                bound = name not in owner.cls.static
                return Method(owner, name, found) if bound else found
            if name in owner.cls.names:
                return found
            known = ", ".join(one for one in (*held, *owner.cls.names) if one[0] != "_")
            raise PythonRaises(f"{describe(owner)} has no `.{name}`", f"it has {known}"[:200])
        if isinstance(owner, Class):
            if name in owner.names:
                return owner.names[name]
            raise PythonRaises(f"the class {owner.name} has no `.{name}`")
        return attributes.of(self, owner, name)

    def eval_Subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        return self.item(owner, self.key(node.slice))

    def key(self, node: ast.expr) -> Any:
        """The index or key in a subscript."""
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return slice(*(None if part is None else self._bound_of(part) for part in parts))
        if isinstance(node, ast.Tuple):
            return tuple(self.key(part) for part in node.elts)
        return self.value(node)

    def _bound_of(self, node: ast.expr) -> Any:
        found = self.value(node)
        if isinstance(found, Choice):
            raise ValueProblem(f"a bound of a slice that is {describe(found)}", "test for None")
        return found

    def eval_BinOp(self, node: ast.BinOp) -> Any:
        left = self.value(node.left)
        return self.arithmetic(type(node.op).__name__, left, self.value(node.right))

    def eval_UnaryOp(self, node: ast.UnaryOp) -> Any:
        return self.unary(type(node.op).__name__, self.value(node.operand))

    def eval_BoolOp(self, node: ast.BoolOp) -> Any:
        return self._bool(isinstance(node.op, ast.And), node.values)

    def _bool(self, conjunction: bool, nodes: list[ast.expr]) -> Any:
        first = self.value(nodes[0])
        if len(nodes) == 1:
            return first
        truth = self.at(nodes[0], lambda: self.truth(first))
        if not is_traced(truth):
            return self._bool(conjunction, nodes[1:]) if truth == conjunction else first
        rest, last = (lambda: self._bool(conjunction, nodes[1:])), (lambda: first)
        return self.fork(truth, *((rest, last) if conjunction else (last, rest)))

    def eval_IfExp(self, node: ast.IfExp) -> Any:
        truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
        if not is_traced(truth):
            return self.value(node.body if truth else node.orelse)
        return self.fork(truth, lambda: self.value(node.body), lambda: self.value(node.orelse))

    def eval_Compare(self, node: ast.Compare) -> Any:
        left, result = self.value(node.left), None
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            one = self.compare(type(op).__name__, left, right)
            if len(node.ops) == 1:
                return one
            truth = self.truth(one)
            result = truth if result is None else both(result, truth)
            if result is False:
                return False
            left = right
        return numbers.made(result, True)

    def eval_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._elements(node.elts))

    def eval_List(self, node: ast.List) -> Any:
        return List(tuple(self._elements(node.elts)))

    def _elements(self, nodes: list[ast.expr]) -> list:
        found: list = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self.collected(self.value(node.value))
            else:
                found.append(self.value(node))
        return found

    def eval_Dict(self, node: ast.Dict) -> Any:
        held: dict = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                return self.fail(value, "`**` cannot be used in a dict here", "write its entries")
            name = self.value(key)
            if not isinstance(name, str | int | float | bool | tuple):
                return self.fail(key, "a key must be a constant")
            held[name] = self.value(value)
        return Dict(held)

    def eval_JoinedStr(self, node: ast.JoinedStr) -> Any:
        found = ""
        text = False
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.value(inner)
            plain = isinstance(value, str | int | float | bool)
            text |= not plain or isinstance(part, ast.FormattedValue) and bool(part.format_spec)
            found += str(value) if plain else ""
        return Text() if text else found[:1000]

    def eval_NamedExpr(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.set_name(node.target.id, value)
        return value

    def eval_Lambda(self, node: ast.Lambda) -> Any:
        return self.function_of(node)

    def function_of(self, node: ast.FunctionDef | ast.Lambda) -> Function:
        """A function of the source, with its default values."""
        parameters = node.args
        positional = [*parameters.posonlyargs, *parameters.args]
        last = positional[len(positional) - len(parameters.defaults) :]
        pairs = [*zip(last, parameters.defaults, strict=True)]
        pairs += [
            (a, d) for a, d in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if d
        ]
        return Function(node, self.scope, {arg.arg: self.value(one) for arg, one in pairs})

    # Comprehensions

    def eval_ListComp(self, node: ast.ListComp) -> Any:
        return self._comprehension(node)

    def eval_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        return self._comprehension(node)

    def eval_DictComp(self, node: ast.DictComp) -> Any:
        made = Dict({})

        def add() -> None:
            self.set_item(made, self.value(node.key), self.value(node.value))

        self._in_scope(lambda: self._rounds(list(node.generators), add))
        return made

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> List:
        made = List(())
        add = lambda: self.append(made, self.value(node.elt))
        self._in_scope(lambda: self._rounds(list(node.generators), add))
        return made

    def _in_scope(self, function: Callable[[], Any]) -> Any:
        outer = self.scope
        self.scope = Scope({}, outer)
        try:
            return function()
        finally:
            self.scope = outer

    def _rounds(self, generators: list[ast.comprehension], add: Callable[[], Any]) -> None:
        first, rest = generators[0], generators[1:]

        def do(item: Any) -> None:
            self.assign(first.target, item)
            truth: Any = True
            if first.ifs:
                truth = self.truth(self._bool(True, first.ifs))
            inner = (lambda: self._rounds(rest, add)) if rest else add
            if is_traced(truth):
                self.fork(truth, lambda: _none(inner), lambda: None)
            elif truth:
                inner()

        iterable = self.value(first.iter)
        self.at(first.iter, lambda: self.each(iterable, do))

    def assign(self, target: ast.expr, value: Any) -> None:
        raise NotImplementedError

    # Functions of the program itself, as arguments

    def mapped(self, function: Any, value: Any) -> Iterator:
        """`map(function, value)`."""
        return Iterator(
            "map", self.size(value), lambda i: self.called(function, self.at_index(value, i))
        )

    def number_of(self, value: Any) -> Any:
        """A number as a 0-d JAX array."""
        return jnp.asarray(self.data(value))


def _none(function: Callable[[], Any]) -> None:
    function()
