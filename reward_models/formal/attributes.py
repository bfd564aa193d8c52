"""What the evaluator reads behind a dot: modules, arrays, classes of constants, containers."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from core_jax.reward_models.formal.builtins_table import BUILTINS, from_keys
from core_jax.reward_models.formal.choices import Choice
from core_jax.reward_models.formal.comprehensions import Comprehensions
from core_jax.reward_models.formal.conversions import to_array
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.methods_table import ARRAY_METHODS, CONTAINER_METHODS, PROPERTIES
from core_jax.reward_models.formal.modules import ATTRIBUTE_HINTS, MODULES
from core_jax.reward_models.formal.rotation import METHODS, Rotation
from core_jax.reward_models.formal.torch_methods import TORCH_METHODS
from core_jax.reward_models.formal.ufunc_methods import ufunc_method
from core_jax.reward_models.formal.values import (
    BoundMethod,
    Module,
    Namespace,
    Primitive,
    describe,
    is_array,
    is_number,
)


class Attributes(Comprehensions):
    """The part of the evaluator for `owner.name`."""

    torch: bool  # whether the program is written for tensors with a batch axis

    def eval_Attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Choice):
            quick = self.masked_attribute(owner, node.attr)
            if quick is not None:
                return quick
            return self.over(owner, lambda one: self._attribute(node, one), pure=True)
        return self._attribute(node, owner)

    def _attribute(self, node: ast.Attribute, owner: Any) -> Any:
        if isinstance(owner, Module):
            path = f"{owner.name}.{node.attr}"
            if path in MODULES:
                return Module(path)
            if node.attr in MODULES[owner.name]:
                return MODULES[owner.name][node.attr]
            shown = path.replace("numpy", "np", 1)
            hint = ATTRIBUTE_HINTS.get(node.attr, "write it out with functions of NumPy")
            return self.fail(node, f"`{shown}` is not available", hint)
        if self.torch and is_array(owner) and node.attr in TORCH_METHODS:
            plain = {"device": None, "dtype": BUILTINS["float"]}
            return plain[node.attr] if node.attr in plain else BoundMethod(owner, node.attr)
        if self.torch and isinstance(owner, tuple) and node.attr in ("values", "indices"):
            return owner[node.attr == "indices"]
        if is_array(owner) or is_number(owner):
            literal = isinstance(node.value, ast.Constant)
            if literal or not isinstance(owner, int):  # NumPy's are no longer told from Python's
                message = f"a number of Python has no `.{node.attr}`"
                hint = "leave it out, or use the function of np"
                self.raises(literal or known(self.memory.kinds.python(owner)), message, hint)
            if node.attr == "flat":
                flat = to_array(owner).reshape(-1)
                return self.memory.viewed(owner, flat, lambda places: places.reshape(-1))
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
        elif isinstance(owner, Primitive) and owner.name == "dict" and node.attr == "fromkeys":
            return Primitive("fromkeys", from_keys, "own")
        elif isinstance(owner, Primitive):
            found = ufunc_method(MODULES["numpy"], owner.name, node.attr)
            if found is not None:
                return found
        elif isinstance(owner, Rotation) and node.attr in METHODS:
            return BoundMethod(owner, node.attr)
        elif node.attr in CONTAINER_METHODS.get(type(owner), ()):
            return BoundMethod(owner, node.attr)
        return self.fail(node, f"{describe(owner)} has no `.{node.attr}` here", "use np functions")
