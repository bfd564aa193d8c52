"""What a reward function returns: its total and its named components, checked."""

from __future__ import annotations

import ast
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.choices import Choice
from core_jax.reward_models.formal.conversions import to_jax
from core_jax.reward_models.formal.entries import scalar
from core_jax.reward_models.formal.expressions import Expressions
from core_jax.reward_models.formal.values import (
    Missing,
    ValueProblem,
    describe,
    is_array,
    is_number,
)
from core_jax.reward_models.formal.varied import kept_of

RETURN = "return the total reward and a dict of its named components: `return total, {...}`"
EITHER = "return the total reward, or a pair: the total and a dict of its named components"


class Results(Expressions):
    """The part of the evaluator for what the reward function's `return` gives."""

    bare: bool  # whether the reward may be a total without components

    def _reward(self, node: ast.Return, value: Any) -> tuple[Any, dict[str, Any]]:
        """The reward and its components, checked at the `return` that gave them."""
        found: list[Any] = [value]
        if isinstance(value, Choice):
            found = [one for _, one in self.at(node, value.options)]
        if self.bare and any(is_number(one) or is_array(one) for one in found):
            return self._scalar(node, "the reward", value), {}
        hint = EITHER if self.bare else RETURN
        if len(found) > 1 and all(_is_pair(one) for one in found):
            value = tuple(self.over(value, lambda one, i=i: one[i], pure=True) for i in range(2))
        if not isinstance(value, tuple | list) or len(value) != 2:
            count = f"{len(value)} values" if isinstance(value, tuple) else describe(value)
            return self.fail(node, f"the reward function returns {count}, not two values", hint)
        total, components = value
        if isinstance(components, Choice):  # another dict on some path; their entries are joined
            copied = lambda one: dict(one) if isinstance(one, dict) else one
            components = self.over(components, copied, pure=True)
        if not isinstance(components, dict):
            self.fail(node, f"the second value is {describe(components)}, not a dict", hint)
        kept = kept_of(components)
        for name, there in kept.present.items():
            if there is not True:
                message = f"the component {name!r} is returned on one path only"
                self.fail(node, message, "return the same components, by name, on every path")
        components = kept.values
        total = self._scalar(node, "the reward", total)
        named = {}
        for name, component in components.items():
            if not isinstance(name, str):
                self.fail(node, f"the component name {name!r} is not a string", RETURN)
            named[name] = self._scalar(node, f"the component {name!r}", component)
        return total, named

    def _scalar(self, node: ast.AST, what: str, value: Any) -> Any:
        if isinstance(value, Missing):
            self.fail(node, value.reason, value.hint)
        if isinstance(value, Choice) and any(is_number(v) or is_array(v) for v in value.values):
            self.at(node, lambda: value.options())
            return self.at(
                node, lambda: self.over(value, lambda one: self._scalar(node, what, one), True)
            )
        shape = value.shape if is_array(value) else ()
        if self.torch and is_array(value) and shape and value.size == 1:
            value, shape = value.reshape(()), ()
        try:
            if shape == () and not isinstance(value, list | tuple):
                return to_jax(scalar(value)).astype(jnp.float32)
        except ValueProblem:
            pass
        hint = "reduce it with np.sum, np.mean or np.linalg.norm"
        return self.fail(node, f"{what} is {describe(value)}, not a single number", hint)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2
