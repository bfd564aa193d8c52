"""Reward columns that are scored outside of the device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.source import HostSource


def score(host: HostSource, steps: Any) -> dict[str, jax.Array]:
    """A host source's columns [S, T, N].

    Raises:
        ValueError: it returned other columns than its own, or another shape.
    """
    columns = {name: jnp.asarray(v, jnp.float32) for name, v in host.score(steps).items()}
    kind, shape = type(host).__name__, steps.cut.shape
    if set(columns) != set(host.columns):
        raise ValueError(
            f"{kind} returned the columns {sorted(columns)} and declares {sorted(host.columns)}"
        )
    for name, value in columns.items():
        if value.shape != shape:
            raise ValueError(f"{kind} returned {name} of shape {value.shape}, not {shape}")
    return columns
