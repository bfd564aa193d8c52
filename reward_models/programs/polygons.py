"""Polygons of whole-number points in jnp, as OpenCV computes with them.

A polygon is [P, 2] int32 points (x, y), of which the first `count` are there; P = POINTS.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs.components import DX, DY, tables

POINTS = 256


@functools.partial(jax.jit, static_argnums=3)
def trace(bits: jax.Array, start: jax.Array, hole: jax.Array, width: int) -> tuple:
    """The points of a border at which it changes its direction (CHAIN_APPROX_SIMPLE).

    Args:
        bits: [N] neighbours of each pixel, as in `Borders`.
        start: 0-d pixel that it starts at.
        hole: 0-d bool whether it surrounds a hole.
        width: of the picture.

    Returns:
        [P, 2] points and their number; that may be more than P.
    """
    forward, backward = (jnp.asarray(table) for table in tables())
    along, down = jnp.asarray(DX), jnp.asarray(DY)
    neighbours = bits[start].astype(jnp.int32)
    came = backward[neighbours * 8 + jnp.where(hole, 0, 4)]
    alone = came == 8
    points = jnp.zeros((POINTS, 2), jnp.int32)
    points = points.at[0].set(jnp.stack([start % width, start // width]))

    def step(state: tuple) -> tuple:
        at, back, count, points, _ = state
        to = forward[bits[at].astype(jnp.int32) * 8 + back] & 7
        turns = to != ((back + 4) & 7)
        point = jnp.stack([at % width, at // width])
        place = jnp.where(turns, count, POINTS)
        points = points.at[place].set(point, mode="drop")
        moved, new = at + down[to] * width + along[to], (to + 4) & 7
        going = ~((moved == start) & (new == came))
        return moved, new, count + turns, points, going

    begin = (start, came & 7, jnp.where(alone, 1, 0), points, ~alone)
    _, _, count, points, _ = jax.lax.while_loop(lambda s: s[4], step, begin)
    return points, count


def twice_area(points: jax.Array, count: jax.Array) -> jax.Array:
    """Twice the signed area: 0-d int32."""
    x, y, u, v = _edges(points, count)
    return jnp.sum(jnp.where(jnp.arange(len(x)) < count, x * v - u * y, 0))


def length(points: jax.Array, count: jax.Array, closed: bool) -> jax.Array:
    """The length of the polygon's edges; the last one counts if it is closed."""
    x, y, u, v = _edges(points, count)
    edges = count if closed else count - 1
    each = jnp.sqrt(((u - x) ** 2 + (v - y) ** 2).astype(jnp.float32))
    return jnp.sum(jnp.where(jnp.arange(len(x)) < edges, each, 0.0))


