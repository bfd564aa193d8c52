"""Evaluate the expressions of a formal reward at trace time (CoRe, formal reward module).

One method per node of the whitelist. Static values are computed in Python or NumPy, traced ones
become JAX operations. The evaluator carries the condition under which the present code runs
(`active`), so that dangerous operands are made harmless on branches that are not taken.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import indexing
from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.calls import Calls
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.memory import Memory, fresh
from core_jax.reward_models.formal.methods_table import ARRAY_METHODS, CONTAINER_METHODS, PROPERTIES
from core_jax.reward_models.formal.modules_table import MODULES
from core_jax.reward_models.formal.values import (
    BoundMethod,
    Frame,
    Missing,
    Module,
    Namespace,
    ValueProblem,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
    to_array,
)


class Expressions(Calls):
    """Expression half of the evaluator; `lower.Evaluator` adds statements and calls."""

    frame: Frame
    tree: ast.Module
    memory: Memory
    held: list[list]
    callers: list[Frame]
    calls: list[ast.FunctionDef]
    module: Frame
    remembered: dict[int, Any]
    lambdas: dict[int, ast.FunctionDef]

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; counted, tidied, and located if it fails."""
        self.at(node, lambda: self.spend(1))
        method = getattr(self, f"eval_{type(node).__name__}", None)
        if method is None:
            return self.fail(node, f"`{type(node).__name__}` cannot be used here")
        result = self.at(node, lambda: self._checked(method(node)))
        if isinstance(result, Missing):
            return self.fail(node, result.reason, result.hint)
        return result

    def eval_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def eval_Name(self, node: ast.Name) -> Any:
        frame: Frame | None = self.frame
        while frame is not None:
            if node.id in frame.names:
                return frame.names[node.id]
            frame = frame.parent
        if node.id in BUILTINS:
            return BUILTINS[node.id]
        return self.fail(node, f"`{node.id}` has no value here", "assign it before it is used")

    def eval_Attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Module):
            path = f"{owner.name}.{node.attr}"
            if path in MODULES:
                return Module(path)
            if node.attr in MODULES[owner.name]:
                return MODULES[owner.name][node.attr]
            return self.fail(node, f"`{path}` is not available", "use another NumPy function")
        if is_array(owner) or is_number(owner):
            if not isinstance(owner, int):  # constants of NumPy are no longer told from Python's
                message = f"a number of Python has no `.{node.attr}`"
                hint = "leave it out, or use the function of np"
                self.raises(known(self.memory.kinds.python(owner)), message, hint)
            if node.attr in PROPERTIES:
                result = getattr(owner if is_array(owner) else np.asarray(owner), node.attr)
                if is_array(result) and not result.ndim:
                    return self.memory.kinds.like(result, owner)
                return self.memory.viewed(owner, result, lambda places: places.T)
            if node.attr in ARRAY_METHODS:
                return BoundMethod(owner, node.attr)
        elif isinstance(owner, Namespace):
            if node.attr in owner.names:
                return owner.names[node.attr]
            hint = f"it has {', '.join(owner.names)}"
            return self.fail(node, f"`{owner.name}` has no `.{node.attr}`", hint)
        elif node.attr in CONTAINER_METHODS.get(type(owner), ()):
            return BoundMethod(owner, node.attr)
        return self.fail(node, f"{describe(owner)} has no `.{node.attr}` here", "use np functions")

    def eval_Subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        key = self.key(node.slice)
        result = indexing.read(owner, key)
        if is_array(owner) and not holds_traced(key):
            return self.memory.viewed(owner, result, lambda places: places[key])
        return result

    def key(self, node: ast.expr) -> Any:
        """The index or key in a subscript."""
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return slice(*(None if part is None else self.value(part) for part in parts))
        if isinstance(node, ast.Tuple):
            return tuple(self.key(part) for part in node.elts)
        return self.value(node)

    def eval_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.in_order([node.left, node.right])
        return self.arithmetic(type(node.op).__name__, left, right)

    def eval_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            truth = self.truth(operand)
            truth = jnp.logical_not(truth) if is_traced(truth) else not truth
            return self.memory.kinds.as_python(truth)
        operand = to_array(operand) if is_array(operand) else operand
        if not (is_number(operand) or is_array(operand)):
            raise ValueProblem(f"a number is needed here, not {describe(operand)}")
        if isinstance(node.op, ast.UAdd) and self.memory.kinds.python(operand) is not True:
            MODULES["numpy"]["positive"].call(self, (operand,), {})  # not of truth values
        signs = {"USub": operator.neg, "UAdd": operator.pos, "Invert": operator.invert}
        result = fresh(signs[type(node.op).__name__](operand), (operand,))
        return self.memory.kinds.of_all(result, (operand,))

    def eval_BoolOp(self, node: ast.BoolOp) -> Any:
        return self._bool(isinstance(node.op, ast.And), node.values)

    def _bool(self, conjunction: bool, nodes: list[ast.expr]) -> Any:
        first = self.value(nodes[0])
        if len(nodes) == 1:
            return first
        truth = self.truth(first)
        if not is_traced(truth):
            return self._bool(conjunction, nodes[1:]) if truth == conjunction else first
        rest = lambda: self._bool(conjunction, nodes[1:])
        last = lambda: first
        return self.fork(nodes[0], truth, *((rest, last) if conjunction else (last, rest)))

    def eval_IfExp(self, node: ast.IfExp) -> Any:
        truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
        if not is_traced(truth):
            return self.value(node.body if truth else node.orelse)
        yes, no = (lambda: self.value(node.body)), (lambda: self.value(node.orelse))
        return self.fork(node, truth, yes, no)

    def eval_NamedExpr(self, node: ast.NamedExpr) -> Any:
        if self.frame.inner:
            self.fail(node, "`:=` cannot be used in a comprehension", "assign before it")
        value = self.value(node.value)
        self.assign(node.target, value)
        return value

    def eval_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) == 1:
            left, right = self.in_order([node.left, node.comparators[0]])
            return self._compare(type(node.ops[0]).__name__, left, right)
        result: Any = True
        with self.holding([self.value(node.left)]) as values, self.passing() as passed:
            for op, comparator in zip(node.ops, node.comparators, strict=True):
                values.append(self.value(comparator))
                one = self.truth(self._compare(type(op).__name__, *values[-2:]))
                if one is False:  # what follows is not evaluated
                    return False
                if is_traced(one):
                    passed.append((one, True))
                    result = jnp.logical_and(result, one)
        return result

    def eval_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._elements(node.elts))

    def eval_List(self, node: ast.List) -> Any:
        return self._elements(node.elts)

    def _elements(self, nodes: list[ast.expr]) -> list:
        return self.in_order(nodes)

    def in_order(self, nodes: list[ast.expr]) -> list:
        """Values of expressions; a write in a later one shows in the arrays of the earlier."""
        with self.holding([]) as values:
            for node in nodes:
                if isinstance(node, ast.Starred):
                    values.extend(self.items(self.value(node.value)))
                else:
                    values.append(self.value(node))
        return values

    def eval_Dict(self, node: ast.Dict) -> Any:
        result: dict = {}
        with self.holding([result]):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:  # `**other`
                    other = self.value(value)
                    if not isinstance(other, dict):
                        self.fail(value, f"`**` needs a dict, not {describe(other)}")
                    result.update(other)
                else:
                    indexing.write(result, self.value(key), self.value(value))
        return result

    def eval_JoinedStr(self, node: ast.JoinedStr) -> Any:
        return "".join(str(self.value(part)) for part in node.values)

    def eval_FormattedValue(self, node: ast.FormattedValue) -> Any:
        value = self.value(node.value)  # numbers that are known only at run time cannot be shown
        return str(value) if is_number(value) or isinstance(value, str) else "..."

    def eval_ListComp(self, node: ast.ListComp) -> Any:
        with self.holding([]) as values:
            self._comprehend(node.generators, lambda: values.append(self.value(node.elt)))
        return values

    eval_GeneratorExp = eval_ListComp

    def short_cut(self, name: str, node: ast.GeneratorExp) -> Any:
        """The truths of a generator in `any` or `all`, of which Python looks at no more than it
        must.
        """
        truths: list = []
        with self.passing() as passed:

            def body() -> None:
                if all(is_traced(truth) or truth == (name == "all") for truth in truths):
                    truths.append(self.at(node.elt, lambda: self.truth(self.value(node.elt))))
                    if is_traced(truths[-1]):
                        passed.append((truths[-1], name == "all"))

            self._comprehend(node.generators, body)
        return truths

    def eval_DictComp(self, node: ast.DictComp) -> Any:
        values: dict = {}
        with self.holding([values]):
            self._comprehend(
                node.generators,
                lambda: indexing.write(values, self.value(node.key), self.value(node.value)),
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
                self.assign(first.target, self.at(first.iter, lambda i=index: turns.item(i)))
                if all(self._keeps(test) for test in first.ifs):
                    self._generate(generators[1:], body)

    def _keeps(self, test: ast.expr) -> bool:
        truth = self.at(test, lambda: self.truth(self.value(test)))
        if is_traced(truth):
            hint = "multiply by the condition or use np.where instead of the `if`"
            return self.fail(test, "a comprehension can only filter by constants", hint)
        return truth
