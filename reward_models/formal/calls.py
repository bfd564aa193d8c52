"""Calls: of functions of the tables, of methods, and of functions and lambdas of the source."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from core_jax.reward_models.formal import rotation, ufuncs
from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.choices import (
    Choice,
    Masked,
    content_of,
    depends,
    first_dependent,
    replaced,
)
from core_jax.reward_models.formal.container_methods import ContainerMethods
from core_jax.reward_models.formal.conversions import tidy
from core_jax.reward_models.formal.errors import PythonError, RewardError
from core_jax.reward_models.formal.iterables import View
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.methods_table import MUTATORS, SHAPERS, VIEWS, call_method
from core_jax.reward_models.formal.modules import MODULES
from core_jax.reward_models.formal.torch_methods import TORCH_METHODS, torch_method
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
    is_traced,
)
from core_jax.reward_models.formal.whole_numbers import check_growth

# Functions that take the items of an argument as they are, lists in them included.
SHALLOW = frozenset(
    "list tuple zip enumerate reversed map filter dict isinstance len sum any all sorted "
    "next copy.copy copy.deepcopy".split()
)
# Functions that run code of the source.
IMPURE = frozenset(
    "list tuple map filter sorted max min sum any all next piecewise vectorize "
    "apply_along_axis reduce enumerate zip fromiter array vectorized putmask place copyto "
    "fill_diagonal partial accumulate copy.copy copy.deepcopy".split()
)
COSTLY = dict.fromkeys("sort argsort median quantile percentile nanmedian".split(), 16)
COSTLY |= dict.fromkeys("inv solve det svd eigvalsh eigh pinv lstsq einsum".split(), 32)
COUNTING = frozenset("count_nonzero argmax argmin sum".split())
SHORT_CUTS = (BUILTINS["any"], BUILTINS["all"])


class Calls(ContainerMethods):
    """The part of the evaluator that calls; `lower.Evaluator.call` runs a function's body."""

    tree: ast.Module
    frame: Frame
    module: Frame
    calls: list[ast.FunctionDef]
    remembered: dict[int, Any]
    lambdas: dict[int, ast.FunctionDef]
    torch: bool
    value: Callable[..., Any]  # these are further down in the tower
    short_cut: Callable[..., Any]
    check_stream: Callable[..., None]
    first_of: Callable[..., Any]
    in_order: Callable[..., list]
    call: Callable[..., Any]
    function_of: Callable[..., Function]
    held: list[list]

    def eval_Call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if isinstance(function, Primitive) and function.name == "print":
            return self._print(node)
        if isinstance(function, BoundMethod) and function.name in ("extend", "update"):
            for argument in node.args:
                self.check_stream(argument, function.owner)
        if node.args and isinstance(node.args[0], ast.GeneratorExp) and not node.keywords:
            if any(function is one for one in SHORT_CUTS) and len(node.args) == 1:
                return self.short_cut(function.name, node.args[0])
            if function is BUILTINS["next"] and len(node.args) <= 2:
                default = self.value(node.args[1]) if len(node.args) == 2 else None
                return self.first_of(node.args[0], default, len(node.args) == 2)
        values = self.in_order([*node.args, *(keyword.value for keyword in node.keywords)])
        args = tuple(values[: len(values) - len(node.keywords)])
        named = values[len(args) :]
        return self.apply(node, function, args, self._named_arguments(node, named))

    def _print(self, node: ast.Call) -> None:
        """`print(...)`: its arguments may raise or change something; what it shows is not needed.

        An argument that has no meaning here, such as a text made from the state, is passed over
        unless it calls something that could change a value.
        """
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            try:
                self.value(part.value if isinstance(part, ast.Starred) else part)
            except PythonError:
                raise
            except RewardError:
                if any(map(may_change, ast.walk(part))):
                    raise

    def _named_arguments(self, node: ast.Call, values: list) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values, strict=True):
            if keyword.arg is None and not isinstance(value, dict):
                self.fail(keyword.value, f"`**` needs a dict, not {describe(value)}")
            if keyword.arg is None and content_of(value) is not None:
                self.fail(keyword.value, "which arguments `**` gives depends on the state")
            for name, one in (value if keyword.arg is None else {keyword.arg: value}).items():
                if not isinstance(name, str) or name in found:
                    self.fail(keyword.value, f"the argument {name!r} is no name, or given twice")
                found[name] = one
        return found

    def apply(self, node: ast.AST, function: Any, args: tuple, kwargs: dict) -> Any:
        """Call any callable value of a program."""
        if isinstance(function, Choice):
            return self.over(function, lambda one: self.apply(node, one, args, kwargs))
        if isinstance(function, Primitive):
            found = self._dependent(function, args, kwargs)
            if found is not None:
                return self._apply_over(node, function, args, kwargs, found)
            if kwargs and ufuncs.has_options(function, kwargs):
                return ufuncs.call(self, function, args, kwargs)
            if function.name in COSTLY and args and is_array(args[0]):
                self.work(COSTLY[function.name] * args[0].size)
            result = function.call(self, args, kwargs)
            result = tidy(result) if isinstance(result, np.generic) else result
            check_growth(self, function, args, kwargs, result)
            if function.name in COUNTING and is_traced(result) and args:
                self._note_count(function.name, args[0], result)
            if function.name == "asarray" and args and (args[1:] or kwargs):
                return self.memory.perhaps_viewed(args[0], result)  # a copy if the type differs
            numpys = function is MODULES["numpy"].get(function.name)
            if numpys and function.name in VIEWS and args and np.ndim(result):
                view = lambda places: VIEWS[function.name](places, *args[1:], **kwargs)
                return self.memory.viewed(args[0], result, view)
            if function.gives == "own":
                return result
            return self._of_kind(function.gives, fresh(result, (*args, *kwargs.values())), args)
        if isinstance(function, BoundMethod):
            owner, name = function.owner, function.name
            if name in MUTATORS:
                self.may_change(owner)
            if isinstance(owner, list | dict):
                result = self._container_method(owner, name, args, kwargs)
                check_items(owner)
                return result
            if isinstance(owner, Masked):
                quick = self.masked_call(MODULES["numpy"][name], (owner, *args), kwargs)
                if quick is None:
                    again = lambda one: self.apply(node, BoundMethod(one, name), args, kwargs)
                    quick = self.over(owner, again, pure=True)
                return quick
            found = first_dependent((args, kwargs))
            if found is not None:

                def chosen(one: Any) -> Any:
                    return self.apply(node, function, *replaced((args, kwargs), found, one))

                return self.over(found, chosen, pure=name not in MUTATORS)
            if isinstance(owner, rotation.Rotation):
                return rotation.call_method(self, owner, name, args, kwargs)
            if self.torch and name in TORCH_METHODS:
                return fresh(torch_method(self, owner, name, args, kwargs), args)
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
            given = dict(zip(function.fields, args, strict=False))
            known = [name for name in function.fields if name not in given]
            if len(args) > len(given) or any(name not in known for name in kwargs):
                fields = ", ".join(function.fields) or "no arguments"
                self.fail(node, f"`{function.name}` takes {fields}", "a dataclass takes its fields")
            kwargs = given | kwargs
            lacking = [name for name in function.fields if name not in function.names | kwargs]
            if lacking:
                self.fail(node, f"`{function.name}` needs a value for `{lacking[0]}`")
            return Namespace(function.name, function.names | kwargs) if kwargs else function
        return self.fail(node, f"{describe(function)} cannot be called", "call a function")

    def _note_count(self, name: str, array: Any, result: Any) -> None:
        """A count of elements, or a place among them, is no larger than their number."""
        if name == "sum" and getattr(array, "dtype", None) != np.bool_ or not is_array(array):
            return
        self.memory.bounds[id(result)] = (result, int(np.size(array)))

    def _dependent(self, function: Primitive, args: tuple, kwargs: dict) -> Any:
        """An argument of a function of the tables whose structure depends on the state."""
        name = function.name
        shallow = name in SHALLOW and function is not MODULES["numpy"].get(name)
        if name in ("max", "min") and "key" in kwargs or shallow:
            return next((one for one in (*args, *kwargs.values()) if depends(one)), None)
        return first_dependent((args, kwargs))

    def _apply_over(
        self, node: ast.AST, function: Primitive, args: tuple, kwargs: dict, found: Any
    ) -> Any:
        """Call a function of the tables with an argument whose structure depends on the state."""
        name, first = function.name, args[0] if args else None
        if found is first and len(args) == 1 and not kwargs:
            if name == "len" and not isinstance(first, Choice):
                return self.size(first)
            if name in ("list", "tuple") and isinstance(first, list | View | Choice):
                made = self.collect(first)
                return made if name == "list" else self.lifted(tuple, made)
            if name == "dict" and isinstance(first, dict):
                return dict(first)
        if isinstance(first, Masked) and found is first:
            quick = self.masked_call(function, args, kwargs)
            if quick is not None:
                return quick
        if isinstance(found, View):
            return self.apply(node, function, *replaced((args, kwargs), found, self.collect(found)))

        def chosen(one: Any) -> Any:
            return self.apply(node, function, *replaced((args, kwargs), found, one))

        return self.over(found, chosen, pure=name not in IMPURE and "out" not in kwargs)

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

    def apply_to(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function handed to a builtin, such as `map`."""
        node = function.node if isinstance(function, Function) else self.tree
        return self._checked(self.apply(node, function, args, kwargs))

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
            body: list[ast.stmt] = [ast.copy_location(ast.Return(node.body), node.body)]
            found = ast.FunctionDef("lambda", node.args, body, [], None)
            self.lambdas[id(node)] = ast.copy_location(found, node)
        return self.lambdas[id(node)]


def may_change(node: ast.AST) -> bool:
    """Whether a node is a call, or an assignment, that may change a value."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.NamedExpr)
    function = node.func
    return function.attr in MUTATORS if isinstance(function, ast.Attribute) else not (
        isinstance(function, ast.Name) and function.id in BUILTINS)  # fmt: skip
