"""Statements that do not branch: assignments, definitions, imports and what is returned."""

from __future__ import annotations

import ast
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import indexing, merge
from core_jax.reward_models.formal.choices import Choice, Masked, depends
from core_jax.reward_models.formal.conversions import to_jax
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.modules import MODULES
from core_jax.reward_models.formal.results import Results
from core_jax.reward_models.formal.values import (
    Frame,
    Function,
    Module,
    Namespace,
    PythonRaises,
    Undetermined,
    ValueProblem,
    describe,
    is_array,
    is_traced,
)


class Statements(Results):
    """Statement half of the evaluator, without control flow."""

    torch: bool  # whether the program is written for tensors with a batch axis

    def _arguments(self, node: ast.AST, function: Function, args: tuple, kwargs: dict) -> dict:
        parameters = function.node.args
        positional = [arg.arg for arg in (*parameters.posonlyargs, *parameters.args)]
        known = positional + [arg.arg for arg in parameters.kwonlyargs]
        named = known[len(parameters.posonlyargs) :]
        name = function.node.name
        if len(args) > len(positional) and not parameters.vararg:
            self.fail(node, f"`{name}` takes {len(positional)} arguments, not {len(args)}")
        names, more = dict(function.defaults), {}
        given = dict(zip(positional, args, strict=False))
        for key, value in kwargs.items():
            if key in named and key in given or key not in named and not parameters.kwarg:
                self.fail(node, f"`{name}` has no free parameter `{key}`", ", ".join(named))
            (given if key in named else more)[key] = value
        names |= given
        if parameters.vararg:
            names[parameters.vararg.arg] = args[len(positional) :]
        if parameters.kwarg:
            names[parameters.kwarg.arg] = more
        lacking = [key for key in known if key not in names]
        if lacking:
            self.fail(node, f"`{name}` needs a value for `{lacking[0]}`")
        return names

    def statement(self, node: ast.stmt) -> None:
        """Run a statement that does not change the course of the program."""
        if isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, ast.Assign):
            value = self.value(node.value)
            for target in node.targets:
                self.at(target, lambda t=target: self.assign(t, value))
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                value = self.value(node.value)
                self.at(node.target, lambda: self.assign(node.target, value))
        elif isinstance(node, ast.AugAssign):
            self._augment(node)
        elif isinstance(node, ast.FunctionDef):
            self._define(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.Assert):
            self._assert(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self.at(target, lambda t=target: self._delete(t))
        elif isinstance(node, ast.Raise):
            self.fail(node, "this `raise` can be reached", "return a reward instead")
        elif not isinstance(node, ast.Pass):
            self.fail(node, f"`{type(node).__name__}` cannot be used here")

    def _augment(self, node: ast.AugAssign) -> None:
        """`target op= value`; the parts of a subscript are evaluated once."""
        operation, target = type(node.op).__name__, node.target
        if isinstance(target, ast.Subscript):
            with self.holding([self.value(target.value)]) as left:
                key = self.key(target.slice)
                old = self.at(target, lambda: self.item(left[0], key))
                left.append(old)
                self.check_stream(node.value, old)
                right = self.value(node.value)
            owner, old = left
            new = self.at(node, lambda: self._augmented(operation, old, right))
            self.at(target, lambda: self.set_item(owner, key, new))
            return
        with self.holding([self.value(target)]) as left:
            self.check_stream(node.value, left[0])
            right = self.value(node.value)
        [old] = left
        new = self.at(node, lambda: self._augmented(operation, old, right))
        self.at(target, lambda: self.assign(target, new))

    def _augmented(self, operation: str, old: Any, value: Any) -> Any:
        if isinstance(old, Masked):  # a copy in NumPy as well
            return self.arithmetic(operation, old, value)
        if isinstance(old, Choice):
            return self.over(old, lambda one: self._augmented(operation, one, value))
        if isinstance(old, list) and operation == "Add":
            self.may_change(old)
            self.extend(old, value)  # in place, as in Python
            return old
        if isinstance(old, list | dict):
            self.may_change(old)
            new = self.arithmetic(operation, old, value)
            merge.replace(old, new)
            return old
        if depends(value):
            return self.over(value, lambda one: self._augmented(operation, old, one))
        new = self.arithmetic(operation, old, value)
        if is_array(old) and old.ndim:  # in place, as in NumPy
            if np.shape(new) != old.shape:
                raise ValueProblem(f"{describe(new)} does not fit into {describe(old)}")
            self._check_in_place(old, new, True)
            new = indexing.converted(new, old)
            self.write(old, new)
        elif is_array(old):  # one without dimensions may be NumPy's array, or a number
            array = known(self.memory.kinds.array(old))
            self._check_in_place(old, new, array)
            if array is not False and not np.ndim(new):
                new = self.memory.kinds.like(fresh(new, (value,)), old)
                if array is True:
                    self.write(old, new)
        return new

    def _check_in_place(self, old: Any, new: Any, array: Any) -> None:
        """NumPy does not write fractions into an array of integers."""
        types = [1 + "biuf".index(np.dtype(to_jax(side).dtype).kind) for side in (old, new)]
        if array is not False and types[0] < types[1]:
            hint = "write `name = name + ...`, or make an array of floats: np.array(..., float)"
            self.raises(array, "an array of integers cannot take these numbers in place", hint)

    def write(self, owner: Any, new: Any) -> None:
        """Give the array `owner` new elements, wherever the program knows it."""
        self.may_change(owner)
        self.spend(self.memory.write(owner, new, self.roots()))

    def _assert(self, node: ast.Assert) -> None:
        truth = self.at(node.test, lambda: self.truth(self.value(node.test)))
        if is_traced(truth):
            message = "this assertion fails, or this `raise` is reached"
            hint = "return a reward for every state; clip what may be out of bounds"
            self.at(node, lambda: self.raises(jnp.logical_not(truth), message, hint))
        elif not truth:
            self.fail(node, "this assertion fails", "correct it or remove it")

    def _class(self, node: ast.ClassDef) -> None:
        outer, self.frame = self.frame, Frame({}, self.frame)
        for statement in node.body:
            self.statement(statement)
        names, self.frame = self.frame.names, outer
        parts = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        fields = [part.target.id for part in parts if isinstance(part.target, ast.Name)]
        fields = fields if node.decorator_list else []  # a dataclass
        self.frame.names[node.name] = Namespace(node.name, names, tuple(fields))

    def _delete(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if self.frame.names.pop(target.id, None) is None:
                self.fail(target, f"`{target.id}` has no value here", "remove this `del`")
        elif isinstance(target, ast.Subscript):
            with self.holding([self.value(target.value)]) as held:
                key = self.key(target.slice)
            self.delete_item(held[0], key)
        else:
            self.fail(target, "this cannot be deleted", "delete a name or an item")

    def _define(self, node: ast.FunctionDef) -> None:
        self.frame.names[node.name] = self.function_of(node)

    def function_of(self, node: ast.FunctionDef) -> Function:
        """A function of the source, with its default values."""
        parameters = node.args
        positional = [*parameters.posonlyargs, *parameters.args]
        defaulted = positional[len(positional) - len(parameters.defaults) :]
        pairs: list[tuple[ast.arg, ast.expr | None]] = [
            *zip(defaulted, parameters.defaults, strict=True)
        ]
        pairs += zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
        defaults = {arg.arg: self.value(value) for arg, value in pairs if value is not None}
        return Function(node, self.frame, defaults)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                if alias.name in MODULES:
                    path = alias.name if alias.asname else alias.name.split(".")[0]
                    self.frame.names[alias.asname or path] = Module(path)
            elif node.module in MODULES:
                path = f"{node.module}.{alias.name}"
                found = Module(path) if path in MODULES else MODULES[node.module][alias.name]
                self.frame.names[alias.asname or alias.name] = found

    def assign(self, target: ast.expr, value: Any) -> None:
        """Assign to a name, a subscript or a tuple of such."""
        if isinstance(target, ast.Name):
            self.frame.names[target.id] = value
        elif isinstance(target, ast.Subscript):
            with self.holding([value]) as held:
                held.append(self.value(target.value))
                key = self.key(target.slice)
            value, owner = held
            self.at(target, lambda: self.set_item(owner, key, value))
        elif isinstance(target, ast.Tuple | ast.List):
            parts = self.lifted(lambda one: self._parts(target, one), value)
            if isinstance(parts, Choice):
                each = range(len(target.elts))
                parts = [self.over(parts, lambda one, i=i: one[i], True) for i in each]
            for part, item in zip(target.elts, parts, strict=True):
                part = part.value if isinstance(part, ast.Starred) else part
                self.assign(part, item)
        else:
            self.fail(target, "this cannot be assigned to", "assign to a name")

    def _parts(self, target: ast.Tuple | ast.List, value: Any) -> tuple:
        """The items of `value`, one for each target."""
        of_numpy = isinstance(value, tuple) and any(isinstance(x, Undetermined) for x in value)
        items, targets = list(value) if of_numpy else self.items(value), target.elts
        starred = [i for i, part in enumerate(targets) if isinstance(part, ast.Starred)]
        if starred and len(items) >= len(targets) - 1:
            first, after = starred[0], len(targets) - starred[0] - 1
            middle = items[first : len(items) - after]
            items = [*items[:first], middle, *items[len(items) - after :]]
        if len(items) != len(targets):
            raise PythonRaises(f"{len(items)} values for {len(targets)} names")
        return tuple(items)
