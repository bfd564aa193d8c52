"""Pictures of grids, made of painted tiles inside jit.

`tiles.npz` holds every tile that the tasks use as xminigrid paints it at 96 pixels
(`scripts/tools/record_tiles.py`), because painting takes it seconds. For a picture the tiles are
averaged down to its size of a cell, as xminigrid does from three times the size.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from core_jax.envs.minigrid.tasks import COLOURS

TILES = Path(__file__).with_name("tiles.npz")
_NOBODY = 4  # in the place of a direction, of a cell without the agent
_CODES = 13 * COLOURS


def draw(
    snapshot: Float[Array, " K"],
    size: tuple[int, int],
    height: int,
    width: int,
    shift: Float[Array, "2"] | None = None,
) -> UInt8[Array, "height width 3"]:
    """Returns the picture of a snapshot, the grid in the middle of a black frame.

    Args:
        snapshot: code of each cell, then row, column and direction of the agent.
        size: cells of the grid along its height and width.
        height, width: of the picture, pixels.
        shift: pixels by which the picture moves to the right and up, rounded; its border follows.

    Raises:
        ValueError: for a picture of less than 3 pixels for each cell.
    """
    edge = min(height // size[0], width // size[1])
    if edge < 3:
        raise ValueError(
            f"a picture of {height} x {width} pixels has {edge} for each of {size[0]} x {size[1]} "
            "cells; it needs 3"
        )
    tiles, table = atlas(edge)
    codes = jnp.round(snapshot[:-3]).astype(jnp.int32).reshape(size)
    row, col, direction = jnp.round(snapshot[-3:]).astype(jnp.int32)
    there = (jnp.arange(size[0])[:, None] == row) & (jnp.arange(size[1]) == col)
    index = jnp.asarray(table)[codes, jnp.where(there, direction, _NOBODY)]
    picture = jnp.asarray(tiles)[index].transpose(0, 2, 1, 3, 4)
    picture = picture.reshape(size[0] * edge, size[1] * edge, 3)
    free = height - picture.shape[0], width - picture.shape[1]
    pads = [(n // 2, n - n // 2) for n in free]
    picture = jnp.pad(picture, (*pads, (0, 0)))
    return picture if shift is None else _shifted(picture, shift)


@functools.cache
def atlas(edge: int) -> tuple[UInt8[np.ndarray, "n edge edge 3"], np.ndarray]:
    """Returns the tiles at `edge` pixels, and which of them a cell shows: [code, direction of the
    agent or 4 without it] -> index. What no task has is shown as the first tile, a plain floor."""
    with np.load(TILES) as recorded:
        painted = recorded["palette"][recorded["pixels"]]  # [n, 96, 96, 3]
        keys = recorded["keys"]
    shrink = _box_filter(painted.shape[1], edge)
    small = np.einsum("ia,naqc,jq->nijc", shrink, painted.astype(np.float32), shrink, optimize=True)
    table = np.zeros((_CODES, 5), np.int32)
    for i, (tile, colour, direction) in enumerate(keys):
        table[tile * COLOURS + colour, direction] = i
    return np.floor(small + 1e-3).astype(np.uint8), table


def _box_filter(length: int, edge: int) -> np.ndarray:
    """Weights [edge, length] with which pixels of a line are averaged to fewer."""
    bounds = np.linspace(0.0, length, edge + 1)
    pixel = np.arange(length)
    low = np.maximum(bounds[:-1, None], pixel)
    high = np.minimum(bounds[1:, None], pixel + 1)
    return np.maximum(high - low, 0.0).astype(np.float32) * (edge / length)


def _shifted(picture: jax.Array, shift: jax.Array) -> jax.Array:
    height, width, _ = picture.shape
    right, up = jnp.round(shift).astype(jnp.int32)
    rows = jnp.clip(jnp.arange(height) + up, 0, height - 1)
    cols = jnp.clip(jnp.arange(width) - right, 0, width - 1)
    return picture[rows][:, cols]
