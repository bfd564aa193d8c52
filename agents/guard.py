"""Updates that are not finite are skipped or undone: a NaN would stay for good."""

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


def finite_or(new: T, old: T) -> tuple[T, Bool[Array, ""]]:
    """The new state if every number in it is finite, else the old one; and which it is (True for
    the new one).

    Meant for once after many updates: a check of each of SAC's costs up to a tenth of the update.
    """
    numbers = (x for x in jax.tree.leaves(new) if jnp.issubdtype(x.dtype, jnp.inexact))
    checks = (jnp.all(jnp.isfinite(x)) for x in numbers)
    taken = functools.reduce(jnp.logical_and, checks, jnp.bool_(True))
    return choose(taken, new, old), taken
