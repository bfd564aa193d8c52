"""Objects that slide on the table: a cube or a puck that moves in the plane and turns about the
vertical, pushed by the closed fingers.

Bullet's rules, in the plane: friction at four points below the object, contact with the fingers as
a spring with a damper, Coulomb friction there, the default damping of free bodies. An object beyond
the table's edge falls. It never tips.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from core_jax.envs.panda.motors import DAMPING, STEP, STIFFNESS, Touch

GRAVITY = 9.81
_DRAG = 0.04  # 1/s and 1/m, Bullet's damping of speeds and of their squares
_SWEEPS = 4
_MARGIN = 0.001  # m, Bullet's around the fingers
# The fingers' half widths across and along the direction in which they move, at their ends and from
# `_WIDE` above on, m: the convex hull of the original's collision mesh.
_NARROW, _WIDEST, _WIDE = np.array([0.0088, 0.0143]), np.array([0.0105, 0.0253]), 0.0346
_TABLE_Y, _TABLE_LOW = 0.35, -0.85  # m


@dataclasses.dataclass(frozen=True)
class Thing:
    """What an object is.

    Attributes:
        radius: of a disc, or half the side of a square, m.
        round: whether it is a disc.
        height: of its top above the table, m.
        rest: height of its middle above the table, m.
        mass: kg.
        inertia: about the vertical, kg m^2.
        table_friction: with the table.
        finger_friction: with the fingers.
        table_end: x of the table's far edge, m.
    """

    radius: float
    round: bool
    height: float
    rest: float
    mass: float
    inertia: float
    table_friction: float
    finger_friction: float
    table_end: float

    @property
    def supports(self) -> np.ndarray:
        """Points of contact with the table, [4, 2] m from the middle."""
        corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
        return corners * (self.radius / np.sqrt(2.0) if self.round else self.radius)


CUBE = Thing(
    radius=0.02,
    round=False,
    height=0.04,
    rest=0.02,
    mass=1.0,
    inertia=2.667e-4,
    table_friction=0.25,
    finger_friction=0.5,
    table_end=0.25,
)
PUCK = Thing(
    radius=0.03,
    round=True,
    height=0.0294,
    rest=0.0144,
    mass=1.0,
    inertia=4.5e-4,
    table_friction=0.02,
    finger_friction=0.04,
    table_end=0.6,
)


@struct.dataclass
class Body:
    """An object's motion.

    Attributes:
        place: [3] of its middle, m.
        velocity: [3] m/s.
        yaw: rad.
        spin: rad/s.
    """

    place: Array
    velocity: Array
    yaw: Array
    spin: Array


class Fingers(NamedTuple):
    """The closed fingers as the object meets them: a rectangle at the height of its top."""

    middle: Float[Array, " 2"]  # m
    axes: Float[Array, "2 2"]  # as columns
    half: Float[Array, " 2"]  # m
    velocity: Float[Array, " 2"]  # m/s
    above: Float[Array, ""]  # m, of their ends above the object's top


class _Contacts(NamedTuple):
    """Points where the fingers may touch the object."""

    arm: Float[Array, "K 2"]  # m, from the object's middle
    normal: Float[Array, "K 2"]  # out of the fingers
    depth: Float[Array, " K"]  # m


def fingers(touch: Touch, hand: Float[Array, "3 3"], top: float) -> Fingers:
    """Returns the fingers' cross-section at the height of an object's top.

    Args:
        touch: the ends of the fingers.
        hand: axes of the hand, as columns.
        top: height of the object's top, m.
    """
    tip, down = touch.position, hand[:, 2]
    height = jnp.maximum(top - tip[2], 0.0)
    # A finger that lies flat has no cross-section; what is steeper than 60 degrees is exact.
    middle = tip - down * (height / jnp.maximum(-down[2], 0.5))
    across = hand[:2, 0] * jax.lax.rsqrt(jnp.sum(hand[:2, 0] ** 2) + 1e-9)
    axes = jnp.stack([across, jnp.array([-1.0, 1.0]) * across[::-1]], axis=1)
    share = jnp.clip(height / _WIDE, 0.0, 1.0)
    half = jnp.asarray(_NARROW) + share * (_WIDEST - _NARROW) + _MARGIN
    return Fingers(middle[:2], axes, half, touch.velocity[:2], tip[2] - top)


def floor(body: Body, thing: Thing, tip: Float[Array, " 3"]) -> Float[Array, ""]:
    """Returns the height of what is below a point of the finger tips, m: the object's top where
    the tips are over it, the table, or -inf."""
    apart = _turned(tip[:2] - body.place[:2], -body.yaw)
    if thing.round:
        inside = thing.radius - jnp.linalg.norm(apart)
    else:
        inside = thing.radius - jnp.max(jnp.abs(apart))
    over = (inside > thing.height - tip[2]) & (inside > 0.0) & (body.place[2] > 0.0)
    return jnp.where(over, thing.height, table(tip, thing.table_end))


def table(point: Float[Array, " 3"], end: float) -> Float[Array, ""]:
    """Returns the height of what is below a point: 0 over the table, else -inf.

    Args:
        point: m.
        end: x of the table's far edge, m.
    """
    x, y = point[0], point[1]
    return jnp.where((jnp.abs(y) < _TABLE_Y) & (x > _TABLE_LOW) & (x < end), 0.0, -jnp.inf)


def advance(
    body: Body, thing: Thing, by: Fingers, touch: Touch, over: Array
) -> tuple[Body, Float[Array, " 2"]]:
    """Moves an object by one step of 2 ms; also returns its impulse on the fingers, N s.

    Args:
        body: its motion.
        thing: what it is.
        by: the fingers.
        touch: impulse that the finger tips press down with.
        over: whether they press on the object, not on the table.
    """
    supported = table(body.place, thing.table_end) == 0.0
    press = jnp.where(over, touch.impulse, 0.0)
    weight = jnp.where(supported, (thing.mass * GRAVITY * STEP + press) / 4.0, 0.0)
    contacts = _contacts(body, thing, by)
    arms = _turned(jnp.asarray(thing.supports, jnp.float32), body.yaw)
    motion = jnp.append(_dragged(body.velocity[:2]), body.spin * (1.0 - STEP * _DRAG))
    state = (motion, jnp.zeros(contacts.depth.shape), jnp.zeros(contacts.arm.shape[0]))
    rubs, drag = jnp.zeros((4, 2)), jnp.zeros(2)
    for _ in range(_SWEEPS):
        state = _sweep_fingers(state, contacts, thing, by)
        motion, rubs = _rub(
            state[0], rubs, arms, jnp.zeros(2), thing, thing.table_friction * weight
        )
        at = (by.middle - body.place[:2])[None]
        most = thing.finger_friction * press
        motion, drag = _rub(motion, drag.reshape(1, 2), at, by.velocity, thing, most)
        state = (motion, *state[1:])
    fall = jnp.where(supported, 0.0, body.velocity[2] - STEP * GRAVITY)
    velocity = jnp.append(motion[:2], fall)
    along = jnp.stack([-contacts.normal[:, 1], contacts.normal[:, 0]], axis=1)
    back = -jnp.sum(state[1][:, None] * contacts.normal + state[2][:, None] * along, axis=0)
    place, yaw = body.place + STEP * velocity, body.yaw + STEP * motion[2]
    return Body(place, velocity, yaw, motion[2]), back


def _contacts(body: Body, thing: Thing, by: Fingers) -> _Contacts:
    """Where fingers and object overlap; of two rectangles, corners of one in the other."""
    apart = body.place[:2] - by.middle
    if thing.round:
        depth, normal = _inside(apart[None] @ by.axes, by.half)
        normal = normal @ by.axes.T
        return _Contacts(-thing.radius * normal, normal, depth + thing.radius)
    corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]], np.float32)
    own = _turned(jnp.asarray(thing.radius * corners), body.yaw)
    depth, normal = _inside((apart + own) @ by.axes, by.half)
    theirs = (by.half * corners) @ by.axes.T
    back, out = _inside(_turned(theirs - apart, -body.yaw), jnp.full(2, thing.radius))
    return _Contacts(
        arm=jnp.concatenate([own, theirs - apart]),
        normal=jnp.concatenate([normal @ by.axes.T, -_turned(out, body.yaw)]),
        depth=jnp.concatenate([depth, back]),
    )


def _inside(points: Float[Array, "K 2"], half: Float[Array, " 2"]) -> tuple[Array, Array]:
    """How deep points are in a rectangle, m, negative outside, and the way out of it."""
    beyond = jnp.abs(points) - half
    sides = jnp.where(points < 0.0, -1.0, 1.0)
    outside = jnp.maximum(beyond, 0.0)
    distance = jnp.sqrt(jnp.sum(outside**2, axis=1) + 1e-16)
    first = beyond[:, :1] > beyond[:, 1:]
    nearest = jnp.concatenate([first, ~first], axis=1).astype(jnp.float32)
    is_out = jnp.max(beyond, axis=1) > 0.0
    normal = jnp.where(is_out[:, None], outside / distance[:, None], nearest) * sides
    return jnp.where(is_out, -distance, -jnp.max(beyond, axis=1)), normal


def _sweep_fingers(
    state: tuple[Array, Array, Array], contacts: _Contacts, thing: Thing, by: Fingers
) -> tuple[Array, Array, Array]:
    """One pass over the contacts with the fingers, all at once; each has a share of the mass."""
    motion, push, rub = state
    share = STEP * STIFFNESS / (STEP * STIFFNESS + DAMPING)
    softness = 1.0 / (STEP * (STEP * STIFFNESS + DAMPING))
    # From above the fingers press on the object's top instead.
    touching = (contacts.depth > 0.0) & (-by.above > contacts.depth)
    count = jnp.maximum(jnp.sum(touching), 1)
    along = jnp.stack([-contacts.normal[:, 1], contacts.normal[:, 0]], axis=1)

    def against(direction: Array) -> tuple[Array, Array, Array]:
        lever = _cross(contacts.arm, direction)
        relative = (motion[:2] - by.velocity)[None] * direction
        speed = jnp.sum(relative, axis=1) + motion[2] * lever
        return lever, speed, 1.0 / thing.mass + lever**2 / thing.inertia

    lever, speed, inverse = against(contacts.normal)
    wanted = share * contacts.depth / STEP
    step = (wanted - speed - softness * push) / (count * inverse + softness)
    new = jnp.where(touching, jnp.maximum(push + step, 0.0), 0.0)
    motion = _moved(motion, (new - push)[:, None] * contacts.normal, contacts.arm, thing)
    lever, speed, inverse = against(along)
    most = thing.finger_friction * new
    held = jnp.clip(rub - speed / (count * inverse), -most, most)
    motion = _moved(motion, (held - rub)[:, None] * along, contacts.arm, thing)
    return motion, new, held


def _rub(
    motion: Array, before: Array, arms: Array, velocity: Array, thing: Thing, most: Array
) -> tuple[Array, Array]:
    """One pass over the friction at some points, all at once."""
    count = arms.shape[0]
    slip = motion[:2] + motion[2] * jnp.stack([-arms[:, 1], arms[:, 0]], axis=1) - velocity
    inverse = 1.0 / thing.mass + jnp.sum(arms**2, axis=1, keepdims=True) / thing.inertia
    new = before - slip / (count * inverse)
    size = jnp.sqrt(jnp.sum(new**2, axis=1, keepdims=True) + 1e-20)
    new = new * jnp.minimum(1.0, most / size)
    return _moved(motion, new - before, arms, thing), new


def _moved(motion: Array, impulses: Array, arms: Array, thing: Thing) -> Array:
    """Speeds [3] after impulses [K, 2] at some points [K, 2]."""
    turn = jnp.sum(_cross(arms, impulses)) / thing.inertia
    return motion + jnp.append(jnp.sum(impulses, axis=0) / thing.mass, turn)


def _dragged(speed: Float[Array, " n"]) -> Float[Array, " n"]:
    size = jnp.sqrt(jnp.sum(speed**2) + 1e-16)
    return speed * (1.0 - STEP * _DRAG * (1.0 + size))


def _cross(a: Float[Array, "K 2"], b: Float[Array, "K 2"]) -> Float[Array, " K"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _turned(points: Float[Array, "... 2"], angle: Array) -> Float[Array, "... 2"]:
    """Points turned about the origin."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return jnp.stack([c * x - s * y, s * x + c * y], axis=-1)
