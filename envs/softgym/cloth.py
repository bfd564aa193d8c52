"""A square cloth held by one corner or several, with SoftGym's springs (ClothFoldDiagonal).

Springs are swept all at once (`particles.pull`). What hangs from the held corner is never farther
from it than the cloth is long: tethers (Kim et al., Long Range Attachments, 2012) bring a pull
across the cloth at once, where sweeps would let its edge stretch by half. Edges that are still too
long are shortened last (`strain`), against friction. Layers that lie on each other are kept apart
by floors: what is under a particle is looked up once a frame, and is where it cannot sink below
until the next.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.softgym import particles, strain
from core_jax.envs.softgym.particles import Body, Rows, Spring, inverse_root

SIDE = 39 * 0.00625  # m
THICKNESS = 0.01125  # m, from layer to layer
GROUND = 0.005  # m, the height at which a particle lies
_FRICTION = 0.75
_RUB_SHARE = 0.3  # of the friction in each sweep: what lies still must not creep while others pull
_DAMPING = 1.0  # 1/s
_SUBSTEPS = 4
_RELAXATION = 1.5
_SLACK = 1.03  # of a tether
_LONGEST = 1.03  # of its length at rest that an edge may be long
_PASSES = 4  # over all edges, to keep them so
_STEEP = 0.5  # rise of the floors around what is held, which may itself be in the layer below
_UNDER = 0.0092  # m; a particle of the layer below holds up what is nearer than this sideways
_SAME_LAYER = 0.25 * THICKNESS  # m; what is not lower than this is beside, not under
_RISE = 0.003  # m, the most that a floor lifts in a frame
_LAYERS = 4  # that carry others; as floors push only upwards, a crumpled cloth would be a tower
SHOWN = 20  # particles along each side that hold others up, and that pictures show


@dataclasses.dataclass(frozen=True)
class Cloth:
    """A cloth's resolution.

    Attributes:
        side: particles along each side; even.
        sweeps: over all springs, in each of four substeps.
        held: particles that pickers hold.
    """

    side: int
    sweeps: int
    held: tuple[tuple[int, int], ...] = ((0, 0),)

    @property
    def spacing(self) -> float:
        """Between neighbours at rest, m."""
        return SIDE / (self.side - 1)

    def lying(self) -> np.ndarray:
        """Positions flat on the ground, the middle at the origin, [3, side, side] m."""
        u = np.arange(self.side) * self.spacing - SIDE / 2
        return np.stack(np.meshgrid(u, [GROUND], u, indexing="ij"))[:, :, 0].astype(np.float32)

    def flat(self) -> Body:
        """The cloth at rest on the ground."""
        x = jnp.asarray(self.lying())
        return Body(x, jnp.zeros_like(x))

    def springs(self) -> tuple[Spring, ...]:
        """Structure, shear and bending, with SoftGym's stiffnesses."""
        a, b = self.spacing, self.spacing * 2**0.5
        edges = (Spring((0, 1), a, 0.8), Spring((1, 0), a, 0.8))
        shear = (Spring((1, 1), b, 0.9), Spring((1, -1), b, 0.9))
        return edges + shear + (Spring((0, 2), 2 * a, 1.0), Spring((2, 0), 2 * a, 1.0))

    def advance(self, body: Body, corner: jax.Array) -> Body:
        """One frame, 10 ms.

        Args:
            body: [3, side, side].
            corner: [3], or [3, K] of K, where what is held is at the frame's end, m.
        """
        h = particles.FRAME / _SUBSTEPS
        masks = [self._only(i, j) for i, j in self.held]
        held = np.any(masks, axis=0)
        corner = corner.reshape(3, -1)
        free = (~held).astype(np.float32)
        sweep = particles.pull(self.springs(), jnp.asarray(free), _RELAXATION)
        shorten = strain.limit(self.springs()[:4], free, _LONGEST)
        many = self.side > SHOWN
        floor = (particles.one_by_one(self.floors) if many else self.floors)(body.x)
        start = jnp.stack([body.x[:, i, j] for i, j in self.held], axis=1)
        away = [self._from(i, j) for i, j in self.held]
        for k, far in enumerate(away):
            floor = jnp.minimum(floor, jnp.maximum(corner[1, k] + _STEEP * far, GROUND))
        floor = jnp.where(held, -1.0, floor)
        floors = strain.split(floor)
        rows = Rows((self.side, self.side))
        laid_floor = rows.lay(floor)

        def substep(body: Body, part: jax.Array) -> tuple[Body, None]:
            places = (start + part * (corner - start))[:, :, None, None]

            def reach(x: jax.Array) -> jax.Array:
                for k, rest in enumerate(away):
                    d = x - places[:, k]
                    far = inverse_root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-12)
                    x = places[:, k] + d * jnp.minimum(_SLACK * rest * far, 1.0)
                return x

            def sweep_and_rub(_: int, x: jax.Array) -> jax.Array:
                x = particles.above(sweep(x), laid_floor)
                return particles.rub(x, before, held_back, _FRICTION)

            def shorten_and_lift(_: int, quarters: strain.Quarters) -> strain.Quarters:
                lift = particles.above
                x = [lift(x, low) for x, low in zip(shorten(quarters), floors, strict=True)]
                return x[0], x[1], x[2], x[3]

            x = body.x + h * body.v.at[1].add(-h * particles.GRAVITY)
            depth = jnp.maximum(floor - x[1], 0.0)
            x = particles.above(reach(x), floor)
            before, held_back = rows.lay(body.x), rows.lay(_RUB_SHARE * depth)
            x = rows.lift(jax.lax.fori_loop(0, self.sweeps, sweep_and_rub, rows.lay(x)))
            x = particles.above(reach(x), floor)
            x = particles.rub(x, body.x, depth, _FRICTION)
            for k, mask in enumerate(masks):
                x = jnp.where(mask, places[:, k], x)
            # Without the barrier XLA computes what comes before it once for every use.
            x = strain.split(jax.lax.optimization_barrier(x))
            x = strain.join(jax.lax.fori_loop(0, _PASSES, shorten_and_lift, x), self.side)
            x = jax.lax.optimization_barrier(x)
            return Body(x, (x - body.x) * ((1.0 - _DAMPING * h) / h)), None

        parts = jnp.arange(1, _SUBSTEPS + 1, dtype=jnp.float32) / _SUBSTEPS
        return jax.lax.scan(substep, body, parts)[0]

    def floors(self, x: jax.Array) -> jax.Array:
        """Returns how low each particle may sink [side, side], m: onto the ground, or onto the
        highest layer of the cloth that is under it, of the lowest few."""
        pick = self.obstacles()
        low = x[:, pick][:, :, pick].reshape(3, -1, 1)
        x = x.reshape(3, 1, -1)
        dx, dz = low[0] - x[0], low[2] - x[2]
        under = (dx * dx + dz * dz < _UNDER**2) & (low[1] < x[1] - _SAME_LAYER)
        holds = under & jnp.asarray(self._strangers())
        top = jnp.max(jnp.where(holds, low[1], GROUND - THICKNESS), axis=0) + THICKNESS
        top = jnp.minimum(top, GROUND + _LAYERS * THICKNESS)
        return jnp.minimum(top, jnp.maximum(x[1, 0] + _RISE, GROUND)).reshape(self.side, self.side)

    def obstacles(self) -> np.ndarray:
        """Rows (and columns) of the `SHOWN` particles."""
        return np.round(np.linspace(0, self.side - 1, SHOWN)).astype(int)

    def shown(self, x: jax.Array) -> jax.Array:
        """The `SHOWN` particles of a cloth [3, side, side], xyz by xyz [3 SHOWN^2]."""
        pick = self.obstacles()
        return x[:, pick][:, :, pick].reshape(3, -1).T.ravel()

    def _strangers(self) -> np.ndarray:
        """Which obstacles [400] are no neighbours of which particles [side * side]."""
        u = np.arange(self.side) * self.spacing
        pick = u[self.obstacles()]
        near = [np.stack(np.meshgrid(v, v, indexing="ij")).reshape(2, -1) for v in (pick, u)]
        gap = np.linalg.norm(near[0][:, :, None] - near[1][:, None], axis=0)
        return gap > 2.0 * THICKNESS

    def _only(self, i: int, j: int) -> np.ndarray:
        mask = np.zeros((self.side, self.side), bool)
        mask[i, j] = True
        return mask

    def _from(self, i: int, j: int) -> np.ndarray:
        u = np.arange(self.side) * self.spacing
        return np.hypot(*np.meshgrid(u - u[i], u - u[j], indexing="ij")).astype(np.float32)


FULL = Cloth(side=40, sweeps=10)
FAST = Cloth(side=20, sweeps=10)
