"""Rays against convex primitives: two formulas per kind, on plain arrays.

Sizes and local frames are MuJoCo's (a capsule and a cylinder lie along z, a plane faces +z). Rays
start at `o` and go along `d`, three components each, in the primitive's own frame; `d` need not be
of unit length, and either of them may be the same for all rays: what is constant is then computed
once. Formulas: Shirley & Marschner, Fundamentals of Computer Graphics, chapter 4 (sphere, slabs);
a capsule is its body and the cap that is nearer.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Vector = tuple[jax.Array, jax.Array, jax.Array]

FAR = 1e6  # m; where a ray that hits nothing ends
_TINY = 1e-9


def enter(kind: str, o: Vector, d: Vector, size: Vector, near: float = 0.0) -> jax.Array:
    """Returns the ray parameters at which rays enter a primitive, `FAR` where they miss it.

    Args:
        kind: one of `KINDS`.
        o, d: origin and direction of the rays in the primitive's frame, m.
        size: half sizes, or radius and half length, m.
        near: entries at or before this parameter do not count.
    """
    t = _ENTER[kind](o, d, size)
    return jnp.where(t > near, t, FAR)


def facing(kind: str, p: Vector, size: Vector, light: Vector) -> jax.Array:
    """Returns the cosine between a primitive's outward normal at `p`, a point of its surface in
    its own frame, and `light`, a unit vector."""
    return _FACING[kind](p, size, light)


def _enter_plane(o: Vector, d: Vector, size: Vector) -> jax.Array:
    t = -o[2] / _nonzero(d[2])
    # A size of 0 is no bound.
    inside = _within(o[0] + t * d[0], size[0]) & _within(o[1] + t * d[1], size[1])
    return jnp.where(inside & (d[2] < 0.0), t, FAR)


def _face_plane(p: Vector, size: Vector, light: Vector) -> jax.Array:
    return jnp.broadcast_to(light[2], jnp.shape(p[0]))


def _enter_box(o: Vector, d: Vector, size: Vector) -> jax.Array:
    inverse = [1.0 / _nonzero(x) for x in d]
    middle = [-x * i for x, i in zip(o, inverse, strict=True)]
    half = [s * jnp.abs(i) for s, i in zip(size, inverse, strict=True)]
    first, second, third = (m - h for m, h in zip(middle, half, strict=True))
    t = _max(_max(first, second), third)
    first, second, third = (m + h for m, h in zip(middle, half, strict=True))
    return jnp.where(t < _min(_min(first, second), third), t, FAR)


def _face_box(p: Vector, size: Vector, light: Vector) -> jax.Array:
    # Of which face the point is the least inside.
    x, y, z = (jnp.abs(a) - s for a, s in zip(p, size, strict=True))
    along = [jnp.where(a > 0.0, n, -n) for a, n in zip(p, light, strict=True)]
    return jnp.where((x > y) & (x > z), along[0], jnp.where(y > z, along[1], along[2]))


def _enter_sphere(o: Vector, d: Vector, size: Vector | tuple[float, float, float]) -> jax.Array:
    a, b, c = _dot(d, d), _dot(o, d), _dot(o, o) - size[0] * size[0]
    inside = b * b - a * c
    return jnp.where(inside > 0.0, (-b - _root(inside)) / a, FAR)


def _face_sphere(p: Vector, size: Vector, light: Vector) -> jax.Array:
    return _dot(p, light) / size[0]


def _enter_ellipsoid(o: Vector, d: Vector, size: Vector) -> jax.Array:
    scale = 1.0 / size[0], 1.0 / size[1], 1.0 / size[2]
    return _enter_sphere(_times(o, scale), _times(d, scale), (1.0, 1.0, 1.0))


def _face_ellipsoid(p: Vector, size: Vector, light: Vector) -> jax.Array:
    along = lambda k: p[k] / (size[k] * size[k])
    normal = along(0), along(1), along(2)
    return _dot(normal, light) / _root(_dot(normal, normal))


def _enter_cylinder(o: Vector, d: Vector, size: Vector) -> jax.Array:
    a = d[0] * d[0] + d[1] * d[1] + _TINY
    b = o[0] * d[0] + o[1] * d[1]
    c = o[0] * o[0] + o[1] * o[1] - size[0] * size[0]
    inside = b * b - a * c
    root = _root(inside)
    inverse = 1.0 / _nonzero(d[2])
    middle, half = -o[2] * inverse, size[1] * jnp.abs(inverse)
    t, out = _max((-b - root) / a, middle - half), _min((-b + root) / a, middle + half)
    return jnp.where((inside > 0.0) & (t < out), t, FAR)


def _face_cylinder(p: Vector, size: Vector, light: Vector) -> jax.Array:
    beside = p[0] * p[0] + p[1] * p[1] - size[0] * size[0]  # m^2; about twice radius times depth
    on_side = beside > 2.0 * size[0] * (jnp.abs(p[2]) - size[1])
    side = (p[0] * light[0] + p[1] * light[1]) / size[0]
    return jnp.where(on_side, side, jnp.where(p[2] > 0.0, light[2], -light[2]))


def _enter_capsule(o: Vector, d: Vector, size: Vector) -> jax.Array:
    # The infinite cylinder decides whether the body is hit, or which cap to test.
    across = d[0] * d[0] + d[1] * d[1] + _TINY
    b = o[0] * d[0] + o[1] * d[1]
    c = o[0] * o[0] + o[1] * o[1] - size[0] * size[0]
    by_axis = b * b - across * c
    body = (-b - _root(by_axis)) / across
    z = o[2] + body * d[2]
    is_body = jnp.abs(z) < size[1]
    oz = o[2] - jnp.where(z > 0.0, size[1], -size[1])
    a, b, c = across + d[2] * d[2], b + oz * d[2], c + oz * oz
    inside = b * b - a * c
    t = jnp.where(is_body, body, (-b - _root(inside)) / a)
    return jnp.where((by_axis > 0.0) & (is_body | (inside > 0.0)), t, FAR)


def _face_capsule(p: Vector, size: Vector, light: Vector) -> jax.Array:
    z = p[2] - _min(_max(p[2], -size[1]), size[1])
    return (p[0] * light[0] + p[1] * light[1] + z * light[2]) / size[0]


_ENTER: dict[str, Callable[..., jax.Array]] = {
    "plane": _enter_plane,
    "box": _enter_box,
    "sphere": _enter_sphere,
    "capsule": _enter_capsule,
    "cylinder": _enter_cylinder,
    "ellipsoid": _enter_ellipsoid,
}
_FACING: dict[str, Callable[..., jax.Array]] = {
    "plane": _face_plane,
    "box": _face_box,
    "sphere": _face_sphere,
    "capsule": _face_capsule,
    "cylinder": _face_cylinder,
    "ellipsoid": _face_ellipsoid,
}
KINDS = tuple(_ENTER)


def _dot(a: Vector, b: Vector) -> jax.Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _times(a: Vector, b: Vector) -> Vector:
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


def _within(x: jax.Array, half: jax.Array) -> jax.Array:
    return (jnp.abs(x) <= half) | (half <= 0.0)


def _nonzero(x: jax.Array) -> jax.Array:
    return jnp.where(jnp.abs(x) < _TINY, _TINY, x)


def _root(x: jax.Array) -> jax.Array:
    return jnp.sqrt(_max(x, 0.0))


# A compare and a select become one instruction; jnp.minimum's care for NaN takes four.
def _min(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a < b, a, b)


def _max(a: jax.Array, b: jax.Array | float) -> jax.Array:
    return jnp.where(a > b, a, b)
