"""`render` and `layers`: the picture of a scene, and its depth and object ids."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from core_jax.envs.camera import Camera
from core_jax.envs.rendering import primitives, rasterising, raycast
from core_jax.envs.rendering.rasterising import Balls, Pixels, Raster, Sheet
from core_jax.envs.rendering.raycast import Rays
from core_jax.envs.rendering.scene import AMBIENT, GLASS, LIGHT, SKY, Scene


class Layers(NamedTuple):
    """What one ray through the middle of each pixel sees, `[H, W]`.

    Attributes:
        depth: distance along the camera's axis, m; `primitives.FAR` for the sky.
        ids: index of the primitive, -1 for the sky.
    """

    depth: Float[Array, "H W"]
    ids: Int[Array, "H W"]


def render(
    scene: Scene,
    camera: Camera,
    height: int,
    width: int,
    samples: int = 2,
    shadows: bool = True,
    shift: Float[Array, " 2"] | None = None,
) -> UInt8[Array, "height width 3"]:
    """Returns a picture.

    Args:
        scene: one scene; vmap for many.
        camera: the viewpoint.
        height, width: of the picture, pixels.
        samples: rays per pixel along each side.
        shadows: whether primitives cast shadows on each other.
        shift: pixels by which the camera's picture moves to the right and up.
    """
    rays = raycast.cast(camera, height, width, samples)
    if shift is not None:
        pixel = 2.0 * np.tan(np.radians(camera.fovy) / 2) / height
        rays = rays._replace(u=rays.u + pixel * shift[0], v=rays.v + pixel * shift[1])
    groups = raycast.group_by_kind(scene, rays)
    keys = raycast.nearest(groups, rays)
    shade, colour = raycast.shade(groups, rays, keys)
    if shadows:  # one ray a pixel: the edges of shadows need less smoothing than those of objects
        one = rays._replace(u=rays.u[:1], v=rays.v[:1])
        shade = shade * raycast.visibility(groups, one, keys[:1], scene.glass)
    brightness = AMBIENT + (1.0 - AMBIENT) * shade
    rasters = [_rasterise(thing, rays) for thing in scene.rasterised]
    channels = []
    for i, sky in enumerate(SKY):
        own = ((colour >> (8 * i)) & 255).astype(jnp.float32) * brightness
        seen, depth = jnp.where(raycast.is_sky(keys), 255.0 * sky, own), raycast.depth_of(keys)
        for raster in rasters:
            own = 255.0 * raster.rgb[..., i] * (AMBIENT + (1.0 - AMBIENT) * raster.shade)
            seen = jnp.where(raster.depth < depth, own, seen)
            depth = jnp.minimum(depth, raster.depth)
        if scene.glass is not None:
            clear = raycast.transmittance(scene.glass, rays, depth)
            seen = clear * seen + (1.0 - clear) * 255.0 * GLASS[i]
        channels.append(jnp.round(sum(seen[k] for k in range(samples**2)) / samples**2))
    return jnp.stack(channels, axis=-1).astype(jnp.uint8)


def layers(scene: Scene, camera: Camera, height: int, width: int) -> Layers:
    """Returns depth and object ids of a picture; see `Layers`."""
    rays = raycast.cast(camera, height, width, 1)
    keys = raycast.nearest(raycast.group_by_kind(scene, rays), rays)[0]
    sky = raycast.is_sky(keys)
    return Layers(
        depth=jnp.where(sky, primitives.FAR, raycast.depth_of(keys)),
        ids=jnp.where(sky, -1, keys & raycast.ID_MASK),
    )


def _rasterise(thing: Sheet | Balls, rays: Rays) -> Raster:
    """Rasterises one object at every sample of every pixel, [K, H, W]."""
    forward, right, up = rays.axes
    to_camera, light = (
        jnp.stack([right, up, forward]),
        jnp.asarray(raycast.unit(LIGHT), jnp.float32),
    )
    thing = jax.tree.map(lambda p: p - rays.pos.reshape(3, *[1] * (p.ndim - 1)), thing)
    height, width = rays.v.shape[1], rays.u.shape[-1]
    rasters = [
        rasterising.rasterise(thing, Pixels(u, v, rays.pitch, height, width), to_camera, light)
        for u, v in zip(rays.u[:, 0, 0], rays.v[:, 0, 0], strict=True)
    ]
    return jax.tree.map(lambda *x: jnp.stack(x), *rasters)
