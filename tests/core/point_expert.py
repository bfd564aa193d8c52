"""The point world with a scripted expert, for what needs demonstrations."""

import dataclasses

import jax.numpy as jnp
from point_world import MARK, Point


def expert(obs):
    """Pushes straight to the mark."""
    return jnp.clip(10.0 * (jnp.array(MARK[:2]) - obs[:2]), -1.0, 1.0)


class ExpertPoint(Point):
    """The same world; its demonstrations need not be perfect."""

    spec = dataclasses.replace(Point.spec, expert="point_expert:expert")
