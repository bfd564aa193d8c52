"""Rays against the primitives of a scene: what each meets first, its shade and its light.

A ray starts at the camera and goes along `forward + u right + v up`, so that its parameter is the
depth along the camera's axis.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from core_jax.envs.camera import Camera
from core_jax.envs.rendering import primitives
from core_jax.envs.rendering.primitives import Vector
from core_jax.envs.rendering.scene import LIGHT, Scene

_CLEAR = 0.90  # part of the light of what is behind a pane that comes through it
_PANE = 0.5  # part of the lamp's light that does; less, because the water behind it absorbs some
_BIAS = 1e-3  # m; how far off its surface a ray to the light starts
_ID_BITS = 6
ID_MASK = (1 << _ID_BITS) - 1


class Rays(NamedTuple):
    """From `pos` along `forward + u right + v up`, so that the parameter is the depth."""

    u: jax.Array  # [K, 1, W] or [K, H, W], K samples a pixel
    v: jax.Array  # [K, H, 1]
    pos: jax.Array  # [3] m
    axes: tuple[jax.Array, jax.Array, jax.Array]  # forward, right, up
    pitch: float  # of u from pixel to pixel, and of v


def cast(camera: Camera, height: int, width: int, samples: int) -> Rays:
    """Returns the rays of a picture, `samples` squared for each pixel."""
    right = unit(camera.xyaxes[:3])
    up = np.asarray(camera.xyaxes[3:])
    up = unit(up - right * (up @ right))
    forward = -np.cross(right, up)
    half = 2.0 * np.tan(np.radians(camera.fovy) / 2) / height
    inner = (np.arange(samples) + 0.5) / samples
    y, x = (a.reshape(-1, 1, 1) for a in np.meshgrid(inner, inner, indexing="ij"))
    u = (np.arange(width)[None, None] + x - width / 2) * half
    v = (height / 2 - np.arange(height)[None, :, None] - y) * half
    f32 = lambda a: jnp.asarray(a, jnp.float32)
    return Rays(f32(u), f32(v), f32(camera.pos), (f32(forward), f32(right), f32(up)), float(half))


def _world_directions(rays: Rays) -> Vector:
    """Directions of the rays in the world's frame."""
    scales = (1.0, rays.u, rays.v)
    along = lambda k: jnp.asarray(sum(a[k] * s for a, s in zip(rays.axes, scales, strict=True)))
    return along(0), along(1), along(2)


def transmittance(panes: jax.Array, rays: Rays, depth: jax.Array) -> jax.Array:
    """Returns the part of the light from a depth that the panes before it let through [K, H, W]."""
    through = jnp.ones(depth.shape)
    for centre, half in panes:
        origin = _parts(rays.pos - centre)
        t = primitives.enter("box", origin, _world_directions(rays), _parts(half))
        through = jnp.where(t < depth, _CLEAR * through, through)
    return through


class _Primitives(NamedTuple):
    """The primitives of one kind, as their rays see them; a leading axis to scan over.

    The ray of pixel (u, v) has origin `o` and direction `a + u b + v c` in the primitive's frame.
    """

    o: jax.Array  # [3]
    a: jax.Array  # [3]
    b: jax.Array  # [3]
    c: jax.Array  # [3]
    light: jax.Array  # [3]
    size: jax.Array  # [3]
    colour: jax.Array  # [2] packed
    check: jax.Array  # [] m
    index: jax.Array  # []


Groups = list[tuple[str, _Primitives]]


def group_by_kind(scene: Scene, rays: Rays) -> Groups:
    """Returns the primitives of each kind, in the frames that their rays are traced in.

    Raises:
        ValueError: for more primitives than ids.
    """
    if len(scene.kinds) > ID_MASK:
        raise ValueError(f"a scene of {len(scene.kinds)} primitives; the limit is {ID_MASK}")
    to_local = lambda x: jnp.einsum("gij,...i->gj", scene.mat, x)
    colours = [_pack(x) for x in (scene.rgb, scene.second)]
    every = _Primitives(
        o=jnp.einsum("gij,gi->gj", scene.mat, rays.pos - scene.pos),
        a=to_local(rays.axes[0]),
        b=to_local(rays.axes[1]),
        c=to_local(rays.axes[2]),
        light=to_local(jnp.asarray(unit(LIGHT), jnp.float32)),
        size=scene.size,
        colour=jnp.stack(colours, axis=-1),
        check=jnp.asarray(scene.checks, jnp.float32),
        index=jnp.arange(len(scene.kinds), dtype=jnp.int32),
    )
    groups = []
    for kind in dict.fromkeys(scene.kinds):
        which = np.array([i for i, k in enumerate(scene.kinds) if k == kind])
        groups.append((kind, jax.tree.map(lambda x, w=which: x[w], every)))
    return groups


