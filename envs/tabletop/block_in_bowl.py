"""CLIPort's put-block-in-bowl, with red blocks and green bowls: the pair that VLM-CaR's program
looks for."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.tabletop import base
from core_jax.envs.tabletop.base import Command, Row, TableEnv
from core_jax.envs.tabletop.colours import COLOURS

PAIRS = 3  # bowls and blocks at most
DISTRACTORS = 6  # the first half blocks, the others bowls
BLOCK, BOWL = 0.02, 0.06  # m, half a block's side and a bowl's radius
MATCH = 0.05  # m, a block this near to a bowl's middle is in it
_FLOOR = 0.02  # m, how far from a bowl's middle a block in it comes to rest
_DISTANT = tuple(COLOURS[c] for c in ("blue", "yellow", "brown", "gray", "cyan", "orange"))


@struct.dataclass
class Table:
    """Blocks and bowls; those that are not there lie far away.

    Attributes:
        blocks: [6, 2] the red ones, then distractors, m.
        yaws: [6] of the blocks, rad.
        bowls: [6, 2] the green ones, then distractors, m.
        count: how many bowls are green.
        wanted: how many blocks are red.
    """

    blocks: jax.Array
    yaws: jax.Array
    bowls: jax.Array
    count: jax.Array
    wanted: jax.Array


class BlockInBowl(TableEnv):
    """Put each red block in a green bowl of its own. A snapshot is the observation."""

    NAME = "block-in-bowl"

    def lay(self, key: jax.Array) -> Table:
        """One to three green bowls and at most as many red blocks; six other things."""
        count_key, wanted_key, place_key, yaw_key = jax.random.split(key, 4)
        count = jax.random.randint(count_key, (), 1, PAIRS + 1)
        wanted = jax.random.randint(wanted_key, (), 1, count + 1)
        radii = np.repeat([BOWL, np.sqrt(2.0) * BLOCK], 2 * PAIRS).astype(np.float32)
        none, empty = jnp.zeros((0, 2)), jnp.zeros(0)
        places = base.scatter(place_key, jnp.asarray(radii), none, empty)
        here = lambda n: jnp.arange(2 * PAIRS)[:, None] < n
        is_extra = jnp.arange(2 * PAIRS)[:, None] >= PAIRS
        bowls = jnp.where(here(count) | is_extra, places[: 2 * PAIRS], FAR)
        blocks = jnp.where(here(wanted) | is_extra, places[2 * PAIRS :], FAR)
        yaws = jax.random.uniform(yaw_key, (2 * PAIRS,), maxval=jnp.pi / 2)
        return Table(blocks, yaws, bowls, count, wanted)

    def act(self, table: Table, command: Command) -> Table:
        """Takes the block that the pick is on, if it is on one, and lets it down."""
        near = jnp.max(jnp.abs(base.rotated(command.start - table.blocks, -table.yaws)), axis=1)
        taken = jnp.argmin(near)
        held = near[taken] <= BLOCK
        at = self._settled(table, taken, command.end)
        blocks = table.blocks.at[taken].set(jnp.where(held, at, table.blocks[taken]))
        yaw = table.yaws[taken] + jnp.where(held, command.turn, 0.0)
        return dataclasses.replace(table, blocks=blocks, yaws=table.yaws.at[taken].set(yaw))

    def observe(self, table: Table) -> jax.Array:
        """Returns places and angles of blocks, places of bowls [30]; what is not there is 0."""
        seen = lambda x: jnp.where(x >= FAR, 0.0, x)
        blocks = jnp.concatenate([seen(table.blocks), table.yaws[:, None]], axis=1)
        return jnp.concatenate([blocks.ravel(), seen(table.bowls).ravel()])

    def measure(self, table: Table) -> jax.Array:
        """Returns the share of the red blocks that are in a green bowl without another."""
        apart = jnp.linalg.norm(table.blocks[:PAIRS, None] - table.bowls[None, :PAIRS], axis=-1)
        filled = jnp.any((apart < MATCH) & (table.blocks[:PAIRS, None, 0] < FAR), axis=0)
        return jnp.sum(filled) / table.wanted

    def snapshot(self, pipeline_state: Table) -> jax.Array:
        """Returns the observation [30]."""
        return self.observe(pipeline_state)

    def rows(self, snapshot: jax.Array) -> list[Row]:
        """Bowls as wide discs with a darker middle, blocks as cubes."""
        blocks, bowls = snapshot[:18].reshape(6, 3), snapshot[18:].reshape(6, 2)
        rows: list[Row] = []
        # What is not there is at (0, 0), far from the workspace; it goes below the table.
        high = lambda place, z: jnp.append(place, jnp.where(jnp.any(place != 0.0), z, -1.0))
        for i in range(6):
            rgb = COLOURS["green"] if i < PAIRS else _DISTANT[i - PAIRS]
            dark = (0.8 * rgb[0], 0.8 * rgb[1], 0.8 * rgb[2])
            size, inner = np.array([BOWL, 0.012, 0.0]), np.array([0.75 * BOWL, 0.0125, 0.0])
            rows.append(("cylinder", high(bowls[i], 0.012), np.eye(3), size, rgb))
            rows.append(("cylinder", high(bowls[i], 0.0125), np.eye(3), inner, dark))
            rgb = COLOURS["red"] if i < PAIRS else _DISTANT[i]
            place = high(blocks[i, :2], BLOCK + 0.001)
            rows.append(("box", place, base.turned(blocks[i, 2]), np.full(3, BLOCK), rgb))
        return rows

    def _settled(self, table: Table, taken: jax.Array, end: jax.Array) -> jax.Array:
        """Where a block comes to rest: in a bowl it slides to its floor, beside another block it
        is pushed aside."""
        to_bowls = end - table.bowls
        apart = jnp.linalg.norm(to_bowls, axis=1)
        bowl = jnp.argmin(apart)
        share = jnp.minimum(1.0, _FLOOR / jnp.maximum(apart[bowl], 1e-6))
        inside = table.bowls[bowl] + share * to_bowls[bowl]
        others = jnp.where(jnp.arange(2 * PAIRS)[:, None] == taken, FAR, table.blocks)
        away = end - others
        gap = jnp.linalg.norm(away, axis=1)
        nearest = jnp.argmin(gap)
        way = jnp.where(gap[nearest] > 1e-4, away[nearest] / jnp.maximum(gap[nearest], 1e-4), _EAST)
        beside = others[nearest] + 2.0 * BLOCK * way
        on_table = jnp.where(gap[nearest] < 2.0 * BLOCK, beside, end)
        return jnp.where(apart[bowl] < BOWL, inside, on_table)


FAR = 9.0  # m
_EAST = np.array([1.0, 0.0])


def expert(obs: jax.Array) -> jax.Array:
    """Takes the red block that is farthest from the green bowls and not in one, and puts it in its
    nearest empty green bowl, [30] to [5]."""
    blocks, bowls = obs[:18].reshape(6, 3)[:PAIRS, :2], obs[18:].reshape(6, 2)[:PAIRS]
    is_block, is_bowl = (jnp.any(x != 0.0, axis=1) for x in (blocks, bowls))
    apart = jnp.linalg.norm(blocks[:, None] - bowls[None], axis=-1)
    apart = jnp.where(is_block[:, None] & is_bowl[None], apart, FAR)
    # The first block in a bowl keeps it.
    inside = apart < MATCH
    first = inside & (jnp.cumsum(inside, axis=0) == 1)
    free = is_bowl & ~jnp.any(inside, axis=0)
    distance = jnp.where(free[None], apart, FAR)
    nearest = jnp.min(distance, axis=1)
    left = is_block & ~jnp.any(first, axis=1)
    block = jnp.argmax(jnp.where(left, jnp.where(nearest < FAR, nearest, -1.0), -2.0))
    return base.action_of(blocks[block], bowls[jnp.argmin(distance[block])], jnp.zeros(()))
