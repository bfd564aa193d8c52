"""The borders of a mask, followed as OpenCV's `findContours` does (Suzuki and Abe, 1985).

Borders are found in the order of their first pixels and followed pixel by pixel; on the way their
areas, moments, lengths and bounding boxes are summed, so that a program that asks for these needs
no list of points. Directions are numbered as in OpenCV: 0 east, 1 north-east, ... 7 south-east.

All pictures of a batch are followed together: each loop makes one step in every picture.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int

DX = np.array([1, 1, 0, -1, -1, -1, 0, 1], np.int32)
DY = np.array([0, -1, -1, -1, 0, 1, 1, 1], np.int32)
CAPACITY = 64  # borders of a mask
_WEST, _EAST = 1, 2  # bits of what no border has passed yet: a gap to the west, to the east


class Borders(NamedTuple):
    """The borders of a mask, in the order in which they are found; K = CAPACITY.

    Attributes:
        bits: [N] uint8 which of the eight neighbours of each pixel of the mask belong to it.
        start: [K] int32 the pixel that each border starts at, as y * width + x.
        hole: [K] bool whether it surrounds a hole.
        parent: [K] int32 the border around it; -1 for none.
        vertices: [K] int32 points at which it changes its direction.
        box: [K, 4] int32 least x, least y, greatest x, greatest y.
        sums: [K, 3] int32 twice its signed area and six times its first moments.
        squares: [K, 3] float32 its second moments: 12 m20, 24 m11, 12 m02.
        length: [K] float32
        count: 0-d int32 number of borders; more than K if there are more than are kept.
    """

    bits: Int[Array, " N"]
    start: Int[Array, " K"]
    hole: Bool[Array, " K"]
    parent: Int[Array, " K"]
    vertices: Int[Array, " K"]
    box: Int[Array, "K 4"]
    sums: Int[Array, "K 3"]
    squares: Float[Array, "K 3"]
    length: Float[Array, " K"]
    count: Int[Array, ""]


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """For neighbours as bits and a direction s: the first neighbour at s + 1, s + 2, ..., s + 8,
    and the first at s - 1, s - 2, ..., s - 8: each [256 * 8] int32, 8 where there is none."""
    forward, backward = np.full((256, 8), 8, np.int32), np.full((256, 8), 8, np.int32)
    for bits in range(1, 256):
        for s in range(8):
            forward[bits, s] = next((s + k) % 8 for k in range(1, 9) if bits >> ((s + k) % 8) & 1)
            backward[bits, s] = next((s - k) % 8 for k in range(1, 9) if bits >> ((s - k) % 8) & 1)
    return forward.reshape(-1), backward.reshape(-1)


def borders(mask: Bool[Array, "H W"]) -> Borders:
    """The borders of a mask, of components and of holes."""
    found = _batched(mask.shape[0], mask.shape[1])(mask[None])
    return jax.tree.map(lambda x: x[0], found)


@functools.cache
def _batched(height: int, width: int) -> Any:
    """`borders` of a batch of masks of one size."""

    @custom_vmap
    def found(masks: jax.Array) -> Borders:
        return _follow_all(masks, height, width)

    @found.def_vmap
    def _(size: int, batched: list, masks: jax.Array) -> tuple[Borders, Borders]:
        if not batched[0]:
            once = found(masks)
            return once, jax.tree.map(lambda _: False, once)
        inner = masks.shape[1]
        flat = found(masks.reshape(size * inner, height, width))
        whole = jax.tree.map(lambda x: x.reshape(size, inner, *x.shape[1:]), flat)
        return whole, jax.tree.map(lambda _: True, whole)

    return found


class _Walk(NamedTuple):
    """Where each picture's border is followed; all [B] but the last two.

    Attributes:
        at: the pixel; came: the direction of the previous one.
        first, first_came: where the border started.
        walking: whether it has not come back yet.
        vertices, box, sums, squares, steps: of what is followed so far; steps straight and slanted.
        open: [B, N] uint8 gaps that no border has passed (_WEST, _EAST).
        mark: [B, N] int8 the number + 1 of a border that passes a pixel; negative if it passes
            between the pixel and its eastern neighbour.
    """

    at: jax.Array
    came: jax.Array
    first: jax.Array
    first_came: jax.Array
    walking: jax.Array
    vertices: jax.Array
    box: jax.Array
    sums: jax.Array
    squares: jax.Array
    steps: jax.Array
    open: jax.Array
    mark: jax.Array


@functools.partial(jax.jit, static_argnums=(1, 2))  # so that it is traced once for all programs
def _follow_all(masks: jax.Array, height: int, width: int) -> Borders:
    batch, size = masks.shape[0], height * width
    framed = jnp.pad(masks, ((0, 0), (1, 1), (1, 1)))
    near = [
        framed[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy, dx in zip(DY, DX, strict=True)
    ]
    bits = sum(one.astype(jnp.int32) << d for d, one in enumerate(near))
    bits = jnp.where(masks, bits, 0).astype(jnp.uint8).reshape(batch, size)
    gaps = jnp.where(near[4], 0, _WEST) + jnp.where(near[0], 0, _EAST)
    gaps = jnp.where(masks, gaps, 0).astype(jnp.uint8).reshape(batch, size)
    whole = jnp.zeros((batch, CAPACITY, 14), jnp.int32)
    squares = jnp.zeros((batch, CAPACITY, 3), jnp.float32)
    marks = jnp.zeros((batch, size), jnp.int8)

    def go_on(state: tuple) -> jax.Array:
        number, _, _, opened, _ = state
        return jnp.logical_and(number < CAPACITY, jnp.any(opened != 0))

    def one_border(state: tuple) -> tuple:
        number, whole, squares, opened, mark = state
        there, start, hole = _first(opened)
        parent = jnp.where(there, _parent(whole, mark, start, hole, width), -1)
        walk = _begin(bits, opened, mark, start, hole, there, width)
        walk = _follow(bits, walk, number, width)
        put = lambda rows, row: jax.lax.dynamic_update_index_in_dim(rows, row, number, 1)
        row, fractions = _facts(walk, start, hole, parent, there)
        return number + 1, put(whole, row), put(squares, fractions), walk.open, walk.mark

    start = (jnp.int32(0), whole, squares, gaps, marks)
    _, whole, squares, opened, _ = jax.lax.while_loop(go_on, one_border, start)
    return _borders(bits, whole, squares, jnp.any(opened != 0, axis=1))


def _first(opened: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The first pixel with a gap that no border has passed, and whether that makes a hole."""
    start = jnp.argmax(opened != 0, axis=1).astype(jnp.int32)
    found = jnp.take_along_axis(opened, start[:, None], 1)[:, 0]
    there = found != 0
    return there, start, there & ((found & _WEST) == 0)


