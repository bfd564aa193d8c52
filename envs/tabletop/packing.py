"""CLIPort's packing-box-pairs: put all blocks of two colours into a box that they fill.

The box is cut into blocks by cutting its longest side at random; the blocks are then laid out on
the table with others of other colours.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.tabletop import base
from core_jax.envs.tabletop.base import Command, Row, TableEnv
from core_jax.envs.tabletop.colours import COLOURS

PIECES, DISTRACTORS = 4, 4
COUNT = PIECES + DISTRACTORS
LEAST, MOST = 0.05, 0.2  # m, sides of a piece at least, of the box at most
HEIGHT = 0.05  # m, of pieces and box
_WALL = 0.002  # m
_GRID = np.stack(np.meshgrid(*[(np.arange(5) - 2.0) / 2.5] * 2, indexing="ij"), -1).reshape(-1, 2)
_OTHERS = tuple(COLOURS[c] for c in ("blue", "yellow", "gray", "green"))
_PAIR = tuple(COLOURS[c] for c in ("cyan", "red"))


@struct.dataclass
class Table:
    """Attributes, m and rad:

    box: [4] middle and half sides of the box, along the table's axes.
    places: [8, 2] of the pieces, then of the other blocks.
    yaws: [8].
    halves: [8, 2] half sides; 0 where a piece is not there.
    goals: [4, 2] where the pieces fit, from the box's middle.
    above: [8] 1 where a block lies on another.
    """

    box: jax.Array
    places: jax.Array
    yaws: jax.Array
    halves: jax.Array
    goals: jax.Array
    above: jax.Array


class PackingBoxPairs(TableEnv):
    """Pack the cyan and red blocks into the brown box."""

    NAME = "packing-box-pairs"

    def lay(self, key: jax.Array) -> Table:
        """A box, two to four pieces that fill it, four other blocks."""
        size_key, cut_key, place_key, yaw_key, other_key = jax.random.split(key, 5)
        low = np.array([2.0 * LEAST + 0.01, LEAST])
        half = 0.5 * jax.random.uniform(size_key, (2,), minval=low, maxval=MOST)
        goals, pieces = _cut(cut_key, half)
        others = 0.5 * jax.random.uniform(other_key, (DISTRACTORS, 2), minval=LEAST, maxval=0.08)
        halves = jnp.concatenate([pieces, others])
        radii = jnp.linalg.norm(halves, axis=1)
        box_radius = jnp.linalg.norm(half)[None]
        places = base.scatter(
            place_key, jnp.concatenate([box_radius, radii]), jnp.zeros((0, 2)), jnp.zeros(0)
        )
        yaws = jax.random.uniform(yaw_key, (COUNT,), maxval=2.0 * jnp.pi)
        box = jnp.concatenate([places[0], half])
        return Table(box, places[1:], yaws, halves, goals, jnp.zeros(COUNT))

    def act(self, table: Table, command: Command) -> Table:
        """Takes the uppermost block that the pick is on, if it is on one, and lays it down."""
        inside = jnp.abs(base.rotated(command.start - table.places, -table.yaws)) <= table.halves
        on = jnp.all(inside & (table.halves > 0.0), axis=1)
        taken = jnp.argmax(jnp.where(on, 1.0 + table.above, 0.0))
        held = on[taken]
        places = table.places.at[taken].set(command.end)
        yaws = table.yaws.at[taken].add(command.turn)
        # What overlaps another block by more than a centimetre lies on it.
        overlap = _overlaps(places, yaws, table.halves, taken)
        above = table.above.at[taken].set(overlap.astype(jnp.float32))
        moved = dataclasses.replace(table, places=places, yaws=yaws, above=above)
        return jax.tree.map(lambda new, old: jnp.where(held, new, old), moved, table)

    def observe(self, table: Table) -> jax.Array:
        """Returns the box [4], of each block place, angle, half sides and whether it lies on
        another [8 x 6], and where the pieces fit [8]."""
        rows = [table.places, table.yaws[:, None], table.halves, table.above[:, None]]
        blocks = jnp.concatenate(rows, axis=1)
        return jnp.concatenate([table.box, blocks.ravel(), table.goals.ravel()])

    def measure(self, table: Table) -> jax.Array:
        """Returns the share of the pieces' volume that is in the box and not on another block."""
        halves, places = table.halves[:PIECES], table.places[:PIECES]
        points = base.rotated(halves[:, None] * _GRID, table.yaws[:PIECES, None])
        apart = places[:, None] + points - table.box[:2]
        inside = jnp.mean(jnp.all(jnp.abs(apart) < table.box[2:] + _WALL, axis=-1), axis=1)
        volume = halves[:, 0] * halves[:, 1]
        counted = volume * inside * (1.0 - table.above[:PIECES])
        return jnp.sum(counted) / jnp.sum(volume)

    def snapshot(self, pipeline_state: Table) -> jax.Array:
        """Returns the observation [60]."""
        return self.observe(pipeline_state)

    def rows(self, snapshot: jax.Array) -> list[Row]:
        """A brown box of four walls and a floor; blocks in their colours."""
        box, blocks = snapshot[:4], snapshot[4 : 4 + 6 * COUNT].reshape(COUNT, 6)
        brown, half = COLOURS["brown"], 0.5 * HEIGHT
        walls: list[Row] = []
        for axis in (0, 1):
            for side in (-1.0, 1.0):
                at = box[:2].at[axis].add(side * (box[2 + axis] + 2.0 * _WALL))
                size = (box[2:] + 3.0 * _WALL).at[axis].set(_WALL)
                walls.append(
                    ("box", jnp.append(at, half), np.eye(3), jnp.append(size, half), brown)
                )
        floor = ("box", jnp.append(box[:2], 0.0005), np.eye(3), jnp.append(box[2:], 0.0005), brown)
        rows = [*walls, floor]
        for i in range(COUNT):
            rgb = _PAIR[i % 2] if i < PIECES else _OTHERS[i - PIECES]
            x, y, yaw, a, b, above = blocks[i]
            z = jnp.where(a > 0.0, 0.003 + half + above * HEIGHT, -1.0)
            size = jnp.stack(
                [jnp.maximum(a, 1e-3), jnp.maximum(b, 1e-3), jnp.float32(half - 0.002)]
            )
            rows.append(("box", jnp.stack([x, y, z]), base.turned(yaw), size, rgb))
        return rows


