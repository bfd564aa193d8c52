"""Sample states, and what a reward gives on them: where it raises or is not finite."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from core_jax.reward_models.formal.errors import Diagnostic, diagnostic_for
from core_jax.reward_models.formal.parse import returns_of
from core_jax.reward_models.formal.raising import Raise

_SAMPLES = 8


def sample_states(
    shapes: tuple[tuple[int, ...], ...],
    target: tuple[float, ...] | None = None,
    recorded: Sequence[tuple[Any, Any, Any]] = (),
) -> list[np.ndarray]:
    """All zeros and a few seeded normal states of scale 0.5, batched along the first axis.

    Args:
        shapes: of observation, action and target.
        target: the target of all states, if it does not vary.
        recorded: states to add at the end.
    """
    generator = np.random.default_rng(0)
    samples = [0.5 * generator.standard_normal((_SAMPLES, *shape)) for shape in shapes]
    states = [np.concatenate([np.zeros_like(s[:1]), s]).astype(np.float32) for s in samples]
    if target is not None:
        states[2][:] = target
    if recorded:
        added = [np.stack([np.asarray(x, np.float32) for x in part])
                 for part in zip(*recorded, strict=True)]  # fmt: skip
        states = [np.concatenate(pair) for pair in zip(states, added, strict=True)]
    return states


def check_raised(
    source: str, places: list[Raise], raised: list[jax.Array]
) -> list[tuple[int, Diagnostic]]:
    """For each sample state on which a program raises, where it does so first."""
    found: list[tuple[int, Diagnostic]] = []
    if not places:
        return found
    for index, state in enumerate(np.stack(raised, axis=1)):
        if state.any():
            one = places[int(np.argmax(state))]
            message = f"non-finite value: {one.message} {_state(index)}"
            found.append((index, diagnostic_for(source, one.node or ast.Pass(), message, one.hint)))
    return found


def _state(index: int) -> str:
    if index == 0:
        return "when all inputs are zero"
    return "on an ordinary state" if index <= _SAMPLES else "on a recorded state of the task"


def check_finite(
    source: str,
    function: ast.FunctionDef,
    result: tuple[jax.Array, dict[str, jax.Array]],
    covered: set[int],
) -> list[tuple[int, Diagnostic]]:
    """For each sample state that is not covered the components that are not finite there, else
    the total."""
    total, components = result
    found: list[tuple[int, Diagnostic]] = []
    raised = frozenset(covered)
    for name, values in (*components.items(), ("", total)):
        for bad in np.flatnonzero(~np.isfinite(np.asarray(values))):
            if bad in (raised if name else covered):
                continue
            covered.add(int(bad))
            what = f"the component {name!r}" if name else "the reward"
            message = f"non-finite value: {what} is NaN or infinite {_state(int(bad))}"
            hint = "guard divisions, logarithms and square roots, as in `x / (y + 1e-6)`"
            found.append(
                (int(bad), diagnostic_for(source, _place_of(function, name), message, hint))
            )
    return found


def with_cause(source: str, found: list[Diagnostic], cause: ast.AST | None) -> list[Diagnostic]:
    """Diagnostics of NaN that name the operation that made it."""
    if cause is None or not all("is NaN or infinite" in one.message for one in found):
        return found
    shown = ast.unparse(cause)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    first = found[0]
    what = first.message.removeprefix("non-finite value: ")
    message = f"non-finite value: {what}, because of `{shown}`"
    return [diagnostic_for(source, cause, message, first.hint)]


def _place_of(function: ast.FunctionDef, component: str) -> ast.AST:
    """Where the source names the component; else its last `return`."""
    if component:
        for node in ast.walk(function):
            if isinstance(node, ast.Constant) and node.value == component:
                return node
    return (list(returns_of(function)) or [function])[-1]
