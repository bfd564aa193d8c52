"""Updates that would not be finite are skipped: one NaN would stay in the parameters for good."""

from __future__ import annotations

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, PyTree

T = TypeVar("T")


def finite(*gradients: PyTree) -> Bool[Array, ""]:
    """Whether an update by these gradients is finite: a single number that is not makes their norm
    infinite or NaN."""
    return jnp.isfinite(optax.global_norm(gradients))


def choose(taken: Bool[Array, ""], new: T, old: T) -> T:
    """The new state where an update is taken, the old one where it is skipped.

    A select, not a branch: under vmap both sides of a branch are computed anyway.
    """
    return jax.tree.map(functools.partial(jnp.where, taken), new, old)
