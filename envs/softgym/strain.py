"""Edges that are never much longer than at rest: strain limiting (Provot 1995) for a square sheet.

Sweeps over all springs at once leave an edge where its neighbours' corrections balance, such as at
a fold, where bending makes it 9% too long. Here an edge that is too long is brought to its limit at
once and one that is not is left alone, edge after edge (Gauss-Seidel), which converges fast. Edges
of one direction whose first particles are in every other row (or column) share no particle and are
corrected together. The sheet is held as four quarters, its even and odd rows' even and odd columns,
so that each such set joins one quarter to another, shifted by a particle or none: one contiguous
slice of each, as a quarter is laid out as one long array (`particles.Rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.softgym import particles
from core_jax.envs.softgym.particles import Rows, Spring

Quarters = tuple[jax.Array, jax.Array, jax.Array, jax.Array]
_TINY = 1e-12


class _Set(NamedTuple):
    """Edges between two quarters: which, where in each, the ends' shares, the most length, m."""

    first: int
    second: int
    near: slice
    far: slice
    near_share: np.ndarray
    far_share: np.ndarray
    length: float


def split(x: jax.Array) -> Quarters:
    """The quarters of a sheet [..., n, n], each laid out [..., N]."""
    rows = _rows(x.shape[-1] // 2)
    quarter = lambda p, q: rows.lay(x[..., p::2, q::2])
    return quarter(0, 0), quarter(0, 1), quarter(1, 0), quarter(1, 1)


def join(quarters: Quarters, side: int) -> jax.Array:
    """The inverse of `split`, for a sheet of `side` particles along each side."""
    grids = [_rows(side // 2).lift(x) for x in quarters]
    *lead, half, _ = grids[0].shape
    rows = [jnp.stack(grids[k : k + 2], axis=-1) for k in (0, 2)]
    rows = [row.reshape(*lead, half, 2 * half) for row in rows]
    return jnp.stack(rows, axis=-2).reshape(*lead, 2 * half, 2 * half)


def limit(
    springs: tuple[Spring, ...], w: np.ndarray, longest: float
) -> Callable[[Quarters], Quarters]:
    """Returns a pass over a sheet's edges, which shortens those that are too long.

    Args:
        springs: between particles that are at most one row and one column apart.
        w: [n, n] inverse masses; n is even.
        longest: times its length at rest that an edge may be long.
    """
    if w.shape[0] != w.shape[1] or w.shape[0] % 2:
        raise ValueError(f"a sheet of {w.shape}: both must be the same even number")
    sets = [edges for spring in springs for edges in _sets(spring, w, longest)]

    def shorten(quarters: Quarters) -> Quarters:
        x = list(quarters)
        for s in sets:
            d = x[s.second][:, s.far] - x[s.first][:, s.near]
            inverse = jax.lax.rsqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + _TINY)
            d = jnp.maximum(1.0 - s.length * inverse, 0.0) * d
            # Padding what is added to the whole quarter's size would take three times as long.
            x[s.first] = x[s.first].at[:, s.near].add(s.near_share * d)
            x[s.second] = x[s.second].at[:, s.far].add(-s.far_share * d)
        return x[0], x[1], x[2], x[3]

    return shorten


def _sets(spring: Spring, w: np.ndarray, longest: float) -> list[_Set]:
    """A direction's edges; sets that begin in even rows (or columns) before those in odd ones."""
    i, j = spring.offset
    masses = [w[p::2, q::2] for p in (0, 1) for q in (0, 1)]
    rows = _rows(masses[0].shape[0])
    corners = [(p, q) for p in (0, 1) for q in (0, 1)]
    found = []
    for p, q in sorted(corners, key=lambda c: c[0] if i else c[1]):
        shift = (p + i) // 2, (q + j) // 2
        first, second = 2 * p + q, 2 * ((p + i) % 2) + (q + j) % 2
        a, b = masses[first], particles.shift(masses[second], shift)
        there = particles.shift(np.ones_like(a), shift)
        share = there * a / np.maximum(a + b, _TINY), there * b / np.maximum(a + b, _TINY)
        near, far = _ends(rows.distance(shift), rows.lay(a).size)
        near_share, far_share = (rows.lay(x)[near].astype(np.float32) for x in share)
        length = longest * spring.length
        found.append(_Set(first, second, near, far, near_share, far_share, length))
    return found


def _rows(half: int) -> Rows:
    return Rows((half, half), gap=1)


def _ends(shift: int, n: int) -> tuple[slice, slice]:
    """Of `n` places, those that have another one `shift` further, and those others."""
    return slice(max(-shift, 0), n - max(shift, 0)), slice(max(shift, 0), n - max(-shift, 0))
