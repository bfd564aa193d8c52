"""Particles held together by constraints: rope and cloth by position-based dynamics.

A body is a regular grid of particles, `x [3, *grid]`: one contiguous row per coordinate, so that a
neighbour is a shift of the array and nothing is gathered or scattered. One substep moves particles
by their velocity, projects positions onto the constraints and takes the velocity from how far
they moved. Sources: Macklin et al., Unified Particle Physics (2014): contact, friction and the
averaging of simultaneous corrections; XPBD (2016): compliance; Small Steps (2019): many substeps,
few iterations.

Heights are along y, as in SoftGym. `w` are inverse masses, 0 for what a picker holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.custom_batching import sequential_vmap

A = TypeVar("A", jax.Array, np.ndarray)

GRAVITY = 9.8  # m/s^2
FRAME = 0.01  # s, of one simulated frame; SoftGym's
_TINY = 1e-12


@struct.dataclass
class Body:
    """Positions and velocities, [3, *grid], m and m/s."""

    x: jax.Array
    v: jax.Array


class Spring(NamedTuple):
    """A distance kept between every particle and the one `offset` further on the grid.

    Attributes:
        offset: along each axis of the grid.
        length: m at rest.
        stiffness: part of the error that one sweep corrects.
    """

    offset: tuple[int, ...]
    length: float
    stiffness: float


def shift(x: A, offset: tuple[int, ...]) -> A:
    """Returns the values `offset` further on the grid, at each place; zeros beyond the edge.

    Args:
        x: [..., *grid]; NumPy's arrays stay NumPy's.
        offset: one integer for each axis of the grid.
    """
    lead = x.ndim - len(offset)
    pad = [(0, 0)] * lead + [(max(-o, 0), max(o, 0)) for o in offset]
    window = [slice(None)] * lead + [
        slice(max(o, 0), max(o, 0) + n) for o, n in zip(offset, x.shape[lead:], strict=True)
    ]
    pad_with: Any = np.pad if isinstance(x, np.ndarray) else jnp.pad
    return pad_with(x, pad)[tuple(window)]


class Rows(NamedTuple):
    """A grid as one long array, row after row with gaps between: `[..., *grid] -> [..., N]`.

    A neighbour is one shift of that array, whatever its offset; beyond the edge lies a gap. Shifts
    of short rows would be many short loops.

    Attributes:
        grid: one length, or rows and columns.
        gap: after each row; as long as the longest offset along it.
    """

    grid: tuple[int, ...]
    gap: int = 2

    def lay(self, x: A) -> A:
        """Lays out [..., *grid]; gaps are 0. NumPy's arrays stay NumPy's."""
        if len(self.grid) == 1:
            return x
        pad_with: Any = np.pad if isinstance(x, np.ndarray) else jnp.pad
        lead = x.shape[: x.ndim - 2]
        return pad_with(x, [(0, 0)] * (x.ndim - 1) + [(0, self.gap)]).reshape(*lead, -1)

    def lift(self, x: jax.Array) -> jax.Array:
        """The inverse of `lay`."""
        if len(self.grid) == 1:
            return x
        rows, columns = self.grid
        return x.reshape(*x.shape[:-1], rows, columns + self.gap)[..., :columns]

    def distance(self, offset: tuple[int, ...]) -> int:
        """How far on the neighbour at an offset lies."""
        if len(offset) == 1:
            return offset[0]
        rows, columns = offset
        return rows * (self.grid[-1] + self.gap) + columns


def pull(springs: tuple[Spring, ...], w: jax.Array, relaxation: float):
    """Returns a sweep `x -> x` over springs, all at once (Jacobi); positions are laid by `Rows`.

    Each particle moves by the mean of the corrections of its springs, times `relaxation`.

    Args:
        springs: each pair once; no more than two particles along each axis of the grid.
        w: [*grid] inverse masses.
        relaxation: 1 is the plain mean; up to about 1.5 is stable and converges faster.
    """
    rows = Rows(w.shape)
    both = [
        s._replace(offset=tuple(sign * o for o in s.offset)) for s in springs for sign in (1, -1)
    ]
    ones = np.ones(w.shape, np.float32)
    exists = [shift(ones, s.offset) for s in both]
    count = np.maximum(sum(exists), 1.0)
    shares = []
    for s, there in zip(both, exists, strict=True):
        total = jnp.maximum(w + shift(w, s.offset), _TINY)
        shares.append(rows.lay(relaxation * s.stiffness * there / count * w / total))
    steps = [rows.distance(s.offset) for s in both]
    margin = max(steps)

    def sweep(x: jax.Array) -> jax.Array:
        n = x.shape[1]
        # Without the barrier every neighbour's loop would test whether it is beyond the end.
        wide = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), (margin, margin))))
        moved = x
        for s, step, share in zip(both, steps, shares, strict=True):
            d = jax.lax.slice_in_dim(wide, margin + step, margin + step + n, axis=1) - x
            inverse = inverse_root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + _TINY)
            moved = moved + share * (1.0 - s.length * inverse) * d
        return moved

    return sweep


def inverse_root(x: jax.Array) -> jax.Array:
    """1 / sqrt(x) to 5e-6 of it, from a first guess in the bits and two of Newton's steps.

    XLA's on a CPU, a root and a division, takes longer than all else that is done to a pair.
    """
    if jax.default_backend() != "cpu":
        return jax.lax.rsqrt(x)
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    y = jax.lax.bitcast_convert_type(0x5F3759DF - (bits >> 1), jnp.float32)
    for _ in range(2):
        y = y * (1.5 - 0.5 * x * y * y)
    return y


def one_by_one(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, whose worlds take turns under vmap on a CPU: one world's pairs stay in the cache,
    and those of many do not."""
    return sequential_vmap(f) if jax.default_backend() == "cpu" else f


