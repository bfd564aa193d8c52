"""Pictures as pure functions: `render(scene, camera, height, width)` casts rays in jnp.

A scene is some dozens of primitives with poses; a frame of it is computed where the physics runs,
by jit and vmap, and computed again whenever it is needed. One light far away with shadows, ambient
light, a checked ground, supersampling. Every ray is tested against every primitive in one loop
without memory traffic, which for so few is quicker than any tree.

Camera and frames are MuJoCo's: it looks along its own -z, x is to the right and y up.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs import primitives, rasterising
from core_jax.envs.camera import Camera
from core_jax.envs.primitives import Vector

LIGHT = (0.35, -0.45, 0.82)  # towards the light
AMBIENT = 0.5
SKY = (0.62, 0.71, 0.80)
GLASS = (0.85, 0.93, 0.97)
_CLEAR = 0.90  # part of what is seen that comes through a pane
_PANE = 0.5  # part of the lamp's light that does; less, for what the water behind it takes
_BIAS = 1e-3  # m; how far off its surface a ray to the light starts
_ID_BITS = 6
_ID_MASK = (1 << _ID_BITS) - 1


@struct.dataclass
class Scene:
    """What there is to see.

    Attributes:
        pos: [G, 3] of the primitives, m.
        mat: [G, 3, 3] their axes, as columns, in the world frame.
        size: [G, 3] MuJoCo's sizes of the kind, m.
        rgb: [G, 3] colours in [0, 1].
        second: [G, 3] a plane's other colour.
        kinds: G names of `primitives.KINDS`.
        checks: G edges of a plane's checks, m; 0 is one colour.
        painted: sheets and balls; they cast no shadows and get none.
        glass: [B, 2, 3] middles and half sizes of clear boxes along the world's axes, m.
    """

    pos: jax.Array
    mat: jax.Array
    size: jax.Array
    rgb: jax.Array
    second: jax.Array
    kinds: tuple[str, ...] = struct.field(pytree_node=False)
    checks: tuple[float, ...] = struct.field(pytree_node=False)
    painted: tuple[rasterising.Sheet | rasterising.Balls, ...] = ()
    glass: jax.Array | None = None


class Layers(NamedTuple):
    """What one ray through the middle of each pixel sees, `[H, W]`.

    Attributes:
        depth: distance along the camera's axis, m; `primitives.FAR` for the sky.
        ids: index of the primitive, -1 for the sky.
    """

    depth: jax.Array
    ids: jax.Array


def render(
    scene: Scene,
    camera: Camera,
    height: int,
    width: int,
    samples: int = 2,
    shadows: bool = True,
    shift: jax.Array | None = None,
) -> jax.Array:
    """Returns a picture, uint8 [height, width, 3].

    Args:
        scene: one scene; vmap for many.
        camera: where it is seen from.
        height, width: of the picture, pixels.
        samples: rays per pixel along each side.
        shadows: whether primitives keep the light from each other.
        shift: [2] pixels by which the camera looks further to the right and up.
    """
    rays = _rays(camera, height, width, samples)
    if shift is not None:
        pixel = 2.0 * np.tan(np.radians(camera.fovy) / 2) / height
        rays = rays._replace(u=rays.u + pixel * shift[0], v=rays.v + pixel * shift[1])
    groups = _by_kind(scene, rays)
    keys = _nearest(groups, rays)
    shade, colour = _shade(groups, rays, keys)
    if shadows:  # one ray a pixel: the light's edges may be harder than those of things
        one = rays._replace(u=rays.u[:1], v=rays.v[:1])
        shade = shade * _free(groups, one, keys[:1], scene.glass)
    brightness = AMBIENT + (1.0 - AMBIENT) * shade
    paints = [_paint(thing, rays) for thing in scene.painted]
    channels = []
    for i, sky in enumerate(SKY):
        own = ((colour >> (8 * i)) & 255).astype(jnp.float32) * brightness
        seen, depth = jnp.where(_is_sky(keys), 255.0 * sky, own), _depth(keys)
        for paint in paints:
            own = 255.0 * paint.rgb[..., i] * (AMBIENT + (1.0 - AMBIENT) * paint.shade)
            seen = jnp.where(paint.depth < depth, own, seen)
            depth = jnp.minimum(depth, paint.depth)
        if scene.glass is not None:
            clear = _clear(scene.glass, rays, depth)
            seen = clear * seen + (1.0 - clear) * 255.0 * GLASS[i]
        channels.append(jnp.round(sum(seen[k] for k in range(samples**2)) / samples**2))
    return jnp.stack(channels, axis=-1).astype(jnp.uint8)


def layers(scene: Scene, camera: Camera, height: int, width: int) -> Layers:
    """Returns depth and object ids of a picture; see `Layers`."""
    rays = _rays(camera, height, width, 1)
    keys = _nearest(_by_kind(scene, rays), rays)[0]
    sky = _is_sky(keys)
    return Layers(
        depth=jnp.where(sky, primitives.FAR, _depth(keys)), ids=jnp.where(sky, -1, keys & _ID_MASK)
    )


class _Rays(NamedTuple):
    """From `pos` along `forward + u right + v up`, so that the parameter is the depth."""

    u: jax.Array  # [K, 1, W] or [K, H, W], K samples a pixel
    v: jax.Array  # [K, H, 1]
    pos: jax.Array  # [3] m
    axes: tuple[jax.Array, jax.Array, jax.Array]  # forward, right, up
    pitch: float  # of u from pixel to pixel, and of v


def _rays(camera: Camera, height: int, width: int, samples: int) -> _Rays:
    right = _unit(camera.xyaxes[:3])
    up = np.asarray(camera.xyaxes[3:])
    up = _unit(up - right * (up @ right))
    forward = -np.cross(right, up)
    half = 2.0 * np.tan(np.radians(camera.fovy) / 2) / height
    inner = (np.arange(samples) + 0.5) / samples
    y, x = (a.reshape(-1, 1, 1) for a in np.meshgrid(inner, inner, indexing="ij"))
    u = (np.arange(width)[None, None] + x - width / 2) * half
    v = (height / 2 - np.arange(height)[None, :, None] - y) * half
    f32 = lambda a: jnp.asarray(a, jnp.float32)
    return _Rays(f32(u), f32(v), f32(camera.pos), (f32(forward), f32(right), f32(up)), float(half))


def _paint(thing: rasterising.Sheet | rasterising.Balls, rays: _Rays) -> rasterising.Painted:
    """What is painted at every sample of every pixel, [K, H, W]."""
    forward, right, up = rays.axes
    see, light = jnp.stack([right, up, forward]), jnp.asarray(_unit(LIGHT), jnp.float32)
    thing = jax.tree.map(lambda p: p - rays.pos.reshape(3, *[1] * (p.ndim - 1)), thing)
    height, width = rays.v.shape[1], rays.u.shape[-1]
    looks = [
        rasterising.paint(thing, rasterising.Pixels(u, v, rays.pitch, height, width), see, light)
        for u, v in zip(rays.u[:, 0, 0], rays.v[:, 0, 0], strict=True)
    ]
    return jax.tree.map(lambda *x: jnp.stack(x), *looks)


def _ways(rays: _Rays) -> Vector:
    """Directions of the rays in the world's frame."""
    scales = (1.0, rays.u, rays.v)
    return tuple(sum(a[k] * s for a, s in zip(rays.axes, scales, strict=True)) for k in range(3))


