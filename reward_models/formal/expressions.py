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

from core_jax.reward_models.formal.attributes import Attributes
from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.choices import Choice, Masked, content_of
from core_jax.reward_models.formal.conversions import to_array
from core_jax.reward_models.formal.iterables import Turns
from core_jax.reward_models.formal.memory import Memory, fresh
from core_jax.reward_models.formal.modules import MODULES
from core_jax.reward_models.formal.texts import formatted, joined_text
from core_jax.reward_models.formal.values import (
    Frame,
    Missing,
    PythonRaises,
    Unset,
    ValueProblem,
    describe,
    is_array,
    is_number,
    is_traced,
)


class Expressions(Attributes):
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
    watched: list[ast.AST] | None

    assign: Callable[[ast.expr, Any], None]  # these are further down in the tower
    loop: Callable[[ast.expr], Turns]

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; counted, tidied, and located if it fails."""
        self.at(node, lambda: self.spend(1))
        method = getattr(self, f"eval_{type(node).__name__}", None)
        if method is None:
            return self.fail(node, f"`{type(node).__name__}` cannot be used here")
        result = self.at(node, lambda: self._checked(method(node)))
        if isinstance(result, Missing):
            return self.fail(node, result.reason, result.hint)
        if self.watched is not None and isinstance(node, ast.BinOp | ast.Call):
            self._watch(node, result)
        if is_traced(result) and result.ndim:
            self.at(node, lambda: self.work(result.size))
        return result

    def _watch(self, node: ast.expr, result: Any) -> None:
        """Note an operation on numbers that gives NaN or infinity, if the program comes there."""
        if not is_traced(result) or not jnp.issubdtype(result.dtype, jnp.floating):
            return
        taken = self.active is None or bool(self.active)
        if taken and not bool(jnp.all(jnp.isfinite(result))):
            assert self.watched is not None
            self.watched.append(node)

    def eval_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def eval_Name(self, node: ast.Name) -> Any:
        frame: Frame | None = self.frame
        while frame is not None:
            if node.id in frame.names:
                return self._set_value(frame.names[node.id])
            if node.id in frame.own:
                message = f"`{node.id}` is assigned in this function, and has no value yet here"
                return self.fail(node, message, "assign it first, or use another name")
            frame = frame.parent
        if node.id in BUILTINS:
            return BUILTINS[node.id]
        return self.fail(node, f"`{node.id}` has no value here", "assign it before it is used")

    def _set_value(self, value: Any) -> Any:
        """The value of a name; Python raises on paths on which it has none."""
        if not isinstance(value, Choice) or isinstance(value, Masked):
            return value
        unset = [(c, one) for c, one in value.options() if isinstance(one, Unset)]
        for condition, one in unset:
            self.raises(condition, one.reason, one.hint)
        if not unset:
            return value
        kept = [(c, one) for c, one in value.options() if not isinstance(one, Unset)]
        if len(kept) == 1:
            return kept[0][1]
        return Choice([c for c, _ in kept], [one for _, one in kept])

    def eval_Subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        with self.holding([owner]):
            key = self.key(node.slice)
        return self.item(owner, key)

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
        sides = (node.left, node.right)
        self.literal = any(isinstance(side, ast.Constant) for side in sides)
        try:
            return self.arithmetic(type(node.op).__name__, left, right)
        finally:
            self.literal = False

    def eval_UnaryOp(self, node: ast.UnaryOp) -> Any:
        return self.lifted(lambda one: self._unary(node, one), self.value(node.operand))

    def _unary(self, node: ast.UnaryOp, operand: Any) -> Any:
        if isinstance(node.op, ast.Not):
            truth = self.truth(operand)
            truth = jnp.logical_not(truth) if is_traced(truth) else not truth
            return self.memory.kinds.as_python(truth)
        operand = to_array(operand) if is_array(operand) else operand
        if not (is_number(operand) or is_array(operand)):
            raise ValueProblem(f"a number is needed here, not {describe(operand)}")
        if isinstance(node.op, ast.UAdd) and self.memory.kinds.python(operand) is not True:
            MODULES["numpy"]["positive"].call(self, (operand,), {})  # not of truth values
        kind = getattr(operand, "dtype", None)
        if isinstance(node.op, ast.Invert) and kind == np.bool_ and not np.ndim(operand):
            if self.memory.kinds.python(operand) is not False:
                hint = "write `not x`"
                raise ValueProblem("`~` of a truth value of Python is -2 or -1, never false", hint)
        if isinstance(node.op, ast.USub) and kind == np.bool_:
            if self.memory.kinds.python(operand) is False:
                raise PythonRaises("NumPy has no minus of truth values", "use ~x, or float(x)")
        if isinstance(operand, bool):
            message = "a sign or `~` of a constant truth value: NumPy has others than Python"
            raise ValueProblem(message, "write `not x`, or int(x)")
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
        others: list = []

        def rest() -> Any:
            others.append(self._bool(conjunction, nodes[1:]))
            return others[0]

        last = lambda: first
        result = self.fork(nodes[0], truth, *((rest, last) if conjunction else (last, rest)))
        if getattr(first, "dtype", None) == np.bool_ and others[0] is (not conjunction):
            return others[0]  # `x and False`, whatever x
        return result

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
            return self.compare(type(node.ops[0]).__name__, left, right)
        result: Any = True
        with self.holding([self.value(node.left)]) as values, self.passing() as passed:
            before = self.noted(*node.comparators[1:])
            for op, comparator in zip(node.ops, node.comparators, strict=True):
                values.append(self.value(comparator))
                one = self.truth(self.compare(type(op).__name__, *values[-2:]))
                if one is False:  # what follows is not evaluated
                    return False
                if is_traced(one):
                    passed.append((one, True))
                    result = jnp.logical_and(result, one)
        if is_traced(result):
            self.check_unchanged(node, before)
        return result

    def eval_Tuple(self, node: ast.Tuple) -> Any:
        return self.lifted(tuple, self._elements(node.elts))

    def eval_List(self, node: ast.List) -> Any:
        return self._elements(node.elts)

    def _elements(self, nodes: list[ast.expr]) -> list:
        return self.in_order(nodes)

    def in_order(self, nodes: list[ast.expr]) -> list:
        """Values of expressions; a write in a later one shows in the arrays of the earlier."""
        with self.holding([]) as values:
            for node in nodes:
                if isinstance(node, ast.Starred):
                    found = self.value(node.value)
                    self.extend(values, found)
                elif content_of(values) is not None:
                    self.append(values, self.value(node))
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
                    self.update(result, other)
                else:
                    self.set_item(result, self.value(key), self.value(value))
        return result

    def eval_JoinedStr(self, node: ast.JoinedStr) -> Any:
        parts = [self.value(part) for part in node.values]
        return self.lifted(lambda *texts: joined_text(texts), *parts)

    def eval_FormattedValue(self, node: ast.FormattedValue) -> Any:
        value = self.value(node.value)
        form = "" if node.format_spec is None else self.value(node.format_spec)
        return self.lifted(lambda one, f: formatted(one, f, node.conversion), value, form)