def expert(obs: jax.Array) -> jax.Array:
    """Takes the largest piece that is not where it fits, and lays it there, [60] to [5]."""
    box, blocks = obs[:4], obs[4 : 4 + 6 * COUNT].reshape(COUNT, 6)[:PIECES]
    goals = box[:2] + obs[4 + 6 * COUNT :].reshape(PIECES, 2)
    places, yaws, halves, above = blocks[:, :2], blocks[:, 2], blocks[:, 3:5], blocks[:, 5]
    off = jnp.linalg.norm(places - goals, axis=1) + jnp.abs(jnp.sin(yaws)) + above
    size = halves[:, 0] * halves[:, 1]
    piece = jnp.argmax(jnp.where((off > 1e-3) & (size > 0.0), size, 0.0))
    return base.action_of(places[piece], goals[piece], -yaws[piece])


def _cut(key: jax.Array, half: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Middles and half sides [4, 2] of pieces of a rectangle, which is cut in two and each part
    again where it is long enough."""

    def halved(key: jax.Array, at: jax.Array, half: jax.Array) -> tuple[jax.Array, ...]:
        axis = jnp.argmax(half)
        side = 2.0 * half[axis]
        splits = side >= 2.0 * LEAST
        first = jax.random.uniform(key, (), minval=LEAST, maxval=jnp.maximum(side - LEAST, LEAST))
        first = jnp.where(splits, 0.5 * first, half[axis])
        second = half[axis] - first
        a = half.at[axis].set(first)
        b = jnp.where(splits, half.at[axis].set(second), 0.0)
        return at.at[axis].add(-second), a, at.at[axis].add(jnp.where(splits, first, 0.0)), b

    keys = jax.random.split(key, 3)
    at_a, a, at_b, b = halved(keys[0], jnp.zeros(2), half)
    parts = [*halved(keys[1], at_a, a), *halved(keys[2], at_b, b)]
    return jnp.stack(parts[0::2]), jnp.stack(parts[1::2])


def _overlaps(places: jax.Array, yaws: jax.Array, halves: jax.Array, which: jax.Array) -> jax.Array:
    """Whether points of a block, a centimetre off its edge, are in another."""
    inner = jnp.maximum(halves[which] - 0.01, 0.0)
    points = places[which] + base.rotated(inner * _GRID * 1.25, yaws[which])
    apart = base.rotated(points[None] - places[:, None], -yaws[:, None])
    inside = jnp.all(jnp.abs(apart) < halves[:, None], axis=-1)
    return jnp.any(inside & (jnp.arange(COUNT) != which)[:, None])
