"""Reward code on batches: each program is jitted once, and compiled once per shape.

Scoring by code is a stage of its own, apart from physics and learning, so that a new reward program
for one seed costs only its own small compilation.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from core_jax.reward_models.formal import FormalReward
from core_jax.training import devices

Program = FormalReward | None


@dataclasses.dataclass(frozen=True)
class ProgramColumn:
    """A reward column that code fills, one program for each seed.

    Attributes:
        name: of the column.
        limit: values are clipped to [-limit, limit].
    """

    name: str
    limit: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)


def score(
    column: ProgramColumn,
    programs: Sequence[Program] | None,
    formal_view: Any,
    block: Any,
    mesh: Mesh | None = None,
) -> tuple[jax.Array, list[dict[str, jax.Array]]]:
    """A program column of transitions `[S, ...]` and each component's mean, per seed.

    Non-finite values become 0, so that no reward code can poison replay; they are counted under
    the component name `nonfinite`.

    Args:
        column: which.
        programs: one for each seed, or None for zeros.
        formal_view: observation -> what a program is called with (`TaskSpec.formal_view`).
        block: has `next_obs [S, ..., O]`, `action [S, ..., A]`, `target [S, ..., G]`; discrete
            actions [S, ...] are passed on as one-hot vectors.
        mesh: the devices that the seeds are spread over, if any.
    """
    seeds = block.cut.shape[0]
    zeros = jnp.zeros(block.cut.shape[1:])
    if programs is None or all(program is None for program in programs):
        return devices.join([zeros] * seeds, mesh), [{} for _ in range(seeds)]
    values, components = [], []
    inputs = devices.split((block.next_obs, block.action, block.target), seeds, mesh)
    for program, one in zip(programs, inputs, strict=True):
        if program is None:
            values.append(zeros)
            components.append({})
            continue
        value, means = batch_function(program, formal_view)(*one)
        values.append(jnp.clip(value, -column.limit, column.limit))
        components.append(means)
    return devices.join(values, mesh), components


def score_episodes(
    column: ProgramColumn, programs: Sequence[Program], formal_view: Any, record: Any
) -> jax.Array:
    """A program column of one episode of each seed [S, T]; see `score`."""
    value, _ = score(column, programs, formal_view, jax.tree.map(jnp.asarray, record))
    return value


@functools.lru_cache(maxsize=256)
def batch_function(program: FormalReward, formal_view: Any) -> Any:
    """`(next_obs [..., O], action [..., A], target [..., G]) -> (values [...], means)`."""

    @jax.jit
    def evaluate(next_obs, action, target):
        value, components = _each(program, formal_view, next_obs, action, target)
        finite = jnp.isfinite(value)
        means = {k: jnp.mean(jnp.where(jnp.isfinite(v), v, 0.0)) for k, v in components.items()}
        means["nonfinite"] = jnp.sum(~finite).astype(jnp.float32)
        return jnp.where(finite, value, 0.0), means

    return evaluate


def values_at_once(
    programs: Sequence[FormalReward], formal_view: Any, inputs: tuple[jax.Array, ...]
) -> jax.Array:
    """What each of K programs says of the same transitions, as one XLA program [K, ...].

    Non-finite values are 0. A switch vmapped over the program's index would be the other way to
    write it, but computes every branch for every index: K times as much.

    Args:
        programs: K of them.
        formal_view: as in `score`.
        inputs: next_obs [..., O], action [..., A], target [..., G].
    """
    return _all_of(tuple(programs), formal_view)(*inputs)


@functools.lru_cache(maxsize=64)
def _all_of(programs: tuple[FormalReward, ...], formal_view: Any) -> Any:
    @jax.jit
    def evaluate(*inputs):
        values = jnp.stack([_each(program, formal_view, *inputs)[0] for program in programs])
        return jnp.where(jnp.isfinite(values), values, 0.0)

    return evaluate


def _each(
    program: FormalReward, formal_view: Any, next_obs: Any, action: Any, target: Any
) -> tuple[jax.Array, Mapping[str, jax.Array]]:
    """The reward of each of many transitions [...], and its components [N]."""
    leading = next_obs.shape[:-1]
    if action.ndim == len(leading):  # numbers of discrete actions
        action = jax.nn.one_hot(action, *program.shapes[1])
    # Not reshape(-1, n): a task without a target has n = 0.
    count = math.prod(leading)
    flat = [x.reshape(count, x.shape[-1]) for x in (formal_view(next_obs), action, target)]
    value, components = jax.vmap(program)(*flat)
    return value.reshape(leading), components
