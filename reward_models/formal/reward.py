"""`compile_reward`: from untrusted Python text to a JAX reward function.

The formal reward of CoRe: a function of (observation, action, target_pos) written by a language
model, returning a total and a dict of named components (as Eureka does, whose training curves go
back to the model). The text is parsed, checked against a whitelist and interpreted at trace time;
nothing of it is ever executed, compiled or imported.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reward_models.formal.check import check
from reward_models.formal.errors import RewardError, diagnostic_at, diagnostic_for
from reward_models.formal.lower import Evaluator
from reward_models.formal.parse import parse, returns_of, reward_function

_SAMPLES = 8


@dataclass(frozen=True)
class FormalReward:
    """A reward that can be called, jitted, vmapped and differentiated.

    Attributes:
        source: the Python text; equality and hash are those of the text.
        name: name of the reward function in it.
        component_names: names of the components, in the order of the returned dict.
        warnings: what was dropped from the source, one sentence each.
    """

    source: str
    name: str = field(compare=False)
    component_names: tuple[str, ...] = field(compare=False)
    warnings: tuple[str, ...] = field(compare=False, repr=False)
    shapes: tuple[tuple[int, ...], ...] = field(compare=False, repr=False)
    tree: ast.Module = field(compare=False, repr=False)

    def __call__(
        self, observation: Any, action: Any, target_pos: Any
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The reward of one transition.

        Args:
            observation: [observation_size] array.
            action: [action_size] array.
            target_pos: [*target_shape] array.

        Returns:
            0-d float32 reward and its 0-d float32 components by name.

        Raises:
            ValueError: an argument has another shape than the reward was compiled for.
        """
        arguments = tuple(jnp.asarray(x, jnp.float32) for x in (observation, action, target_pos))
        shapes = tuple(argument.shape for argument in arguments)
        if shapes != self.shapes:
            raise ValueError(f"reward compiled for shapes {self.shapes}, called with {shapes}")
        return Evaluator(self.source, self.tree).run(
            reward_function(self.source, self.tree), arguments
        )


def compile_reward(
    source: str,
    *,
    observation_size: int = 11,
    action_size: int = 4,
    target_shape: tuple[int, ...] = (3,),
) -> FormalReward:
    """Check `source` and lower it to a reward function.

    Args:
        source: Python text that defines a function of three parameters.
        observation_size: length of the observation.
        action_size: length of the action.
        target_shape: shape of the target position.

    Returns:
        The reward, known to trace and to be finite on a few sample states.

    Raises:
        RewardError: the text is not a formal reward; the diagnostics say where and why.
    """
    shapes = ((observation_size,), (action_size,), tuple(target_shape))
    try:
        return _compile(source, shapes)
    except RecursionError:
        message, hint = "the source is nested too deeply", "simplify it"
        raise RewardError([diagnostic_at(source, 1, 0, message, hint)]) from None


def _compile(source: str, shapes: tuple[tuple[int, ...], ...]) -> FormalReward:
    tree = parse(source)
    found = check(source, tree)
    if found:
        raise RewardError(found)
    function = reward_function(source, tree)
    names: list[str] = []
    warnings: list[str] = []

    def run(*arguments: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        evaluator = Evaluator(source, tree)
        total, components = evaluator.run(function, arguments)
        names[:], warnings[:] = components, evaluator.dropped.values()
        return total, components

    jax.eval_shape(run, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes))
    _check_finite(source, function, jax.vmap(run)(*_sample_states(shapes)))
    return FormalReward(source, function.name, tuple(names), tuple(warnings), shapes, tree)


def _sample_states(shapes: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
    """All zeros and a few seeded normal states of scale 0.5, batched along the first axis."""
    generator = np.random.default_rng(0)
    samples = [0.5 * generator.standard_normal((_SAMPLES, *shape)) for shape in shapes]
    return [np.concatenate([np.zeros_like(s[:1]), s]).astype(np.float32) for s in samples]


def _check_finite(
    source: str, function: ast.FunctionDef, result: tuple[jax.Array, dict[str, jax.Array]]
) -> None:
    total, components = result
    found = []
    for name, values in (*components.items(), ("", total)):
        bad = np.flatnonzero(~np.isfinite(np.asarray(values)))
        if bad.size and not (found and not name):
            what = f"the component {name!r}" if name else "the reward"
            where = "when all inputs are zero" if bad[0] == 0 else "on an ordinary state"
            message = f"non-finite value: {what} is NaN or infinite {where}"
            hint = "guard divisions, logarithms and square roots, as in `x / (y + 1e-6)`"
            found.append(diagnostic_for(source, _place_of(function, name), message, hint))
    if found:
        raise RewardError(found)


def _place_of(function: ast.FunctionDef, component: str) -> ast.AST:
    """Where the source names the component; else its last `return`."""
    if component:
        for node in ast.walk(function):
            if isinstance(node, ast.Constant) and node.value == component:
                return node
    return (list(returns_of(function)) or [function])[-1]
