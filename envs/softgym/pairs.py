"""Sums over a fluid's pairs of particles: all of them, or only those that are near each other.

Both give, for kernels `w(r^2)`, the sums `sum_j c_j w(|x_i - x_j|^2)` of columns c over the
particles j. A few hundred particles are quickest as whole matrices; thousands are put into cells as
wide as the kernels reach (Green, Particle Simulation using CUDA, 2010), and sorted by cell.
Everything has a fixed size: a *row* is up to `_OWN` particles of one cell, and those that may be
near them are nine *windows* of the sorted particles, one for each neighbouring column of cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

Kernels = Callable[[jax.Array], tuple[jax.Array, ...]]
_OWN = 8  # particles of a row; a cell at rest has about as many
_WIDE = (16, 16)  # cells along x and y; what is farther out shares them, in turns
_DEEP = 32  # cells along z; what is farther out is in the outermost ones
_AT_ONCE = 16  # rows whose pairs are computed together, so that they fit into the cache
_AWAY = 1e3  # m, where a window's empty places are


class Pairs(Protocol):
    """Pairs of some particles, and their kernels' values."""

    def sums(self, *columns: jax.Array | None) -> list[jax.Array]:
        """Returns the sums [C, n] of columns [C, n], one set for each kernel; none for None."""
        ...


class AllPairs:
    """Every particle with every one, and with itself."""

    def __init__(self, x: jax.Array, kernels: Kernels):
        """Computes the kernels once.

        Args:
            x: [3, n].
            kernels: squared distances -> values of each kernel, elementwise.
        """
        self._values = jax.lax.optimization_barrier(kernels(squares(x, x)))

    def sums(self, *columns: jax.Array | None) -> list[jax.Array]:
        """See `Pairs`."""
        both = zip(columns, self._values, strict=True)
        return [_product(column, value) for column, value in both if column is not None]


