"""Connected components numbered, and their table, as OpenCV's `connectedComponentsWithStats`."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from core_jax.reward_models.programs.components import CAPACITY, Borders
from core_jax.reward_models.programs.numbers import quotient


def numbered(mask: Bool[Array, "H W"], found: Borders) -> tuple[Int[Array, "H W"], Int[Array, ""]]:
    """Components of a mask numbered from 1 in the order of their first pixels, and how many.

    Every component has one border that surrounds no hole; its pixels are reached from there.
    """
    outer = (jnp.arange(CAPACITY) < found.count) & ~found.hole
    count = jnp.sum(outer, dtype=jnp.int32)
    number = jnp.where(outer, jnp.cumsum(outer), 0)
    height, width = mask.shape
    flat = jnp.zeros(height * width, jnp.int32)
    flat = flat.at[jnp.where(outer, found.start, height * width)].set(number, mode="drop")

    def spread(state: tuple) -> tuple:
        now, _ = state
        new = now
        for axis in (1, 0):  # along rows, with the diagonals, then along columns
            new = jnp.maximum(new, jnp.where(mask, _around(new, axis), 0))
        for backwards in (False, True):
            for axis in (0, 1):
                new = _swept(new, mask, axis, backwards)
        return new, jnp.any(new != now)

    start = (flat.reshape(height, width), jnp.asarray(True))
    return jax.lax.while_loop(lambda s: s[1], spread, start)[0], count


def _around(x: jax.Array, axis: int) -> jax.Array:
    """The greatest of each element and its neighbours, along one axis and the diagonals."""
    padded = jnp.pad(x, 1)
    height, width = x.shape
    parts = [
        padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]
    return functools.reduce(jnp.maximum, parts[axis:])


def _swept(x: jax.Array, mask: jax.Array, axis: int, backwards: bool) -> jax.Array:
    """Carry numbers along runs of the mask."""

    def combine(a: tuple, b: tuple) -> tuple:
        return jnp.where(b[1], jnp.maximum(a[0], b[0]), b[0]), a[1] & b[1]

    return jax.lax.associative_scan(combine, (x, mask), axis=axis, reverse=backwards)[0]


def statistics(mask: Bool[Array, "H W"], label: Int[Array, "H W"]) -> tuple:
    """OpenCV's table of components, the background first.

    Returns:
        [CAPACITY + 1, 5] int32 left, top, width, height and area, and [CAPACITY + 1, 2] centroids.
    """
    height, width = mask.shape
    size = CAPACITY + 1
    flat = label.reshape(-1)
    x = jnp.tile(jnp.arange(width), height)
    y = jnp.repeat(jnp.arange(height), width)
    total = lambda v: jnp.zeros(size, jnp.int32).at[flat].add(v)
    area = total(jnp.ones_like(x))
    low = [jnp.full(size, 1 << 20, jnp.int32).at[flat].min(v) for v in (x, y)]
    high = [jnp.full(size, -1, jnp.int32).at[flat].max(v) for v in (x, y)]
    spans = [b - a + 1 for a, b in zip(low, high, strict=True)]
    stats = jnp.stack([*low, *spans, area], axis=1)
    safe = jnp.maximum(area, 1)
    means = [quotient(total(v), safe) for v in (x, y)]
    return stats, jnp.stack(means, axis=1)
