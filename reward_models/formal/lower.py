"""One run of a formal reward: its functions called on traced inputs, which gives JAX operations."""

from __future__ import annotations

import ast
from functools import reduce
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.control_flow import ControlFlow
from core_jax.reward_models.formal.memory import Memory
from core_jax.reward_models.formal.results import RETURN
from core_jax.reward_models.formal.scopes import assigned_names
from core_jax.reward_models.formal.steps import (
    chain,
)
from core_jax.reward_models.formal.torch_methods import uses_torch
from core_jax.reward_models.formal.values import Frame, Function, Module, containers

MAX_CALLS = 20
MAX_DEPTH = 12  # of a function in itself


class Evaluator(ControlFlow):
    """One run of a program on one (traced) observation, action and target."""

    def __init__(self, source: str, tree: ast.Module, bare: bool = False):
        self.source, self.tree, self.bare = source, tree, bare
        self.active = None
        self.passed, self.place, self.raised = [], None, []
        self.operations = self.elements = 0
        self.calls: list[ast.FunctionDef] = []
        self.memory = Memory()
        self.held: list[list] = []
        self.watched: list[ast.AST] | None = None
        self.callers: list[Frame] = []
        self.lambdas: dict[int, ast.FunctionDef] = {}
        self.remembered: dict[int, Any] = {}
        self.module = Frame({})
        self.torch = uses_torch(tree)
        modules = {"np": Module("numpy"), "numpy": Module("numpy"), "math": Module("math")}
        modules |= {"torch": Module("torch")} if self.torch else {}
        self.frame = Frame(modules)

    def run(
        self, function: ast.FunctionDef, args: tuple, kwargs: dict
    ) -> tuple[Any, dict[str, Any]]:
        """Run the module's statements, then the reward function on `args` and `kwargs`.

        Returns:
            0-d float32 reward and its named 0-d float32 components; all are NaN where Python
            would have raised on the way to them.

        Raises:
            RewardError: the program does not do this for values of these shapes.
        """
        try:
            self.execute(chain(self.tree.body))
            self.remembered = {id(c): c for c in containers([*self.frame.names.values()])}
            self.module = self.frame
            reward = self.frame.names.get(function.name)
            if not isinstance(reward, Function) or reward.node is not function:
                return self.fail(
                    function, f"`{function.name}` is assigned again later", "rename it"
                )
            total, parts = self.call(function, reward, args, kwargs, is_reward=True)
        except RecursionError:
            return self.fail(function, "the reward is nested too deeply", "simplify it")
        if self.raised:
            gone = reduce(jnp.logical_or, [one.condition for one in self.raised])
            valued = lambda x: jnp.where(gone, jnp.nan, x)
            total, parts = valued(total), {name: valued(part) for name, part in parts.items()}
        return total, parts

    def call(
        self, node: ast.AST, function: Function, args: tuple, kwargs: dict, is_reward: bool = False
    ) -> Any:
        """Call a function of the source."""
        definition = function.node
        if self.calls.count(definition) >= MAX_DEPTH:
            message = f"`{definition.name}` calls itself more than {MAX_DEPTH} times in each other"
            self.fail(node, message, "use a `for` loop")
        if len(self.calls) >= MAX_CALLS:
            self.fail(node, "the calls are nested too deeply")
        names = self._arguments(node, function, args, kwargs)
        held = len(self.held)
        self.callers.append(self.frame)
        own = assigned_names(definition)
        self.frame = Frame(names, function.frame, is_reward, own=own)
        self.calls.append(definition)
        try:
            result = self.execute(chain(definition.body))
            if result is None and is_reward:
                self.fail(definition, "the reward function may end without `return`", RETURN)
            return None if result is None else result.value
        finally:
            self.calls.pop()
            del self.held[held:]
            self.frame = self.callers.pop()

    def name_dicts(self) -> list[dict]:
        """Those of the roots that hold local names."""
        return self.roots(held=False)

    def roots(self, held: bool = True) -> list:
        """All variables of the calls in progress, and values that wait to be used."""
        found: dict[int, dict] = {}
        for frame in (self.frame, *self.callers):
            while frame is not None and id(frame.names) not in found:
                found[id(frame.names)] = frame.names
                frame = frame.parent
        return [*found.values(), *self.held] if held else [*found.values()]
