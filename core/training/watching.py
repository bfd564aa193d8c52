"""Reward columns that watch whole episodes through pictures, with a memory for each environment.

What watches is chosen when a run begins, after its training functions were built, so it is handed
over with every chunk like reward code (`core_jax.training.programs`) and compiled on its own. Its
memory is a row of bytes for each environment in the seed's state: checkpoints keep it, whatever
watches.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt8

from core_jax.training import devices


class Watcher(Protocol):
    """Rewards the steps of an episode by what it has seen of it; hashable."""

    @property
    def memory(self) -> int:
        """Bytes that it keeps of an episode."""
        ...

    def start(self, snapshot: Float[Array, " K"]) -> UInt8[Array, " B"]:
        """The memory at an episode's start."""
        ...

    def watch(
        self, memory: UInt8[Array, " B"], snapshot: Float[Array, " K"], discount: Float[Array, ""]
    ) -> tuple[UInt8[Array, " B"], Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The memory after a step, the step's reward, and scalars for the metrics.

        Args:
            memory: before it.
            snapshot: of the world after it.
            discount: 0 where the world ended with it, else 1.
        """
        ...


@dataclasses.dataclass(frozen=True)
class WatchedColumn:
    """A reward column that a watcher fills, one for each seed.

    Attributes:
        name: of the column.
        memory: bytes kept for each environment.
    """

    name: str
    memory: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)

    def empty(self, envs: int) -> UInt8[Array, "N B"]:
        """The memory of N environments of which nothing was seen: a byte that says so comes
        first."""
        return jnp.zeros((envs, 1 + self.memory), jnp.uint8)


def snapshots(env: Any, state: Any, count: int) -> Float[Array, "N K"]:
    """The snapshots of N worlds; the number is given because a world may be without arrays."""
    return jax.vmap(env.snapshot, axis_size=count)(state.pipeline_state)


def score(
    column: WatchedColumn,
    watchers: Sequence[Watcher | None] | None,
    memory: UInt8[Array, "S N B"],
    before: Float[Array, "S T N K"],
    block: Any,
    mesh: Mesh | None = None,
) -> tuple[UInt8[Array, "S N B"], Float[Array, "S T N"], list[dict[str, jax.Array]]]:
    """The memories after a block of steps, the column, and means for the metrics, per seed.

    Args:
        column: which.
        watchers: one for each seed; zeros without.
        memory: of the column, from the block before.
        before: snapshots before each step.
        block: has `snapshot [S, T, N, K]`, `discount` and `cut [S, T, N]`.
        mesh: the devices that the seeds are spread over, if any.

    Raises:
        ValueError: a watcher needs more memory than the column has.
    """
    seeds = block.cut.shape[0]
    inputs = devices.split((memory, before, block.snapshot, block.discount, block.cut), seeds, mesh)
    kept, values, means = [], [], []
    for watcher, (own, *steps) in zip(watchers or [None] * seeds, inputs, strict=True):
        if watcher is None:
            kept.append(own)
            values.append(jnp.zeros(steps[-1].shape))
            means.append({})
            continue
        if watcher.memory > column.memory:
            raise ValueError(
                f"{column.name} keeps {column.memory} bytes for each environment; its programs "
                f"need {watcher.memory}"
            )
        own, value, mean = _watched(watcher)(own, *steps)
        kept.append(own)
        values.append(value)
        means.append(mean)
    return devices.join(kept, mesh), devices.join(values, mesh), means


def score_episodes(watchers: Sequence[Watcher], record: Any) -> Float[Array, "S T"]:
    """The column of one recorded episode of each seed; its first snapshot stands for the one before
    its first step, which is not recorded."""
    rows = []
    for s, watcher in enumerate(watchers):
        shots = jnp.asarray(record.snapshot[s])[:, None]
        cut = jnp.asarray(record.cut[s])[:, None]
        own = jnp.zeros((1, 1 + watcher.memory), jnp.uint8)
        before = jnp.concatenate([shots[:1], shots[:-1]])
        _, value, _ = _watched(watcher)(own, before, shots, 1.0 - cut, cut)
        rows.append(value[:, 0])
    return jnp.stack(rows)


@functools.lru_cache(maxsize=16)
def _watched(watcher: Watcher) -> Any:
    """`(memory [N, B], snapshots before and after [T, N, K], discount, cut [T, N]) -> (memory,
    values [T, N], means)`."""

    def step(carry: Any, row: Any) -> Any:
        memory, before, after, discount, cut = carry, *row
        known, own = memory[:, :1] > 0, memory[:, 1 : 1 + watcher.memory]
        begun = lambda: jnp.where(known, own, jax.vmap(watcher.start)(before))
        own = jax.lax.cond(jnp.all(known), lambda: own, begun)
        own, value, scalars = jax.vmap(watcher.watch)(own, after, discount)
        rest = memory[:, 1 + watcher.memory :]
        flag = (cut[:, None] == 0).astype(jnp.uint8)  # the next step begins an episode
        return jnp.concatenate([flag, own, rest], axis=1), (value, scalars)

    @jax.jit
    def run(memory, before, after, discount, cut):
        memory, (value, scalars) = jax.lax.scan(step, memory, (before, after, discount, cut))
        means = {name: jnp.mean(x) for name, x in scalars.items()}
        return memory, jnp.where(jnp.isfinite(value), value, 0.0), means

    return run
