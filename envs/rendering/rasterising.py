"""Rasterises surfaces and balls: hundreds of triangles or spheres, too many to test every ray for.

Each is tested against the few pixels it may cover (a z-buffer; Pineda 1988 for triangles): a box of
pixels, of one size for all, is tested for each, and one scatter of the minimum keeps the nearest.
The upper bits of what is scattered are the depth, the lower ones the index, so the colour of the
nearest is looked up once for each pixel. They are lit, but cast no shadows.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

Rgb = tuple[float, float, float]
_DARKER = 0.88  # of a colour, every other check


@struct.dataclass
class Sheet:
    """A surface over a grid of points, with a colour for each side.

    Attributes:
        points: [3, n, m] m.
        front: colour where rows, columns and the direction to the camera are right-handed.
        back: colour of the other side.
        edge: longest distance of neighbours that is drawn without gaps, m.
        nearest: shortest distance from the camera that it is drawn without gaps at, m.
        check: cells of the grid along each side of a check; every other check is darker. 0 is none.
    """

    points: jax.Array
    front: Rgb = struct.field(pytree_node=False)
    back: Rgb = struct.field(pytree_node=False)
    edge: float = struct.field(pytree_node=False)
    nearest: float = struct.field(pytree_node=False)
    check: int = struct.field(pytree_node=False, default=0)


@struct.dataclass
class Balls:
    """Balls of one size and colour.

    Attributes:
        points: [3, n] their centres, m.
        radius: m.
        rgb: colour.
        nearest: shortest distance from the camera that they are drawn completely at, m.
    """

    points: jax.Array
    radius: float = struct.field(pytree_node=False)
    rgb: Rgb = struct.field(pytree_node=False)
    nearest: float = struct.field(pytree_node=False)


class Pixels(NamedTuple):
    """Maps `depth (u, v, 1)` from the camera to pixels of a picture [height, width]:
    `column = (u - left) / pitch`, `row = (top - v) / pitch`."""

    left: jax.Array
    top: jax.Array
    pitch: float
    height: int
    width: int


class Raster(NamedTuple):
    """Depth, shade and colour of every pixel; the depth is infinite where nothing is."""

    depth: jax.Array  # m along the camera's axis
    shade: jax.Array  # cosine to the light, at least 0
    rgb: jax.Array  # [height, width, 3]


def rasterise(
    thing: Sheet | Balls, pixels: Pixels, to_camera: Float[Array, "3 3"], light: Float[Array, " 3"]
) -> Raster:
    """Returns a picture of one object alone.

    Args:
        thing: in the world's frame, relative to the camera's position.
        pixels: of the picture.
        to_camera: rows: right, up and forward of the camera.
        light: unit vector towards the light, world frame.
    """
    if isinstance(thing, Sheet):
        return _rasterise_sheet(thing, pixels, to_camera, light)
    return _rasterise_balls(thing, pixels, to_camera, light)


def _rasterise_sheet(
    sheet: Sheet, pixels: Pixels, to_camera: jax.Array, light: jax.Array
) -> Raster:
    p = sheet.points
    corners = _triangles(p)  # [3 corners, 3 xyz, T]
    seen = jnp.einsum("ij,cjt->cit", to_camera, corners)
    depth = jnp.maximum(seen[:, 2], 1e-3)
    column = (seen[:, 0] / depth - pixels.left) / pixels.pitch
    row = (pixels.top - seen[:, 1] / depth) / pixels.pitch
    box = _box(1.5 * sheet.edge, sheet.nearest, pixels)
    x = jnp.ceil(jnp.min(column, axis=0))[:, None, None] + np.arange(box)
    y = jnp.ceil(jnp.min(row, axis=0))[:, None, None] + np.arange(box)[:, None]

    # Twice the areas between a pixel and each side; of one sign inside.
    def area(i: int, j: int) -> jax.Array:
        at = lambda a, k: a[k][:, None, None]
        ex, ey = at(column, j) - at(column, i), at(row, j) - at(row, i)
        return ex * (y - at(row, i)) - ey * (x - at(column, i))

    areas = [area(1, 2), area(2, 0), area(0, 1)]
    total = sum(areas)
    seam = 1e-5 * jnp.abs(total)  # what rounding may leave between two triangles
    inside = jnp.minimum(jnp.minimum(*areas[:2]), areas[2]) >= -seam
    inside |= jnp.maximum(jnp.maximum(*areas[:2]), areas[2]) <= seam
    inverse = sum(a / depth[k][:, None, None] for k, a in enumerate(areas))
    inverse = inverse / jnp.where(jnp.abs(total) < 1e-9, 1e-9, total)
    far = 1.0 / jnp.maximum(inverse, 1e-6)
    winner, nearest = _keep_nearest(inside, far, x, y, pixels)

    # Of a triangle: the mean normal of its corners, turned to the camera.
    normal = jnp.mean(_triangles(_normals(p)), axis=0)
    normal = normal * jax.lax.rsqrt(jnp.sum(normal * normal, axis=0) + 1e-20)
    flat = jnp.cross(corners[1] - corners[0], corners[2] - corners[0], axis=0)
    is_front = jnp.sum(flat * corners[0], axis=0) < 0.0
    normal = jnp.where(is_front, normal, -normal)
    shade = jnp.maximum(light @ normal, 0.0)
    colours = jnp.array([sheet.back, sheet.front])[is_front.astype(jnp.int32)]
    if sheet.check:
        rows, columns = np.indices((p.shape[1] - 1, p.shape[2] - 1)) // sheet.check
        dark = np.where((rows + columns) % 2, _DARKER, 1.0).ravel()
        colours = colours * np.concatenate([dark, dark])[:, None]
    return Raster(nearest, shade[winner], colours[winner])


def _rasterise_balls(
    balls: Balls, pixels: Pixels, to_camera: jax.Array, light: jax.Array
) -> Raster:
    seen = to_camera @ balls.points
    depth = jnp.maximum(seen[2], 1e-3)
    column = (seen[0] / depth - pixels.left) / pixels.pitch
    row = (pixels.top - seen[1] / depth) / pixels.pitch
    # Towards the picture's edges a ball is seen as an ellipse, somewhat wider than the ball.
    box = _box(2.6 * balls.radius, balls.nearest, pixels)
    x = jnp.ceil(column - box / 2)[:, None, None] + np.arange(box)
    y = jnp.ceil(row - box / 2)[:, None, None] + np.arange(box)[:, None]

    def meet(middle: jax.Array, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Depth at which the ray (u, v, 1) meets a ball, and whether it does."""
        a = u * u + v * v + 1.0
        b = u * middle[0] + v * middle[1] + middle[2]
        c = jnp.sum(middle * middle, axis=0) - balls.radius**2
        inside = b * b - a * c
        return (b - jnp.sqrt(jnp.maximum(inside, 0.0))) / a, inside > 0.0

    u, v = pixels.left + x * pixels.pitch, pixels.top - y * pixels.pitch
    far, hit = meet(seen[:, :, None, None], u, v)
    in_front = (seen[2] > balls.radius)[:, None, None]
    winner, nearest = _keep_nearest(hit & in_front, far, x, y, pixels)

    u = pixels.left + np.arange(pixels.width) * pixels.pitch
    v = pixels.top - np.arange(pixels.height)[:, None] * pixels.pitch
    middle, lit = seen[:, winner], to_camera @ light
    t, _ = meet(middle, u, v)
    parts = ((t * d - m) * n for d, m, n in zip((u, v, 1.0), middle, lit, strict=True))
    shade = jnp.asarray(sum(parts))
    rgb = jnp.broadcast_to(jnp.array(balls.rgb), (*shade.shape, 3))
    return Raster(nearest, jnp.maximum(shade / balls.radius, 0.0), rgb)


