"""Calls of an image program: of the tables' functions, of methods, and of its own functions."""

from __future__ import annotations

import ast
from typing import Any

from core_jax.reward_models.programs.values import (
    Choice,
    Class,
    Function,
    Instance,
    Method,
    Primitive,
    PythonRaises,
    Scope,
    Type,
    Unset,
    ValueProblem,
    describe,
)
from core_jax.reward_models.programs.writing import Writing

MAX_CALLS = 24
_RETURN = "<returned>"  # no name of Python


class Calls(Writing):
    """The part of the evaluator that calls."""

    scope: Scope
    calls: int = 0

    def value(self, node: ast.expr) -> Any:
        raise NotImplementedError

    def block(self, body: list[ast.stmt]) -> None:
        raise NotImplementedError

    def eval_Call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        args: list = []
        for part in node.args:
            if isinstance(part, ast.Starred):
                args += self.collected(self.value(part.value))
            else:
                args.append(self.value(part))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                return self.fail(keyword.value, "`**` in a call", "name the arguments")
            kwargs[keyword.arg] = self.value(keyword.value)
        return self.apply(function, tuple(args), kwargs)

    def called(self, function: Any, *args: Any) -> Any:
        return self.apply(function, args, {})

    def apply(self, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call any value of a program."""
        self.spend(2)
        if isinstance(function, Choice):
            return self.over(function, lambda one: self.apply(one, args, kwargs))
        if isinstance(function, Primitive):
            return self._primitive(function, args, kwargs)
        if isinstance(function, Function):
            return self.call(function, args, kwargs)
        if isinstance(function, Class):
            return self.instance(function, args, kwargs)
        if isinstance(function, Method):
            if function.function is not None:
                return self.call(function.function, (function.owner, *args), kwargs)
            return self.method(function.owner, function.name, args, kwargs)
        if isinstance(function, Type):
            return self.converted(function, *args)
        if isinstance(function, Instance):
            found = function.cls.names.get("__call__")
            if isinstance(found, Function):
                return self.call(found, (function, *args), kwargs)
        raise PythonRaises(f"{describe(function)} cannot be called", "call a function")

    def method(self, owner: Any, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def converted(self, kind: Type, value: Any = 0) -> Any:
        raise NotImplementedError

    def _primitive(self, function: Primitive, args: tuple, kwargs: dict[str, Any]) -> Any:
        if not function.whole:
            for index, one in enumerate(args):
                if isinstance(one, Choice):
                    return self.over(one, lambda x, i=index: self._primitive(
                        function, (*args[:i], x, *args[i + 1 :]), kwargs))  # fmt: skip
            for name, one in kwargs.items():
                if isinstance(one, Choice):
                    return self.over(one, lambda x, n=name: self._primitive(
                        function, args, {**kwargs, n: x}))  # fmt: skip
        try:
            return function.call(self, *args, **kwargs)
        except TypeError as error:
            if "argument" in str(error):
                raise PythonRaises(*_arguments(function.name, str(error))) from None
            raise

    def instance(self, cls: Class, args: tuple, kwargs: dict[str, Any]) -> Instance:
        """A new object of a class of the source."""
        made = Instance(cls, {})
        start = cls.names.get("__init__")
        if isinstance(start, Function):
            self.call(start, (made, *args), kwargs)
        elif cls.fields:
            given = dict(zip(cls.fields, args, strict=False)) | kwargs
            values = {name: given.get(name, cls.names.get(name)) for name in cls.fields}
            self.store.set(made, values)
        elif args or kwargs:
            raise PythonRaises(f"{cls.name}() takes no arguments")
        return made

    def call(self, function: Function, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call a function of the source."""
        if self.calls >= MAX_CALLS:
            raise ValueProblem("the calls are nested too deeply", "use a loop, not recursion")
        names = self._bound(function, args, kwargs)
        outer, exits, live, caught = self.scope, self.exits, self.live, self._caught()
        self.scope = Scope(names, function.scope)
        self.exits = {**exits, "return": [], "break": None, "continue": None}
        self.calls += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body)
            self.block(function.node.body)
            if self.live is not False:
                self.set_name(_RETURN, None)
                self.leave("return")
            returned = self.exits["return"] or []
            self.rejoined(returned)
            if self.live is False:
                return None
            if self._caught() == caught and all(one.live is not False for one in returned):
                self.live = live  # every path has returned
            return _there(self.store.get(self.scope).get(_RETURN))
        finally:
            self.calls -= 1
            self.scope, self.exits = outer, exits

    def _caught(self) -> int:
        return len(self.exits["raise"] or ())

    def _bound(self, function: Function, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The parameters of a call, by name."""
        parameters = function.node.args
        positional = [arg.arg for arg in (*parameters.posonlyargs, *parameters.args)]
        known = positional + [arg.arg for arg in parameters.kwonlyargs]
        if parameters.vararg or parameters.kwarg:
            raise ValueProblem("`*args` and `**kwargs` of a function", "name its parameters")
        method = bool(positional) and positional[0] == "self"
        if len(args) > len(positional):
            taken, given = len(positional) - method, len(args) - method
            raise PythonRaises(f"`{function.name}` takes {taken} arguments, not {given}")
        names = {**function.defaults, **dict(zip(positional, args, strict=False))}
        for key, value in kwargs.items():
            if key not in known or key in positional[: len(args)]:
                raise PythonRaises(f"`{function.name}` has no free parameter `{key}`")
            names[key] = value
        lacking = [key for key in known if key not in names]
        if lacking:
            missing = ", ".join(f"`{key}`" for key in lacking)
            message = f"`{function.name}` is called without {missing}"
            raise PythonRaises(message, f"its parameters: {', '.join(known)}")
        return names

    def returned(self, value: Any) -> None:
        """End the present path with `return value`."""
        self.set_name(_RETURN, value)
        self.leave("return")

    # Names

    def set_name(self, name: str, value: Any) -> None:
        """Give a local name a value."""
        held = dict(self.store.get(self.scope))
        held[name] = value
        self.store.set(self.scope, held)


def _arguments(name: str, text: str) -> tuple[str, str]:
    text = text.split("() ", 1)[-1]
    return f"{name}: {text}"[:200], "check its arguments"


def _there(value: Any) -> Any:
    """A returned value: every path has returned by then, so it is not missing on any."""
    if not isinstance(value, Choice):
        return value
    pairs = zip(value.conditions, value.values, strict=True)
    kept = [(condition, one) for condition, one in pairs if not isinstance(one, Unset)]
    if len(kept) == 1:
        return kept[0][1]
    return Choice(tuple(c for c, _ in kept), tuple(one for _, one in kept))
