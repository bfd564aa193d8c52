"""Calls: of functions of the tables, of methods, and of functions and lambdas of the source."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.methods_table import MUTATORS, SHAPERS, VIEWS, call_method
from core_jax.reward_models.formal.operations import Operations
from core_jax.reward_models.formal.values import (
    BoundMethod,
    Frame,
    Function,
    Namespace,
    Primitive,
    ValueProblem,
    check_items,
    describe,
    is_array,
    is_number,
)

SHORT_CUTS = (BUILTINS["any"], BUILTINS["all"])


class Calls(Operations):
    """The part of the evaluator that calls; `lower.Evaluator.call` runs a function's body."""

    tree: ast.Module
    frame: Frame
    module: Frame
    calls: list[ast.FunctionDef]
    remembered: dict[int, Any]
    lambdas: dict[int, ast.FunctionDef]
    held: list[list]

    def eval_Call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if isinstance(function, Primitive) and function.name == "print":
            return None
        if any(function is one for one in SHORT_CUTS) and len(node.args) == 1 and not node.keywords:
            if isinstance(node.args[0], ast.GeneratorExp):
                return self.apply(
                    node, function, (self.short_cut(function.name, node.args[0]),), {}
                )
        values = self.in_order([*node.args, *(keyword.value for keyword in node.keywords)])
        args = tuple(values[: len(values) - len(node.keywords)])
        named = values[len(args) :]
        return self.apply(node, function, args, self._named_arguments(node, named))

    def _named_arguments(self, node: ast.Call, values: list) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values, strict=True):
            if keyword.arg is None and not isinstance(value, dict):
                self.fail(keyword.value, f"`**` needs a dict, not {describe(value)}")
            for name, one in (value if keyword.arg is None else {keyword.arg: value}).items():
                if not isinstance(name, str) or name in found:
                    self.fail(keyword.value, f"the argument {name!r} is no name, or given twice")
                found[name] = one
        return found

    def apply(self, node: ast.AST, function: Any, args: tuple, kwargs: dict) -> Any:
        """Call any callable value of a program."""
        if isinstance(function, Primitive):
            result = function.call(self, args, kwargs)
            if function.name == "asarray" and args and (args[1:] or kwargs):
                return self.memory.perhaps_viewed(args[0], result)  # a copy if the type differs
            if function.name in VIEWS and args and np.ndim(result):
                view = lambda places: VIEWS[function.name](places, *args[1:], **kwargs)
                return self.memory.viewed(args[0], result, view)
            if function.gives == "own":
                return result
            return self._of_kind(function.gives, fresh(result, (*args, *kwargs.values())), args)
        if isinstance(function, BoundMethod):
            owner, name = function.owner, function.name
            if name in MUTATORS:
                self.may_change(owner)
            result = call_method(self, owner, name, args, kwargs)
            check_items(owner)
            if name in VIEWS and np.ndim(result):
                view = lambda places: getattr(places, name)(*args, **kwargs)
                return self.memory.viewed(owner, result, view)
            result = fresh(result, (owner, *args)) if is_array(owner) else result
            return self._of_kind("like" if name in SHAPERS else "own", result, (owner,))
        if isinstance(function, Function):
            return self.call(node, function, args, kwargs)
        if isinstance(function, Namespace):  # an instance of a class of constants
            unknown = [name for name in kwargs if name not in function.names]
            if args or unknown:
                self.fail(node, f"`{function.name}` takes its constants only, by name")
            return Namespace(function.name, function.names | kwargs) if kwargs else function
        return self.fail(node, f"{describe(function)} cannot be called", "call a function")

    def _of_kind(self, gives: str, result: Any, args: tuple) -> Any:
        """`result`, noted as what `Primitive.gives` says."""
        kinds = self.memory.kinds
        if gives == "own" or not is_array(result) and not is_number(result):
            return result
        if gives == "python":
            return kinds.as_python(result)
        if gives == "array" or not args:
            return kinds.as_array(result)
        return kinds.reshaped(result, args[0]) if gives == "like" else result

    def apply_to(self, function: Any, *args: Any) -> Any:
        """Call a function handed to a builtin, such as `map`."""
        node = function.node if isinstance(function, Function) else self.tree
        return self._checked(self.apply(node, function, args, {}))

    def may_change(self, owner: Any) -> None:
        """Refuse to change what would be remembered from one call of the reward to the next.

        Raises:
            ValueProblem: `owner` is a list, dict or array of the module or a default value.
        """
        outside = self.calls and (
            id(owner) in self.remembered
            or (is_array(owner) and self.memory.reaches(owner, self.module.names))
        )
        if outside:
            message = f"{describe(owner)} made outside of the function would be changed"
            raise ValueProblem(message, "a reward remembers nothing: copy it first, `.copy()`")

    def eval_Lambda(self, node: ast.Lambda) -> Any:
        return self.function_of(self._named(node))

    def _named(self, node: ast.Lambda) -> ast.FunctionDef:
        """A lambda as a function of one `return`; the same node each time, as it is compared."""
        if id(node) not in self.lambdas:
            body = [ast.copy_location(ast.Return(node.body), node.body)]
            found = ast.FunctionDef("lambda", node.args, body, [], None)
            self.lambdas[id(node)] = ast.copy_location(found, node)
        return self.lambdas[id(node)]
