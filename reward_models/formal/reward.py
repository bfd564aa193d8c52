"""`compile_reward`: from untrusted Python text to a JAX reward function.

The formal reward of CoRe: a function of (observation, action, target_pos) written by a language
model, returning a total and a dict of named components (as Eureka does, whose training curves go
back to the model). Other ways to call the source are in `signatures`; whatever it is, the reward
is called with the three arrays. The text is parsed, checked against a whitelist and interpreted at
trace time; nothing of it is ever executed, compiled or imported.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from core_jax.reward_models.formal.check import check
from core_jax.reward_models.formal.desugar import desugar
from core_jax.reward_models.formal.errors import (
    RewardError,
    diagnostic_at,
)
from core_jax.reward_models.formal.lower import Evaluator
from core_jax.reward_models.formal.needed import needed
from core_jax.reward_models.formal.parse import parse
from core_jax.reward_models.formal.raising import Raise
from core_jax.reward_models.formal.sample_checks import (
    check_finite,
    check_raised,
    sample_states,
    with_cause,
)
from core_jax.reward_models.formal.signatures import CORE, Signature

MAX_FOUND = 5


@dataclass(frozen=True)
class FormalReward:
    """A reward that can be called, jitted, vmapped and differentiated.

    Attributes:
        source: the Python text; it, the signature and the shapes make two rewards equal.
        signature: how the function in it is called.
        name: name of the reward function in it.
        component_names: names of the components, in the order of the returned dict.
        warnings: what was dropped from the source, one sentence each.
    """

    source: str
    signature: Signature
    name: str = field(compare=False)
    component_names: tuple[str, ...] = field(compare=False)
    warnings: tuple[str, ...] = field(compare=False, repr=False)
    shapes: tuple[tuple[int, ...], ...] = field(repr=False)
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
            0-d float32 reward and its 0-d float32 components by name; all are NaN where the
            source, run by Python, would raise.

        Raises:
            ValueError: an argument has another shape than the reward was compiled for.
        """
        arguments = tuple(jnp.asarray(x, jnp.float32) for x in (observation, action, target_pos))
        shapes = tuple(argument.shape for argument in arguments)
        if shapes != self.shapes:
            raise ValueError(f"reward compiled for shapes {self.shapes}, called with {shapes}")
        return _run(self.source, self.tree, self.signature, arguments, self.name)[0]


def compile_reward(
    source: str,
    *,
    observation_size: int = 11,
    action_size: int = 4,
    target_shape: tuple[int, ...] = (3,),
    signature: Signature = CORE,
    target: tuple[float, ...] | None = None,
    states: Sequence[tuple[Any, Any, Any]] = (),
) -> FormalReward:
    """Check `source` and lower it to a reward function.

    Args:
        source: Python text that defines the function.
        observation_size: length of the observation.
        action_size: length of the action.
        target_shape: shape of the target position.
        signature: how the function is called; by default with the three arrays.
        target: the target of a task where it is always the same, so that code may divide by it;
            by default it must be finite for any.
        states: states of the task, as (observation, action, target), on which the reward must be
            finite. Without them it must be on a few states drawn at random.

    Returns:
        The reward, known to trace and to be finite on those states, and to raise on none. Where it
        is not finite on other sample states (all zeros; with `states`, random ones) it has a
        warning.

    Raises:
        RewardError: the text is not a formal reward; the diagnostics say where and why.
        ValueError: the signature reads more of an array than there is.
    """
    shapes = ((observation_size,), (action_size,), tuple(target_shape))
    signature.check_sizes(shapes)
    try:
        return _compile(source, shapes, signature, target, states)
    except RecursionError:
        message, hint = "the source is nested too deeply", "simplify it"
        raise RewardError([diagnostic_at(source, 1, 0, message, hint)]) from None


def _compile(
    source: str,
    shapes: tuple[tuple[int, ...], ...],
    signature: Signature,
    target: tuple[float, ...] | None,
    states: Sequence[tuple[Any, Any, Any]] = (),
) -> FormalReward:
    tree = parse(source)
    try:
        function = signature.find(source, tree)
    except RewardError as error:  # a misspelt name may be why: say that first
        raise RewardError(check(source, tree, signature) or error.diagnostics) from None
    tree = needed(tree, function)
    found = check(source, tree, signature)
    if found:
        raise RewardError(found)
    tree, dropped = desugar(tree)
    function = _function(tree, function.name)
    names: list[str] = []
    places: list[Raise] = []

    def run(*arguments: jax.Array) -> tuple[Any, list[jax.Array]]:
        (total, components), raised = _run(source, tree, signature, arguments, function.name)
        names[:], places[:] = components, raised
        return (total, components), [one.condition for one in raised]

    arguments = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    traced, result = jax.make_jaxpr(run, return_shape=True)(*arguments)
    batch = sample_states(shapes, target, states)
    values = _on_batch(traced, batch)
    values, raised = jax.tree.unflatten(jax.tree.structure(result), values)
    binding = len(batch[0]) - len(states) if states else 1  # from there on it must be finite
    found = check_raised(source, places, raised)
    found += check_finite(source, function, values, {index for index, _ in found})
    wrong = [(index, one) for index, one in found if index >= binding]
    if wrong:
        state = [part[wrong[0][0]] for part in batch]
        cause = _first_infinite(source, tree, signature, state, function.name)
        named = list(dict.fromkeys(one for _, one in wrong))
        raise RewardError(with_cause(source, named, cause)[:MAX_FOUND])
    told = dict.fromkeys(f"line {one.line}: {one.message}" for _, one in found)
    name, warnings = function.name, (*dropped, *told)
    return FormalReward(source, signature, name, tuple(names), warnings, shapes, tree)


def _run(
    source: str,
    tree: ast.Module,
    signature: Signature,
    arguments: tuple[Any, ...],
    name: str,
) -> tuple[tuple[jax.Array, dict[str, jax.Array]], list[Raise]]:
    """The reward and its components; and where Python may raise."""
    evaluator = Evaluator(source, tree, signature.bare)
    function = _function(tree, name)
    if evaluator.torch:  # written for a batch of environments
        arguments = tuple(argument[None] for argument in arguments)
    result = evaluator.run(function, *signature.bind(function, arguments))
    return result, evaluator.raised


def _on_batch(traced: Any, batch: list[np.ndarray]) -> list[Any]:
    """The outputs of a jaxpr on each state of a batch."""
    return jax.vmap(jaxpr_as_fun(traced))(*batch)


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The last function of a module with this name."""
    return [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name][-1]


def _first_infinite(
    source: str, tree: ast.Module, signature: Signature, state: Sequence[Any], name: str
) -> ast.AST | None:
    """The first operation that gives NaN or infinity on a state; None if it is not found."""
    observation, action, target = (jnp.asarray(part) for part in state)
    arguments = observation, action, target
    evaluator = Evaluator(source, tree, signature.bare)
    evaluator.watched = []
    function = _function(tree, name)
    if evaluator.torch:
        arguments = observation[None], action[None], target[None]
    try:
        evaluator.run(function, *signature.bind(function, arguments))
    except RewardError:
        return None
    return evaluator.watched[0] if evaluator.watched else None