def _box(size: float, nearest: float, pixels: Pixels) -> int:
    return int(np.ceil(size / nearest / pixels.pitch)) + 1


def _keep_nearest(
    inside: jax.Array, depth: jax.Array, x: jax.Array, y: jax.Array, pixels: Pixels
) -> tuple[jax.Array, jax.Array]:
    """Returns the index of the nearest at each pixel (0 where there is none) and its depth, [H, W].

    Args:
        inside, depth: [T, box, box].
        x, y: [T, 1, box] and [T, box, 1] columns and rows, whole numbers.
    """
    height, width, count = pixels.height, pixels.width, inside.shape[0]
    mask = (1 << int(np.ceil(np.log2(max(count, 2))))) - 1
    index = jnp.arange(count, dtype=jnp.int32)[:, None, None]
    key = (jax.lax.bitcast_convert_type(depth, jnp.int32) & ~mask) | index
    inside = inside & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = jnp.where(inside, (y * width + x).astype(jnp.int32), height * width)
    none = np.int32(np.iinfo(np.int32).max)
    keys = jnp.full(height * width + 1, none).at[place.ravel()].min(key.ravel())
    keys = keys[:-1].reshape(height, width)
    missed = keys == none
    far = jax.lax.bitcast_convert_type(keys & ~mask, jnp.float32)
    return jnp.where(missed, 0, keys & mask), jnp.where(missed, jnp.inf, far)


def _triangles(x: jax.Array) -> jax.Array:
    """Values [3, n, m] at the corners of two triangles for each cell, [3 corners, 3, T]."""
    a, b, c, d = x[:, :-1, :-1], x[:, 1:, :-1], x[:, :-1, 1:], x[:, 1:, 1:]
    pairs = ((a, d), (b, c), (c, b))
    return jnp.stack([jnp.concatenate([i.reshape(3, -1), j.reshape(3, -1)], 1) for i, j in pairs])


def _normals(p: jax.Array) -> jax.Array:
    """Normals [3, n, m] of a surface, not of unit length."""
    rows, columns = jnp.gradient(p, axis=(1, 2))
    return jnp.cross(rows, columns, axis=0)
