"""Water: a position-based fluid (Macklin & Mueller 2013).

A substep predicts positions, corrects them until nowhere is denser than water at rest, and takes
velocities from what has become of them; then neighbours' velocities are mixed (XSPH viscosity) and
the swirl that the corrections ate is given back (vorticity confinement). Every sum over neighbours
is a product of the pairs' kernel values with a few columns (`pairs`): of all pairs where there are
a few hundred particles, of those in neighbouring cells where there are thousands.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.softgym import pairs, particles
from core_jax.envs.softgym.particles import Body, inverse_root

_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Fluid:
    """A fluid's resolution and character.

    Attributes:
        spacing: between particles at rest, m.
        substeps: of a frame.
        sweeps: density corrections in each substep.
        relaxation: of a correction; all are made at once.
        cohesion: how far below its rest density the fluid still pulls together; 0 to 1.
        viscosity: part of the difference to its neighbours' velocity that a particle loses in a
            substep.
        vorticity: strength of the swirl that is given back, m.
        fastest: m/s; nothing moves faster.
        cells: room for near pairs in cells; all pairs where None.
    """

    spacing: float
    substeps: int = 2
    sweeps: int = 2
    relaxation: float = 0.5
    cohesion: float = 0.02
    viscosity: float = 0.1
    vorticity: float = 0.02
    fastest: float = 3.0
    cells: tuple[int, int] | None = None

    @property
    def reach(self) -> float:
        """Radius of the kernels, m: twice the spacing, as the original's."""
        return 2.0 * self.spacing

    @property
    def rest_density(self) -> float:
        """Sum of the density kernel over a lattice of the spacing, in particles."""
        u = np.arange(-2, 3) / 2.0  # of the reach
        r2 = sum(a**2 for a in np.meshgrid(u, u, u))
        return float((np.maximum(1.0 - r2, 0.0) ** 3).sum())

    def densities(self, x: jax.Array) -> jax.Array:
        """Density at each particle next to that of the lattice, [n], for [3, n] m."""
        r2 = pairs.squares(x, x) / self.reach**2
        return jnp.sum(jnp.maximum(1.0 - r2, 0.0) ** 3, axis=0) / self.rest_density

    def advance(self, body: Body, confine) -> Body:
        """One frame, 10 ms.

        Args:
            body: [3, n].
            confine: (positions [3, n], part of the frame that is over) -> positions that are in no
                wall.
        """
        h = particles.FRAME / self.substeps
        correction, mix = particles.one_by_one(self._correction), particles.one_by_one(self._mix)

        def substep(body: Body, part: jax.Array) -> tuple[Body, None]:
            x = confine(body.x + h * body.v.at[1].add(-h * particles.GRAVITY), part)

            def sweep(_: int, x: jax.Array) -> jax.Array:
                move = self.relaxation * correction(x)
                limit = 0.2 * self.spacing
                return jax.lax.optimization_barrier(
                    confine(x + jnp.clip(move, -limit, limit), part)
                )

            x = jax.lax.fori_loop(0, self.sweeps, sweep, x)
            v, push = mix(x, (x - body.x) / h)
            v = v + h * push
            speed = jnp.sqrt(jnp.sum(v * v, axis=0) + _TINY)
            return Body(x, v * jnp.minimum(1.0, self.fastest / speed)), None

        parts = jnp.arange(1, self.substeps + 1, dtype=jnp.float32) / self.substeps
        return jax.lax.scan(substep, body, parts)[0]

    def _correction(self, x: jax.Array) -> jax.Array:
        """Equations 8 to 12 of the paper: how far each particle is to go, [3, n]."""
        reach, rest = self.reach, self.rest_density
        x = self._centred(x)

        def kernels(r2: jax.Array) -> tuple[jax.Array, ...]:
            inverse = inverse_root(r2 + 1e-6 * reach**2)
            near = jnp.maximum(1.0 - r2 * inverse / reach, 0.0)
            # The gradient's (spiky) is -3 (1 - r/reach)^2 / reach, scaled to the density's sum.
            steep = _SPIKY * near * near * inverse / (reach * rest)
            full = jnp.maximum(1.0 - r2 / reach**2, 0.0)
            return steep, full * full * full / rest, steep * steep * r2

        near, ones = self._pairs(x, kernels), jnp.ones((1, x.shape[1]))
        columns = jnp.concatenate([x, ones])
        sums, density, size = near.sums(columns, ones, ones)
        gradient = sums[:3] - x * sums[3]
        size = size[0] + jnp.sum(gradient * gradient, axis=0)
        excess = density[0] - 1.0
        excess = jnp.where(excess > 0.0, excess, self.cohesion * jnp.maximum(excess, -0.5))
        force = -excess / (size + _SOFT / self.spacing**2)
        (pulled,) = near.sums(columns * force, None, None)
        return force * gradient + pulled[:3] - x * pulled[3]

    def _centred(self, x: jax.Array) -> jax.Array:
        # Sums of differences lose nothing near 0.
        return x - jnp.mean(x, axis=1, keepdims=True)

    def _pairs(self, x: jax.Array, kernels: pairs.Kernels) -> pairs.Pairs:
        if self.cells is None:
            return pairs.AllPairs(x, kernels)
        return pairs.NearPairs(x, kernels, pairs.Cells(self.reach, *self.cells))

    def _mix(self, x: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Velocities after viscosity, m/s, and the push that keeps eddies turning, m/s^2, [3, n].

        XSPH, and equations 15 and 16 of the paper.
        """
        reach, rest = self.reach, self.rest_density
        x = self._centred(x)

        def kernels(r2: jax.Array) -> tuple[jax.Array, ...]:
            near = jnp.maximum(1.0 - r2 / reach**2, 0.0)
            return near * near, near * near * near

        near, ones = self._pairs(x, kernels), jnp.ones((1, x.shape[1]))
        turning = jnp.cross(v, x, axis=0)
        sums, around = near.sums(jnp.concatenate([turning, v, x, ones]), jnp.concatenate([v, ones]))
        mixed = v + (self.viscosity / rest) * (around[:3] - v * around[3])
        # The cross product of the differences in velocity and place, summed over neighbours, is
        # four sums over all; the kernel's slope is -6 (1 - (r/reach)^2)^2 / reach^2 times place.
        slope = -6.0 / (reach**2 * rest)
        curl = sums[:3] - jnp.cross(sums[3:6], x, axis=0) - jnp.cross(v, sums[6:9], axis=0)
        curl = slope * (curl + sums[9] * turning)
        strength = jnp.sqrt(jnp.sum(curl * curl, axis=0) + _TINY)
        (sums,) = near.sums(jnp.concatenate([x, ones]) * strength, None)
        to = -slope * (sums[:3] - x * sums[3])
        to = to / jnp.sqrt(jnp.sum(to * to, axis=0) + 1e-6)
        return mixed, self.vorticity * jnp.cross(to, curl, axis=0)


# Both kernels have the same integral: 315 / (64 pi) and 15 / pi; the spiky one's slope is 3 times.
_SPIKY = 3.0 * (15.0 / np.pi) / (315.0 / (64.0 * np.pi))
_SOFT = 0.1  # of a constraint, next to the square of one neighbour's pull
