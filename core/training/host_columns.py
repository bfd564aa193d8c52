"""Reward columns that are scored outside of the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.source import ContinuingSource, HostSource


def score(host: HostSource, steps: Any) -> dict[str, jax.Array]:
    """A host source's columns [S, T, N].

    Raises:
        ValueError: it returned other columns than its own, or another shape.
    """
    return _checked(host, host.score(steps), steps.cut.shape)


def score_episode(host: HostSource, steps: Any) -> dict[str, jax.Array]:
    """A host source's columns of whole episodes [S, T, N], apart from the training; raises as
    `score`."""
    found = host.score_episode(steps) if isinstance(host, ContinuingSource) else host.score(steps)
    return _checked(host, found, steps.cut.shape)


def _checked(
    host: HostSource, found: Mapping[str, Any], shape: tuple[int, ...]
) -> dict[str, jax.Array]:
    columns = {name: jnp.asarray(v, jnp.float32) for name, v in found.items()}
    kind = type(host).__name__
    if set(columns) != set(host.columns):
        raise ValueError(
            f"{kind} returned the columns {sorted(columns)} and declares {sorted(host.columns)}"
        )
    for name, value in columns.items():
        if value.shape != shape:
            raise ValueError(f"{kind} returned {name} of shape {value.shape}, not {shape}")
    return columns