def _clear(panes: jax.Array, rays: _Rays, depth: jax.Array) -> jax.Array:
    """Part of the light of what is seen at a depth that comes through the panes before it."""
    through = jnp.ones(depth.shape)
    for middle, half in panes:
        t = primitives.enter("box", _parts(rays.pos - middle), _ways(rays), _parts(half))
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


_Groups = list[tuple[str, _Primitives]]


def _by_kind(scene: Scene, rays: _Rays) -> _Groups:
    if len(scene.kinds) > _ID_MASK:
        raise ValueError(f"a scene of {len(scene.kinds)} primitives; the limit is {_ID_MASK}")
    to_local = lambda x: jnp.einsum("gij,...i->gj", scene.mat, x)
    colours = [_pack(x) for x in (scene.rgb, scene.second)]
    every = _Primitives(
        o=jnp.einsum("gij,gi->gj", scene.mat, rays.pos - scene.pos),
        a=to_local(rays.axes[0]),
        b=to_local(rays.axes[1]),
        c=to_local(rays.axes[2]),
        light=to_local(jnp.asarray(_unit(LIGHT), jnp.float32)),
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


def _directions(one: _Primitives, rays: _Rays) -> Vector:
    return tuple(one.a[k] + rays.u * one.b[k] + rays.v * one.c[k] for k in range(3))


def _points(one: _Primitives, rays: _Rays, depth: jax.Array) -> Vector:
    """What is seen at a depth, in the primitive's frame."""
    return tuple(o + depth * d for o, d in zip(_parts(one.o), _directions(one, rays), strict=True))


def _nearest(groups: _Groups, rays: _Rays) -> jax.Array:
    """What each ray meets first, as int32 keys: the depth's float bits, the last six of which are
    the primitive's index. Positive floats order as integers do, so the least key is the nearest;
    six bits of 24 leave 8 micrometres at a metre."""
    far = jax.lax.bitcast_convert_type(jnp.float32(primitives.FAR), jnp.int32) | _ID_MASK
    keys = jnp.full(jnp.broadcast_shapes(rays.u.shape, rays.v.shape), far)
    for kind, group in groups:

        def nearer(keys: jax.Array, one: _Primitives, kind=kind):
            d = _directions(one, rays)
            t = primitives.enter(kind, _parts(one.o), d, _parts(one.size))
            key = (jax.lax.bitcast_convert_type(t, jnp.int32) & ~_ID_MASK) | one.index
            return jnp.where(key < keys, key, keys), None

        keys, _ = jax.lax.scan(nearer, keys, group)
    return keys


def _shade(groups: _Groups, rays: _Rays, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cosine to the light of what each ray meets, at least 0, and its colour, packed."""
    depth, ids = _depth(keys), keys & _ID_MASK
    carry = (jnp.zeros(keys.shape), jnp.zeros(keys.shape, jnp.int32))
    for kind, group in groups:

        def look(carry, one: _Primitives, kind=kind):
            shade, colour = carry
            points, mine = _points(one, rays, depth), ids == one.index
            facing = primitives.facing(kind, points, _parts(one.size), _parts(one.light))
            own = one.colour[0]
            if kind == "plane":
                x, y = (jnp.floor(p / jnp.maximum(one.check, 1e-6)) for p in points[:2])
                odd = ((x + y).astype(jnp.int32) & 1 == 1) & (one.check > 0.0)
                own = jnp.where(odd, one.colour[1], own)
            return (jnp.where(mine, facing, shade), jnp.where(mine, own, colour)), None

        carry, _ = jax.lax.scan(look, carry, group)
    shade, colour = carry
    return jnp.where(shade > 0.0, shade, 0.0), colour


def _free(groups: _Groups, rays: _Rays, keys: jax.Array, panes: jax.Array | None) -> jax.Array:
    """1 where the light reaches what is seen, 0 in shadow, between them behind panes. Planes cast
    none."""
    depth, free = _depth(keys), jnp.ones(keys.shape)
    for kind, group in groups:

        def block(free: jax.Array, one: _Primitives, kind=kind):
            points = _points(one, rays, depth)
            t = primitives.enter(kind, points, _parts(one.light), _parts(one.size), near=_BIAS)
            return jnp.where(t < primitives.FAR, 0.0, free), None

        if kind != "plane":
            free, _ = jax.lax.scan(block, free, group)
    light = _parts(jnp.asarray(_unit(LIGHT), jnp.float32))
    for middle, half in () if panes is None else panes:
        at = tuple(
            p + depth * d for p, d in zip(_parts(rays.pos - middle), _ways(rays), strict=True)
        )
        t = primitives.enter("box", at, light, _parts(half), near=_BIAS)
        free = jnp.where(t < primitives.FAR, _PANE * free, free)
    return free


def _depth(keys: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(keys & ~_ID_MASK, jnp.float32)


def _is_sky(keys: jax.Array) -> jax.Array:
    return _depth(keys) > 0.5 * primitives.FAR


def _pack(rgb: jax.Array) -> jax.Array:
    """Colours [..., 3] as 8 bits a channel in one int32 [...], red lowest."""
    values = jnp.round(255.0 * jnp.clip(rgb, 0.0, 1.0)).astype(jnp.int32)
    return jnp.sum(values << jnp.array([0, 8, 16]), axis=-1)


def _parts(x: jax.Array) -> Vector:
    return x[0], x[1], x[2]


def _unit(x) -> np.ndarray:
    x = np.asarray(x, float)
    return x / np.linalg.norm(x)
