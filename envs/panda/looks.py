"""What a picture of panda-gym's tasks shows: table, arm, object, and the goal in yellow.

The original draws the goal in the object's colour, see-through. VLM-CaR's programs look for a
yellow one, so it is yellow here, flat where an object will cover it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs import rendering
from core_jax.envs.panda import arm
from core_jax.envs.panda.planar import Thing

Row = tuple[str, Any, Any, Any, tuple[float, float, float]]
GREEN, YELLOW = (0.1, 0.9, 0.1), (0.95, 0.85, 0.1)
_FLOOR, _TABLE = (0.15, 0.15, 0.15), (0.95, 0.95, 0.95)
_WHITE, _DARK = (0.80, 0.82, 0.86), (0.25, 0.25, 0.27)
_GROUND = -0.4  # m
_TABLE_LOW, _TABLE_END = -0.85, 0.25  # m, along x; the puck's table is longer
_TUBE = 0.055  # m, the radius of the arm


def scene(snapshot: jax.Array, thing: Thing | None, robot: bool) -> rendering.Scene:
    """Returns the scene of a snapshot.

    Args:
        snapshot: joint angles, the object's place and yaw if there is one, the goal.
        thing: the object.
        robot: whether the arm is shown.
    """
    end = _TABLE_END if thing is None else thing.table_end
    middle = np.array([0.5 * (_TABLE_LOW + end), 0.0, 0.5 * _GROUND])
    half = np.array([0.5 * (end - _TABLE_LOW), 0.35, -0.5 * _GROUND])
    rows: list[Row] = [
        ("plane", np.array([0.0, 0.0, _GROUND]), np.eye(3), np.zeros(3), _FLOOR),
        ("box", middle, np.eye(3), half, _TABLE),
    ]
    goal = snapshot[-3:]
    if thing is None:
        rows.append(("sphere", goal, np.eye(3), np.array([0.02, 0.0, 0.0]), YELLOW))
    else:
        rows += _thing_rows(thing, snapshot[7:10], snapshot[10], goal)
    if robot:
        rows += _arm_rows(arm.pose(snapshot[: arm.JOINTS]))
    return _scene(rows)


def _thing_rows(thing: Thing, place: jax.Array, yaw: jax.Array, goal: jax.Array) -> list[Row]:
    """The object, and its outline on the table at the goal."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    turn = jnp.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    kind, r, thin = "cylinder" if thing.round else "box", thing.radius, 0.001
    size = lambda half: np.array([r, half, 0.0] if thing.round else [r, r, half])
    flat = goal.at[2].set(thin)
    top = 0.5 * thing.height
    return [
        (kind, flat, np.eye(3), size(thin), YELLOW),
        (kind, place.at[2].set(place[2] - thing.rest + top), turn, size(top), GREEN),
    ]


def _arm_rows(at: arm.Pose) -> list[Row]:
    """Tubes from joint to joint, the hand and its closed fingers."""
    base = jnp.asarray(arm.BASE, jnp.float32)
    along = at.hand[:, 2]
    flange = at.end - (0.105 + 0.03) * along
    elbow = at.points[3]
    stops = [base, at.points[0], at.points[2], elbow, at.points[4], at.points[5], at.points[6]]
    rows = [_tube(a, b, _TUBE, _WHITE) for a, b in zip(stops, stops[1:], strict=False)]
    rows.append(_tube(at.points[6], flange, 0.045, _WHITE))
    palm = at.end - 0.075 * along
    rows.append(("box", palm, at.hand, np.array([0.03, 0.10, 0.033]), _WHITE))
    finger = at.end - 0.0205 * along
    rows.append(("box", finger, at.hand, np.array([0.0095, 0.018, 0.0275]), _DARK))
    return rows


def _tube(a: jax.Array, b: jax.Array, radius: float, rgb: tuple[float, float, float]) -> Row:
    d = b - a
    length = jnp.sqrt(jnp.sum(d * d) + 1e-12)
    z = jnp.where(length > 1e-4, d / length, jnp.array([0.0, 0.0, 1.0]))
    other = jnp.where(jnp.abs(z[2]) < 0.9, jnp.array([0.0, 0.0, 1.0]), jnp.array([1.0, 0.0, 0.0]))
    x = jnp.cross(other, z)
    x = x / jnp.sqrt(jnp.sum(x * x))
    size = jnp.stack([jnp.float32(radius), 0.5 * length, jnp.float32(0.0)])
    return "capsule", 0.5 * (a + b), jnp.stack([x, jnp.cross(z, x), z], axis=1), size, rgb


def _scene(rows: list[Row]) -> rendering.Scene:
    stack = lambda i: jnp.stack([jnp.asarray(row[i], jnp.float32) for row in rows])
    return rendering.Scene(
        pos=stack(1),
        mat=stack(2),
        size=stack(3),
        rgb=stack(4),
        second=stack(4),
        kinds=tuple(row[0] for row in rows),
        checks=(0.0,) * len(rows),
    )