def _directions(one: _Primitives, rays: Rays) -> Vector:
    along = lambda k: one.a[k] + rays.u * one.b[k] + rays.v * one.c[k]
    return along(0), along(1), along(2)


def _points(one: _Primitives, rays: Rays, depth: jax.Array) -> Vector:
    """The point of each ray at a depth, in the primitive's frame."""
    return _along(_parts(one.o), _directions(one, rays), depth)


def _along(origin: Vector, direction: Vector, depth: jax.Array) -> Vector:
    at = lambda k: origin[k] + depth * direction[k]
    return at(0), at(1), at(2)


def nearest(groups: Groups, rays: Rays) -> jax.Array:
    """Returns the primitive that each ray meets first, as int32 keys [K, H, W].

    A key is the float bits of the depth, the last six of which are replaced by the primitive's
    index. Positive floats order as integers do, so the smallest key is the nearest; six bits of 24
    leave 8 micrometres at a metre.
    """
    far = jax.lax.bitcast_convert_type(jnp.float32(primitives.FAR), jnp.int32) | ID_MASK
    keys = jnp.full(jnp.broadcast_shapes(rays.u.shape, rays.v.shape), far)
    for kind, group in groups:

        def nearer(keys: jax.Array, one: _Primitives, kind=kind):
            d = _directions(one, rays)
            t = primitives.enter(kind, _parts(one.o), d, _parts(one.size))
            key = (jax.lax.bitcast_convert_type(t, jnp.int32) & ~ID_MASK) | one.index
            return jnp.where(key < keys, key, keys), None

        keys, _ = jax.lax.scan(nearer, keys, group)
    return keys


def shade(groups: Groups, rays: Rays, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the cosine to the light of what each ray meets, at least 0, and its packed colour."""
    depth, ids = depth_of(keys), keys & ID_MASK
    carry = (jnp.zeros(keys.shape), jnp.zeros(keys.shape, jnp.int32))
    for kind, group in groups:

        def nearest_only(carry, one: _Primitives, kind=kind):
            shade, colour = carry
            points, mine = _points(one, rays, depth), ids == one.index
            facing = primitives.facing(kind, points, _parts(one.size), _parts(one.light))
            own = one.colour[0]
            if kind == "plane":
                x, y = (jnp.floor(p / jnp.maximum(one.check, 1e-6)) for p in points[:2])
                odd = ((x + y).astype(jnp.int32) & 1 == 1) & (one.check > 0.0)
                own = jnp.where(odd, one.colour[1], own)
            return (jnp.where(mine, facing, shade), jnp.where(mine, own, colour)), None

        carry, _ = jax.lax.scan(nearest_only, carry, group)
    shade, colour = carry
    return jnp.where(shade > 0.0, shade, 0.0), colour


def visibility(groups: Groups, rays: Rays, keys: jax.Array, panes: jax.Array | None) -> jax.Array:
    """Returns 1 where the light reaches what each ray meets, 0 in shadow, between them behind
    panes. Planes cast no shadow."""
    depth, free = depth_of(keys), jnp.ones(keys.shape)
    for kind, group in groups:

        def block(free: jax.Array, one: _Primitives, kind=kind):
            points = _points(one, rays, depth)
            t = primitives.enter(kind, points, _parts(one.light), _parts(one.size), near=_BIAS)
            return jnp.where(t < primitives.FAR, 0.0, free), None

        if kind != "plane":
            free, _ = jax.lax.scan(block, free, group)
    light = _parts(jnp.asarray(unit(LIGHT), jnp.float32))
    for centre, half in () if panes is None else panes:
        at = _along(_parts(rays.pos - centre), _world_directions(rays), depth)
        t = primitives.enter("box", at, light, _parts(half), near=_BIAS)
        free = jnp.where(t < primitives.FAR, _PANE * free, free)
    return free


def depth_of(keys: jax.Array) -> jax.Array:
    """Returns the depth in a key, m."""
    return jax.lax.bitcast_convert_type(keys & ~ID_MASK, jnp.float32)


def is_sky(keys: jax.Array) -> jax.Array:
    """Whether a ray met nothing."""
    return depth_of(keys) > 0.5 * primitives.FAR


def _pack(rgb: jax.Array) -> jax.Array:
    """Colours [..., 3] as 8 bits a channel in one int32 [...], red lowest."""
    values = jnp.round(255.0 * jnp.clip(rgb, 0.0, 1.0)).astype(jnp.int32)
    return jnp.sum(values << jnp.array([0, 8, 16]), axis=-1)


def _parts(x: jax.Array) -> Vector:
    return x[0], x[1], x[2]


def unit(x: ArrayLike) -> np.ndarray:
    """Returns a vector of length 1."""
    x = np.asarray(x, float)
    return x / np.linalg.norm(x)