def chain(x: jax.Array, w: jax.Array, length: jax.Array, compliance: float) -> jax.Array:
    """One XPBD step on all links of a chain together, solved exactly: `x` with every link mended.

    The links' multipliers couple only to their neighbours', a tridiagonal system, which parallel
    cyclic reduction solves in log2(n) shifts. A pull at one end arrives at the other at once, where
    sweeps would take n of them.

    Args:
        x: [3, n] m.
        w: [n] inverse masses, 1/kg.
        length: of each link at rest, m. A chain that is held at both ends must reach: links that
            cannot all be short enough throw the particles between them about.
        compliance: of each link, divided by the substep squared, 1/kg; more than 0.
    """
    d = x[:, 1:] - x[:, :-1]
    distance = jnp.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + _TINY)
    n = d / distance
    off = -w[1:-1] * jnp.sum(n[:, 1:] * n[:, :-1], axis=0)
    zero = jnp.zeros(1)
    below, above = jnp.concatenate([zero, off]), jnp.concatenate([off, zero])
    middle = w[1:] + w[:-1] + compliance
    push = tridiagonal(below, middle, above, length - distance) * n
    zeros = jnp.zeros((3, 1))
    return x + w * (jnp.concatenate([zeros, push], 1) - jnp.concatenate([push, zeros], 1))


def tridiagonal(
    below: jax.Array, middle: jax.Array, above: jax.Array, right: jax.Array
) -> jax.Array:
    """Solves a tridiagonal system by parallel cyclic reduction (Hockney 1965), all [n].

    Args:
        below: coefficient of the unknown before; the first is 0.
        middle: of the unknown itself.
        above: of the unknown after; the last is 0.
        right: right-hand side.
    """
    step = 1
    while step < middle.shape[0]:
        before = lambda a, s=step: shift(a, (-s,))
        after = lambda a, s=step: shift(a, (s,))
        inverse = 1.0 / middle
        down, up = -below * before(inverse), -above * after(inverse)
        middle, right, below, above = (
            middle + down * before(above) + up * after(below),
            right + down * before(right) + up * after(right),
            down * before(below),
            up * after(above),
        )
        step *= 2
    return right / middle


def separate(x: jax.Array, w: jax.Array, apart: jax.Array | np.ndarray, radius: float) -> jax.Array:
    """Keeps particles a radius from each other, every pair tested (for a few dozen particles).

    Args:
        x: [3, n] m.
        w: [n] inverse masses.
        apart: [n, n] 1 for the pairs that may touch, 0 for a particle and its neighbours.
        radius: m.
    """
    d = [a[None] - a[:, None] for a in x]  # from the row's particle to the column's
    r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + _TINY
    touch = jnp.where(r2 < radius * radius, apart, 0.0)
    share = w / jnp.maximum(w[:, None] + w, _TINY)
    push = touch * share * (radius * jax.lax.rsqrt(r2) - 1.0)
    count = jnp.maximum(jnp.sum(touch, axis=0), 1.0)
    return x + jnp.stack([jnp.sum(push * a, axis=0) for a in d]) / count


def above(x: jax.Array, floor: jax.Array | float) -> jax.Array:
    """Lifts particles that are below a floor, m, onto it."""
    return x.at[1].set(jnp.maximum(x[1], floor))


def rub(x: jax.Array, before: jax.Array, depth: jax.Array, friction: float) -> jax.Array:
    """Coulomb friction on level ground (Macklin 2014, eq. 24): takes back of a substep's sideways
    motion what friction can hold, which is `friction` times the depth that the ground mended.

    Args:
        x: [3, *grid] now, m.
        before: [3, *grid] at the substep's start, m.
        depth: [*grid] how far particles were in the ground; 0 for those that are held, m.
        friction: coefficient.
    """
    dx, dz = x[0] - before[0], x[2] - before[2]
    held = jnp.minimum(friction * depth * inverse_root(dx * dx + dz * dz + 1e-16), 1.0)
    return jnp.stack([x[0] - held * dx, x[1], x[2] - held * dz])
