"""One run of an image program on a traced picture, and what its names mean."""

from __future__ import annotations

import ast
import weakref
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import attributes, numbers
from core_jax.reward_models.programs.builtins_table import BUILTINS, EXCEPTIONS, MATH, converted
from core_jax.reward_models.programs.cv_table import CV2
from core_jax.reward_models.programs.numpy_table import LINALG, NUMPY
from core_jax.reward_models.programs.paths import RAISED
from core_jax.reward_models.programs.statements import Statements
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Class,
    Number,
    PythonRaises,
    Scope,
    Type,
    describe,
    is_number,
)

MODULES: dict[str, dict[str, Any]] = {
    "cv2": CV2,
    "numpy": NUMPY,
    "numpy.linalg": LINALG,
    "math": MATH,
    "typing": dict.fromkeys("Any Tuple List Dict Optional Union".split()),
}
HINTS = {
    "cv2": "count pixels of a mask, or use contours; see the documentation's table",
    "numpy": "see the documentation's table of functions",
    "numpy.random": "a reward must be the same for the same pictures",
}


class Evaluator(Statements):
    """One run of a program: its module's statements, then calls of its functions."""

    modules = MODULES
    hints = HINTS

    def __init__(self, source: str, tree: ast.Module, pixels: int, red_first: bool):
        super().__init__(source, pixels)
        self.tree, self.red_first = tree, red_first
        self.builtins = BUILTINS | {name: Class(name, {}) for name in EXCEPTIONS}
        self.views = weakref.WeakKeyDictionary()
        self.scope = Scope({})
        self.frame: Array | None = None
        self.frames: list[Array] = []

    def run_module(self) -> Scope:
        """Run the statements of the module; the scope of its names."""
        self.block(self.tree.body)
        return self.scope

    def method(self, owner: Any, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        return attributes.call(self, owner, name, args, kwargs)

    def converted(self, kind: Type, value: Any = 0) -> Any:
        return converted(self, kind, value)

    def converted_float(self, value: Any) -> Any:
        """`float(value)`."""
        return converted(self, Type("float"), value)

    def reward_of(self, value: Any) -> Any:
        """What a program returned as a 0-d float32.

        Raises:
            PythonRaises: it is no number.
        """
        found = value
        if isinstance(value, Choice):
            found = self.over(value, lambda one: Number(self.reward_of(one)))
        if isinstance(found, Array) and np.prod(found.shape) == 1:
            found = self.converted_float(found)
        if not is_number(found):
            message = f"the reward is {describe(found)}, not a number"
            raise PythonRaises(message, "return a number on every path")
        return jnp.asarray(numbers.data_of(found)).astype(jnp.float32)

    @property
    def raised(self) -> Any:
        """Whether Python has raised: traced 0-d bool."""
        return self.store.get(self.flags)[RAISED].data