def _parent(
    whole: jax.Array, mark: jax.Array, start: jax.Array, hole: jax.Array, width: int
) -> jax.Array:
    """The border around one that starts at `start`: told by the last border west of it."""
    row = (start // width) * width
    columns = row[:, None] + jnp.arange(width)
    line = jnp.take_along_axis(mark, columns, 1)
    west = (columns < start[:, None]) | (hole[:, None] & (columns == start[:, None]))
    place = jnp.max(jnp.where(west & (line != 0), jnp.arange(width), -1), axis=1)
    value = jnp.take_along_axis(line, jnp.maximum(place, 0)[:, None], 1)[:, 0]
    last = jnp.where(place >= 0, jnp.abs(value.astype(jnp.int32)) - 1, -1)
    facts = jnp.take_along_axis(whole, jnp.maximum(last, 0)[:, None, None], 1)[:, 0]
    last_is_hole = jnp.where(last >= 0, facts[:, 1] > 0, True)
    above = jnp.where(last >= 0, facts[:, 2], -1)
    return jnp.where(hole == last_is_hole, above, last)


def _begin(
    bits: jax.Array, opened: jax.Array, mark: jax.Array, start: jax.Array, hole: jax.Array,
    there: jax.Array, width: int,
) -> _Walk:  # fmt: skip
    batch, size = bits.shape
    mine = jnp.take_along_axis(bits, start[:, None], 1)[:, 0].astype(jnp.int32)
    came = jnp.asarray(tables()[1])[mine * 8 + jnp.where(hole, 0, 4)]
    alone = there & (came == 8)  # a single pixel
    index = jnp.where(alone, start, size)
    rows = jnp.arange(batch)
    opened = opened.at[rows, index].set(0, mode="drop")
    x, y = start % width, start // width
    zeros = jnp.zeros((batch, 3), jnp.int32)
    return _Walk(
        start, came, start, came, there & ~alone, alone.astype(jnp.int32),
        jnp.stack([x, y, x, y], axis=1), zeros, zeros.astype(jnp.float32), zeros[:, :2],
        opened, mark,
    )  # fmt: skip


def _follow(bits: jax.Array, walk: _Walk, number: jax.Array, width: int) -> _Walk:
    batch, size = bits.shape
    rows, forward = jnp.arange(batch), jnp.asarray(tables()[0])
    along, down = jnp.asarray(DX), jnp.asarray(DY)
    name = (number + 1).astype(jnp.int8)

    def step(walk: _Walk) -> _Walk:
        at, came = walk.at, walk.came
        mine = bits[rows, at].astype(jnp.int32)
        to = forward[mine * 8 + jnp.minimum(came, 7)] & 7
        turn = (to - came - 1) & 7
        west, east = ((4 - came - 1) & 7) < turn, ((0 - came - 1) & 7) < turn
        index = jnp.where(walk.walking, at, size)
        passed = jnp.where(west, _WEST, 0) + jnp.where(east, _EAST, 0)
        left = walk.open[rows, at] & (3 - passed).astype(jnp.uint8)
        old = walk.mark[rows, at]
        new = jnp.where(east, -name, jnp.where(old == 0, name, old))
        x, y, dx, dy = at % width, at // width, along[to], down[to]
        sums, squares = _terms(x, y, dx, dy)
        live = walk.walking[:, None]
        point = jnp.stack([x, y], axis=1)
        box = jnp.concatenate(
            [jnp.minimum(walk.box[:, :2], point), jnp.maximum(walk.box[:, 2:], point)], axis=1
        )
        slanted = to & 1
        moved = at + dy * width + dx
        back = (to + 4) & 7
        ended = (moved == walk.first) & (back == walk.first_came)
        return _Walk(
            jnp.where(walk.walking, moved, at),
            jnp.where(walk.walking, back, came),
            walk.first,
            walk.first_came,
            walk.walking & ~ended,
            walk.vertices + (walk.walking & (to != ((came + 4) & 7))),
            jnp.where(live, box, walk.box),
            walk.sums + jnp.where(live, sums, 0),
            walk.squares + jnp.where(live, squares, 0),
            walk.steps + jnp.where(live, jnp.stack([1 - slanted, slanted], axis=1), 0),
            walk.open.at[rows, index].set(left, mode="drop"),
            walk.mark.at[rows, index].set(new, mode="drop"),
        )

    return jax.lax.while_loop(lambda walk: jnp.any(walk.walking), step, walk)


def _terms(x: jax.Array, y: jax.Array, dx: jax.Array, dy: jax.Array) -> tuple:
    """What one step adds to the moments (Green's theorem)."""
    u, v = x + dx, y + dy
    cross = x * v - u * y
    sums = jnp.stack([cross, cross * (x + u), cross * (y + v)], axis=1)
    squares = jnp.stack(
        [
            cross * (x * x + x * u + u * u),
            cross * (x * (2 * y + v) + u * (y + 2 * v)),
            cross * (y * y + y * v + v * v),
        ],
        axis=1,
    )
    return sums, squares.astype(jnp.float32)


def _facts(
    walk: _Walk, start: jax.Array, hole: jax.Array, parent: jax.Array, there: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A border's whole numbers, [B, 14], and its fractions, [B, 3]."""
    columns = [start, hole, parent, there, walk.vertices, *walk.box.T, *walk.sums.T, *walk.steps.T]
    return jnp.stack([one.astype(jnp.int32) for one in columns], axis=1), walk.squares


def _borders(bits: jax.Array, whole: jax.Array, squares: jax.Array, more: jax.Array) -> Borders:
    count = jnp.sum(whole[..., 3], axis=1)
    length = whole[..., 12] + whole[..., 13] * np.float32(np.sqrt(2.0))
    return Borders(
        bits=bits,
        start=whole[..., 0],
        hole=whole[..., 1] > 0,
        parent=whole[..., 2],
        vertices=whole[..., 4],
        box=whole[..., 5:9],
        sums=whole[..., 9:12],
        squares=squares,
        length=length.astype(jnp.float32),
        count=jnp.where(more, CAPACITY + 1, count),
    )
