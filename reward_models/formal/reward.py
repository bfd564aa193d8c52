"""`compile_reward`: from untrusted Python text to a JAX reward function.

The formal reward of CoRe: a function of (observation, action, target_pos) written by a language
model, returning a total and a dict of named components (as Eureka does, whose training curves go
back to the model). Other ways to call the source are in `signatures`; whatever it is, the reward
is called with the three arrays. The text is parsed, checked against a whitelist and interpreted at
trace time; nothing of it is ever executed, compiled or imported.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from core_jax.reward_models.formal.check import check
from core_jax.reward_models.formal.desugar import desugar
from core_jax.reward_models.formal.errors import RewardError, diagnostic_at, diagnostic_for
from core_jax.reward_models.formal.lower import Evaluator
from core_jax.reward_models.formal.needed import needed
from core_jax.reward_models.formal.parse import parse, returns_of
from core_jax.reward_models.formal.raising import Raise
from core_jax.reward_models.formal.signatures import CORE, Signature

_SAMPLES = 8


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

    Returns:
        The reward, known to trace and to be finite on a few sample states, and to raise on none.

    Raises:
        RewardError: the text is not a formal reward; the diagnostics say where and why.
        ValueError: the signature reads more of an array than there is.
    """
    shapes = ((observation_size,), (action_size,), tuple(target_shape))
    signature.check_sizes(shapes)
    try:
        return _compile(source, shapes, signature, target)
    except RecursionError:
        message, hint = "the source is nested too deeply", "simplify it"
        raise RewardError([diagnostic_at(source, 1, 0, message, hint)]) from None


def _compile(
    source: str,
    shapes: tuple[tuple[int, ...], ...],
    signature: Signature,
    target: tuple[float, ...] | None,
) -> FormalReward:
    tree = parse(source)
    function = signature.find(source, tree)
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
    values = jax.vmap(jaxpr_as_fun(traced))(*_sample_states(shapes, target))
    values, raised = jax.tree.unflatten(jax.tree.structure(result), values)
    _check_raised(source, places, raised)
    _check_finite(source, function, values)
    name, names, warnings = function.name, tuple(names), tuple(dropped)
    return FormalReward(source, signature, name, names, warnings, shapes, tree)


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
    result = evaluator.run(function, *signature.bind(function, arguments))
    return result, evaluator.raised


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The last function of a module with this name."""
    return [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name][-1]


def _sample_states(
    shapes: tuple[tuple[int, ...], ...], target: tuple[float, ...] | None = None
) -> list[np.ndarray]:
    """All zeros and a few seeded normal states of scale 0.5, batched along the first axis.

    Args:
        shapes: of observation, action and target.
        target: the target of all states, if it does not vary.
    """
    generator = np.random.default_rng(0)
    samples = [0.5 * generator.standard_normal((_SAMPLES, *shape)) for shape in shapes]
    states = [np.concatenate([np.zeros_like(s[:1]), s]).astype(np.float32) for s in samples]
    if target is not None:
        states[2][:] = target
    return states


def _check_raised(source: str, places: list[Raise], raised: list[jax.Array]) -> None:
    """Refuse a program that raises on a sample state, by where it does so first on each."""
    if not places:
        return
    states = np.stack(raised, axis=1)
    first = {int(np.argmax(state)): index for index, state in reversed([*enumerate(states)])
             if state.any()}  # fmt: skip
    found = []
    for place, index in sorted(first.items()):
        one, where = places[place], _state(index)
        message = f"non-finite value: {one.message} {where}"
        found.append(diagnostic_for(source, one.node, message, one.hint))
    if found:
        raise RewardError(list(dict.fromkeys(found)))


def _state(index: int) -> str:
    return "when all inputs are zero" if index == 0 else "on an ordinary state"


def _check_finite(
    source: str, function: ast.FunctionDef, result: tuple[jax.Array, dict[str, jax.Array]]
) -> None:
    total, components = result
    found = []
    for name, values in (*components.items(), ("", total)):
        bad = np.flatnonzero(~np.isfinite(np.asarray(values)))
        if bad.size and not (found and not name):
            what = f"the component {name!r}" if name else "the reward"
            message = f"non-finite value: {what} is NaN or infinite {_state(bad[0])}"
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