def sums(points: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What moments are made of: [3] int32 and [3] float32, as in `Borders`."""
    x, y, u, v = _edges(points, count)
    there = jnp.arange(len(x)) < count
    cross = jnp.where(there, x * v - u * y, 0)
    first = jnp.stack([jnp.sum(cross), jnp.sum(cross * (x + u)), jnp.sum(cross * (y + v))])
    wide = cross.astype(jnp.float32)
    second = [
        jnp.sum(wide * (x * x + x * u + u * u)),
        jnp.sum(wide * (x * (2 * y + v) + u * (y + 2 * v))),
        jnp.sum(wide * (y * y + y * v + v * v)),
    ]
    return first, jnp.stack(second)


def _edges(points: jax.Array, count: jax.Array) -> tuple:
    index = jnp.arange(points.shape[0])
    after = points[jnp.where(index + 1 >= count, 0, index + 1)]
    return points[:, 0], points[:, 1], after[:, 0], after[:, 1]


def box(points: jax.Array, count: jax.Array) -> jax.Array:
    """[4] least x, least y, greatest x, greatest y."""
    there = (jnp.arange(points.shape[0]) < count)[:, None]
    low = jnp.min(jnp.where(there, points, 1 << 20), axis=0)
    high = jnp.max(jnp.where(there, points, -1), axis=0)
    return jnp.concatenate([low, high])


@functools.partial(jax.jit, static_argnums=2)
def hull(points: jax.Array, count: jax.Array, height: int) -> tuple[jax.Array, jax.Array]:
    """The convex hull, clockwise in the picture, ending at its highest, leftmost point.

    For each row only the least and the greatest x matter, and a row's point lies on the hull if the
    slopes to all rows above are less than those to all rows below.
    """
    there = jnp.arange(points.shape[0]) < count
    row = jnp.where(there, points[:, 1], height)
    far = 1 << 20
    left = jnp.full(height, far, jnp.int32).at[row].min(points[:, 0], mode="drop")
    right = jnp.full(height, -far, jnp.int32).at[row].max(points[:, 0], mode="drop")
    present = right >= 0
    on_left, on_right = _extreme(-left, present), _extreme(right, present)
    rows = jnp.arange(height)
    one = left == right  # the same point on both sides counts once: on the left at the top
    top, bottom = jnp.argmax(present), height - 1 - jnp.argmax(present[::-1])
    on_right = on_right & ~(one & (rows == top))
    on_left = on_left & ~(one & (rows == bottom) & (bottom != top))
    order = jnp.concatenate([on_right, on_left[::-1]])
    found = jnp.concatenate(
        [jnp.stack([right, rows], 1), jnp.stack([left[::-1], rows[::-1]], axis=1)]
    )
    place = jnp.where(order, jnp.cumsum(order) - 1, POINTS)
    made = jnp.zeros((POINTS, 2), jnp.int32).at[place].set(found, mode="drop")
    return made, jnp.sum(order, dtype=jnp.int32)


def _extreme(x: jax.Array, present: jax.Array) -> jax.Array:
    """Which rows bulge: x lies beyond every line between a row above and a row below."""
    size = x.shape[0]
    rows = jnp.arange(size)
    rise = (x[None, :] - x[:, None]).astype(jnp.float32)  # from row a to row b
    run = (rows[None, :] - rows[:, None]).astype(jnp.float32)
    slope = rise / jnp.where(run == 0, 1.0, run)
    above = jnp.where((run > 0) & present[:, None], slope, jnp.inf)
    below = jnp.where((run > 0) & present[None, :], slope, -jnp.inf)
    return present & (jnp.min(above, axis=0) > jnp.max(below, axis=1))


@jax.jit
def approximate(points: jax.Array, count: jax.Array, epsilon: jax.Array) -> tuple:
    """`approxPolyDP` of a closed polygon (Douglas and Peucker, as OpenCV orders it).

    Args:
        points, count: the polygon.
        epsilon: greatest distance.

    Returns:
        [P, 2] points and their number.
    """
    count = jnp.maximum(count, 1)
    limit = jnp.square(epsilon.astype(jnp.float32))
    first, second, close = _farthest(points, count, limit)
    kept, number = _split(points, count, limit, first, second, close)
    return _cleaned(kept, number, limit)


def _ring(index: jax.Array, count: jax.Array, from_: jax.Array) -> jax.Array:
    """How many points after `from_` each index comes, around the polygon."""
    return jnp.where(index < count, (index - from_) % count, -1)


def _best(values: jax.Array, rank: jax.Array, allowed: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The greatest of the allowed values, and the first index in rank that has it."""
    shown = jnp.where(allowed, values, -1)
    most = jnp.max(shown)
    return most, jnp.argmin(jnp.where(allowed & (shown == most), rank, 1 << 20)).astype(jnp.int32)


def _farthest(points: jax.Array, count: jax.Array, limit: jax.Array) -> tuple:
    """Two points far from each other, found in three passes; whether they are close even so."""
    index = jnp.arange(POINTS)
    start, far, most = jnp.int32(0), jnp.int32(0), jnp.int32(0)
    offset = jnp.int32(0)
    for _ in range(3):
        start = (start + offset) % count
        rank = _ring(index, count, start)
        distance = jnp.sum((points - points[start]) ** 2, axis=1)
        most, far = _best(distance, rank, rank >= 1)
        offset = jnp.where(most > 0, _ring(far, count, start), offset)
        far = (start + offset) % count
    return start, far, most.astype(jnp.float32) <= limit


def _split(
    points: jax.Array, count: jax.Array, limit: jax.Array, first: jax.Array, far: jax.Array,
    close: jax.Array,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """Split both halves until every point is near its chord."""
    index = jnp.arange(POINTS)
    stack = jnp.zeros((POINTS, 2), jnp.int32)
    stack = stack.at[0].set(jnp.stack([far, first])).at[1].set(jnp.stack([first, far]))
    kept = jnp.zeros((POINTS, 2), jnp.int32).at[0].set(points[first])

    def step(state: tuple) -> tuple:
        stack, depth, kept, number = state
        begin, end = stack[depth - 1, 0], stack[depth - 1, 1]
        rank = _ring(index, count, begin)
        dx, dy = points[end, 0] - points[begin, 0], points[end, 1] - points[begin, 1]
        distance = jnp.abs(
            (points[:, 1] - points[begin, 1]) * dx - (points[:, 0] - points[begin, 0]) * dy
        )
        between = (rank >= 1) & (rank < _ring(end, count, begin))
        most, middle = _best(distance, rank, between)
        wide = jnp.maximum(most, 0).astype(jnp.float32)
        near = wide * wide <= limit * (dx * dx + dy * dy).astype(jnp.float32)
        near = near | ~jnp.any(between)
        kept = kept.at[jnp.where(near, number, POINTS)].set(points[begin], mode="drop")
        slices = jnp.stack([jnp.stack([middle, end]), jnp.stack([begin, middle])])
        split = jax.lax.dynamic_update_slice(stack, slices, (jnp.maximum(depth - 1, 0), 0))
        stack = jnp.where(near, stack, split)
        return stack, depth + jnp.where(near, -1, 1), kept, number + near

    state = (stack, jnp.where(close, 0, 2), kept, jnp.where(close, 1, 0))
    _, _, kept, number = jax.lax.while_loop(lambda s: s[1] > 0, step, state)
    return kept, number


def _cleaned(kept: jax.Array, count: jax.Array, limit: jax.Array) -> tuple:
    """Leave out points on almost straight lines, in OpenCV's order of looking at them."""

    def after(pos: jax.Array) -> jax.Array:
        return jnp.where(pos + 1 >= count, 0, pos + 1)

    def step(state: tuple) -> tuple:
        i, pos, place, start, point, number, kept = state
        end, pos = kept[pos], after(pos)
        (dx, dy), (ax, ay), (bx, by) = end - start, point - start, end - point
        distance = jnp.abs(ax * dy - ay * dx).astype(jnp.float32)
        span = (dx * dx + dy * dy).astype(jnp.float32)
        gone = (distance * distance <= 0.5 * limit * span) & (dx != 0) & (dy != 0)
        gone = gone & (ax * bx + ay * by >= 0)
        kept = kept.at[place].set(jnp.where(gone, end, point))
        next_point, next_pos = jnp.where(gone, kept[pos], end), jnp.where(gone, after(pos), pos)
        start = jnp.where(gone, end, point)
        return i + 1 + gone, next_pos, after(place), start, next_point, number - gone, kept

    last = count - 1
    pos = after(last)
    state = (jnp.int32(0), after(pos), pos, kept[last], kept[pos], count, kept)
    go_on = lambda s: (s[0] < count) & (s[5] > 2)
    *_, number, kept = jax.lax.while_loop(go_on, step, state)
    return kept, number


def signed_distance(points: jax.Array, count: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """`pointPolygonTest` without a distance: 1 inside, 0 on an edge, -1 outside, for whole x, y."""
    a, b, u, v = (one.astype(jnp.float32) for one in _edges(points, count))
    there = jnp.arange(points.shape[0]) < count
    cross = (x - a) * (v - b) - (y - b) * (u - a)
    within = (jnp.minimum(a, u) <= x) & (x <= jnp.maximum(a, u))
    within = within & (jnp.minimum(b, v) <= y) & (y <= jnp.maximum(b, v))
    edge = jnp.any(there & within & (cross == 0))
    upward = (b <= y) & (y < v)
    downward = (v <= y) & (y < b)
    crossing = (upward & (cross > 0)) | (downward & (cross < 0))
    odd = jnp.sum(there & crossing) % 2 == 1
    return jnp.where(edge, 0.0, jnp.where(odd, 1.0, -1.0))


@functools.partial(jax.jit, static_argnums=(2, 3))
def filled(points: jax.Array, count: jax.Array, height: int, width: int) -> jax.Array:
    """[height, width] bool: the pixels in a border or inside it (drawContours, FILLED)."""
    rows = np.arange(height)[:, None]
    columns = np.arange(width)[None, :]
    a, b, u, v = _edges(points, count)

    def add(state: tuple) -> tuple:
        i, odd, edge = state
        x0, y0, x1, y1 = a[i], b[i], u[i], v[i]
        dx, dy = x1 - x0, y1 - y0
        crosses = (jnp.minimum(y0, y1) <= rows) & (rows < jnp.maximum(y0, y1))
        # x of the edge in this row, times dy, against the pixel's
        side = (columns - x0) * dy - (rows - y0) * dx
        beyond = jnp.where(dy > 0, side > 0, side < 0)
        steps = jnp.maximum(jnp.abs(dx), jnp.abs(dy))
        on = jnp.where(steps == 0, (columns == x0) & (rows == y0), side == 0)
        on = on & (columns >= jnp.minimum(x0, x1)) & (columns <= jnp.maximum(x0, x1))
        on = on & (rows >= jnp.minimum(y0, y1)) & (rows <= jnp.maximum(y0, y1))
        return i + 1, odd ^ (crosses & beyond), edge | on

    none = jnp.zeros((height, width), jnp.bool_)
    _, odd, edge = jax.lax.while_loop(lambda s: s[0] < count, add, (jnp.int32(0), none, none))
    return odd | edge
