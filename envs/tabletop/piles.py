"""CLIPort's separating-piles: push fifty small cubes into one of two squares.

Cubes are discs. A push sweeps a straight blade over the table, which carries what is before it;
then discs that overlap push each other apart.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.tabletop import base
from core_jax.envs.tabletop.base import MIDDLE, REACH, Command, Row, TableEnv
from core_jax.envs.tabletop.colours import COLOURS

COUNT, RADIUS = 50, 0.005  # m
ZONE = 0.075  # m, half a square's side
BLADE = 0.035  # m, half the blade's width; an assumption, as CLIPort's spatula was not measured
_BEFORE, _SHORT = 0.02, 0.05  # m, a push begins before its start and stops short of its end
_SWEEP = 24  # steps of a push
_APART = 6  # passes that push discs apart, after each of them


@struct.dataclass
class Table:
    """Attributes: discs [50, 2] m; zones [2, 2] m, the first is the one to fill."""

    discs: jax.Array
    zones: jax.Array


class SeparatingPiles(TableEnv):
    """Push the pile into the yellow square. A snapshot is the observation."""

    NAME = "separating-piles"

    def lay(self, key: jax.Array) -> Table:
        """A pile of 20 x 20 cm in the middle; two squares off it, at least 0.2 m apart."""
        pile_key, zone_key = jax.random.split(key)
        at = jax.random.uniform(pile_key, (COUNT, 2), minval=-0.1, maxval=0.1) + MIDDLE
        discs = jax.lax.fori_loop(0, 4 * _APART, lambda _, x: _pushed_apart(x), at)
        radii = jnp.full(2, np.sqrt(2.0) * ZONE)
        pile, pile_radius = jnp.asarray(MIDDLE, jnp.float32)[None], jnp.full(1, 0.12)
        return Table(discs, base.scatter(zone_key, radii, pile, pile_radius))

    def act(self, table: Table, command: Command) -> Table:
        """Pushes along the line from start to end; a push of no length does nothing."""
        line = command.end - command.start
        length = jnp.linalg.norm(line)
        way = jnp.where(length > 1e-4, line / jnp.maximum(length, 1e-4), np.array([1.0, 0.0]))
        side = jnp.stack([-way[1], way[0]])
        travel = jnp.maximum(length + _BEFORE - _SHORT, 0.0)

        def sweep(discs: jax.Array, share: jax.Array) -> tuple[jax.Array, None]:
            # The blade has come `far` from where it went down; it carries discs in its last step.
            far = share * travel
            apart = discs - (command.start - _BEFORE * way)
            along, across = apart @ way, apart @ side
            reach = travel / _SWEEP + RADIUS
            met = (
                (jnp.abs(across) < BLADE + RADIUS) & (along > far - reach) & (along < far + RADIUS)
            )
            moved = discs + jnp.where(met, far + RADIUS - along, 0.0)[:, None] * way
            moved = jax.lax.fori_loop(0, _APART, lambda _, x: _pushed_apart(x), moved)
            return jnp.clip(moved, MIDDLE - REACH, MIDDLE + REACH), None

        shares = jnp.arange(1, _SWEEP + 1) / _SWEEP
        swept = jax.lax.scan(sweep, table.discs, shares)[0]
        return dataclasses.replace(table, discs=jnp.where(travel > 0.0, swept, table.discs))

    def observe(self, table: Table) -> jax.Array:
        """Returns the squares' places, then the discs' [104]."""
        return jnp.concatenate([table.zones.ravel(), table.discs.ravel()])

    def measure(self, table: Table) -> jax.Array:
        """Returns the share of the discs in the first square."""
        return jnp.mean(_inside(table.discs, table.zones[0]))

    def snapshot(self, pipeline_state: Table) -> jax.Array:
        """Returns the observation [104]."""
        return self.observe(pipeline_state)

    def rows(self, snapshot: jax.Array) -> list[Row]:
        """Squares as thin plates, the one to fill yellow; the discs as red cubes."""
        zones, discs = snapshot[:4].reshape(2, 2), snapshot[4:].reshape(COUNT, 2)
        flat, cube = np.array([ZONE, ZONE, 0.0005]), np.full(3, RADIUS)
        rows: list[Row] = [
            ("box", jnp.append(zones[i], 0.0005), np.eye(3), flat, COLOURS[rgb])
            for i, rgb in enumerate(("yellow", "blue"))
        ]
        for i in range(COUNT):
            rows.append(("box", jnp.append(discs[i], RADIUS + 0.001), np.eye(3), cube, _RED))
        return rows


_RED = COLOURS["red"]


def expert(obs: jax.Array) -> jax.Array:
    """Pushes the disc farthest from the square, with what is before it, into its middle,
    [104] to [5]."""
    zone, discs = obs[:2], obs[4:].reshape(COUNT, 2)
    away = jnp.where(_inside(discs, zone) > 0, -1.0, jnp.linalg.norm(discs - zone, axis=1))
    disc = discs[jnp.argmax(away)]
    way = (zone - disc) / jnp.maximum(jnp.linalg.norm(zone - disc), 1e-6)
    return base.action_of(disc - RADIUS * way, zone + _SHORT * way, jnp.zeros(()))


def _inside(discs: jax.Array, zone: jax.Array) -> jax.Array:
    return jnp.all(jnp.abs(discs - zone) < ZONE, axis=-1).astype(jnp.float32)


def _pushed_apart(discs: jax.Array) -> jax.Array:
    """Moves discs that overlap by half of the overlap each."""
    # A coordinate at a time: a trailing axis of two would keep XLA from using vectors.
    away = [discs[:, None, k] - discs[None, :, k] for k in range(2)]
    apart = jax.lax.rsqrt(away[0] ** 2 + away[1] ** 2 + 1e-12)
    share = jnp.maximum(RADIUS * apart - 0.5, 0.0) * (1.0 - jnp.eye(COUNT))
    return discs + jnp.stack([jnp.sum(share * d, axis=1) for d in away], axis=1)
