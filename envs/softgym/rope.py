"""A rope: 41 particles in a chain, with SoftGym's sizes and masses (RopeFlattenEasy).

Links are solved together and exactly (`particles.chain`), bends by one sweep, contact of the rope
with itself by testing all pairs. Measured against plain sweeps in `particles`' tests.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.softgym import particles
from core_jax.envs.softgym.particles import Body, Spring

PARTICLES = 41
LINK = 0.0125 * 1.075  # m
LENGTH = 40 * 0.0125  # m, what SoftGym calls the rope's length
RADIUS = 0.025  # m, how near two particles may come
GROUND = 0.001  # m, the height at which a particle lies
INVERSE_MASS = 2.0  # 1/kg
_FRICTION = 1.0
_BEND = Spring((2,), 2 * LINK, 0.4)
_COMPLIANCE = 1e-4  # of a link, next to the inverse masses of its ends
_EASE = 1.003
_SUBSTEPS = 4

_INDEX = np.arange(PARTICLES)
_APART = (np.abs(_INDEX[:, None] - _INDEX) > 1).astype(np.float32)


def advance(body: Body, w: jax.Array, goal: jax.Array, substeps: int = _SUBSTEPS) -> Body:
    """One frame, 10 ms.

    Args:
        body: [3, 41].
        w: [41] inverse masses; 0 for held particles.
        goal: [3, 41] where held particles are at the frame's end, m; others' are not read.
        substeps: of the frame.
    """
    h = particles.FRAME / substeps
    free, held = w > 0.0, w <= 0.0
    bend = particles.pull((_BEND,), w, 1.0)
    start = body.x

    def substep(body: Body, part: jax.Array) -> tuple[Body, None]:
        v = body.v.at[1].add(-h * particles.GRAVITY)
        x = jnp.where(free, body.x + h * v, start + part * (goal - start))
        depth = jnp.where(free, jnp.maximum(GROUND - x[1], 0.0), 0.0)
        x = particles.above(x, GROUND)
        # Links last: of all constraints they are the ones that must hold.
        x = particles.separate(bend(x), w, _APART, RADIUS)
        # A rope that is held at both ends is as long as it has to be.
        taut = jnp.linalg.norm(x[:, -1] - x[:, 0]) * (_EASE / (PARTICLES - 1))
        length = jnp.where(held[0] & held[-1], jnp.maximum(LINK, taut), LINK)
        x = particles.above(particles.chain(x, w, length, _COMPLIANCE), GROUND)
        x = particles.rub(x, body.x, depth, _FRICTION)
        return Body(x, jnp.where(held, 0.0, (x - body.x) / h)), None

    parts = jnp.arange(1, substeps + 1, dtype=jnp.float32) / substeps
    return jax.lax.scan(substep, body, parts)[0]


def straight_points() -> np.ndarray:
    """A rope's particles on the ground along x, their middle at the origin, [3, 41] m."""
    x = np.zeros((3, PARTICLES), np.float32)
    x[0] = (_INDEX - PARTICLES // 2) * LINK
    x[1] = GROUND
    return x