@dataclasses.dataclass(frozen=True)
class Cells:
    """How many near pairs there is room for.

    Attributes:
        reach: edge of a cell, m; pairs farther apart than this may be left out.
        rows: room for groups of up to 8 particles of one cell.
        window: room for the particles of three neighbouring cells.
    """

    reach: float
    rows: int
    window: int

    def sort(self, x: jax.Array) -> Sorted:
        """Sorts particles [3, n] into cells."""
        n, (wide, high) = x.shape[1], _WIDE
        cell = jnp.floor(x / self.reach).astype(jnp.int32)
        at = (cell[0] % wide, cell[1] % high, jnp.clip(cell[2] + _DEEP // 2, 0, _DEEP - 1))
        key = (at[0] * high + at[1]) * _DEEP + at[2]
        order = jnp.argsort(key)
        key = key[order]
        counts = jnp.zeros(wide * high * _DEEP + 1, jnp.int32).at[key + 1].add(1)
        first = jnp.cumsum(counts)
        place = jnp.arange(n)
        leads = (place - first[key]) % _OWN == 0
        row = jnp.cumsum(leads) - 1
        start = jnp.full(self.rows, n).at[jnp.where(leads, row, self.rows)].set(place, mode="drop")
        key = jnp.append(key, 0)[start]
        size = jnp.where(start < n, jnp.minimum(first[key + 1] - start, _OWN), 0)
        z = key % _DEEP
        low, up = z - jnp.maximum(z - 1, 0), jnp.minimum(z + 1, _DEEP - 1) - z
        begins, ends = [], []
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                column = key // _DEEP
                across = (column // high + dx) % wide, (column % high + dy) % high
                middle = (across[0] * high + across[1]) * _DEEP + z
                begins.append(first[middle - low])
                ends.append(first[middle + up + 1])
        begin, end = jnp.stack(begins, 1), jnp.stack(ends, 1)
        end = jnp.where(size[:, None] > 0, end, begin)
        missed = jnp.sum(jnp.maximum(end - begin - self.window, 0))
        missed += jnp.maximum(row[-1] + 1 - self.rows, 0)
        return Sorted(order, start, size, begin, jnp.minimum(end, begin + self.window), missed)


class Sorted(NamedTuple):
    """Particles by cell.

    Attributes:
        order: [n] the particles, cell by cell.
        start, size: [R] places in `order` of each row's own particles.
        begin, end: [R, 9] places in `order` of those that may be near them.
        missed: how often there was no room for a row, or for a place in a window.
    """

    order: jax.Array
    start: jax.Array
    size: jax.Array
    begin: jax.Array
    end: jax.Array
    missed: jax.Array


class NearPairs:
    """Pairs of particles in the same or in neighbouring cells."""

    def __init__(self, x: jax.Array, kernels: Kernels, cells: Cells):
        """Sorts the particles.

        Args:
            x: [3, n].
            kernels: as for `AllPairs`; 0 from `cells.reach` on.
            cells: room for pairs.
        """
        self._x, self._kernels, self._window = x, kernels, cells.window
        self._sorted = cells.sort(x)

    def sums(self, *columns: jax.Array | None) -> list[jax.Array]:
        """See `Pairs`."""
        s, n = self._sorted, self._x.shape[1]
        given = [(k, column) for k, column in enumerate(columns) if column is not None]
        stacked = jnp.concatenate([self._x, *(column for _, column in given)])[:, s.order]
        empty = jnp.zeros((len(stacked), self._window)).at[:3].set(_AWAY)
        stacked = jnp.concatenate([stacked, empty], axis=1)
        room = jnp.arange(self._window)

        def rows(row: tuple[jax.Array, ...]) -> jax.Array:
            start, begin, end = row
            own = _slices(stacked[:3], start, _OWN)  # [B, 3, own]
            near = _slices(stacked, begin.reshape(-1), self._window)
            there = (begin[..., None] + room < end[..., None]).reshape(-1, 1, self._window)
            near = jnp.concatenate(
                [jnp.where(there, near[:, :3], _AWAY), jnp.where(there, near[:, 3:], 0.0)], axis=1
            )
            near = near.reshape(len(start), 9, len(stacked), -1).swapaxes(1, 2)
            near = near.reshape(len(start), len(stacked), -1)  # [B, C, 9 windows]
            values = jax.lax.optimization_barrier(
                self._kernels(jax.vmap(squares)(near[:, :3], own))
            )
            parts, at = [], 3
            for k, column in given:
                part = near[:, at : at + len(column)]
                parts.append(_product(part, values[k]))
                at += len(column)
            return jnp.concatenate(parts, axis=1)

        blocks = [a.reshape(-1, _AT_ONCE, *a.shape[1:]) for a in (s.start, s.begin, s.end)]
        found = jax.lax.map(rows, tuple(blocks))
        found = found.reshape(len(s.start), -1, _OWN).swapaxes(1, 2)  # [R, own, C]
        own = s.start[:, None] + jnp.arange(_OWN)
        own = jnp.where(jnp.arange(_OWN) < s.size[:, None], own, n)
        to = jnp.append(s.order, n)[own]
        sums = (
            jnp.zeros((found.shape[-1], n)).at[:, to].set(jnp.moveaxis(found, -1, 0), mode="drop")
        )
        splits = [len(column) for _, column in given]
        ends = [sum(splits[: i + 1]) for i in range(len(splits) - 1)]
        return jnp.split(sums, ends)


def squares(a: jax.Array, b: jax.Array) -> jax.Array:
    """Squared distances [n, m] of points [3, n] and [3, m]."""
    d = [p[:, None] - q[None] for p, q in zip(a, b, strict=True)]
    return d[0] * d[0] + d[1] * d[1] + d[2] * d[2]


def _product(columns: jax.Array, values: jax.Array) -> jax.Array:
    """In full float32 on accelerators too: small distances are differences of large sums."""
    return jnp.matmul(columns, values, precision=jax.lax.Precision.HIGHEST)


def _slices(a: jax.Array, starts: jax.Array, size: int) -> jax.Array:
    """Slices [B, C, size] of [C, n] that begin at `starts` [B]."""
    return jax.vmap(lambda s: jax.lax.dynamic_slice(a, (0, s), (len(a), size)))(starts)
