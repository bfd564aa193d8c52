"""Records the tiles of MiniGrid's pictures (`envs/minigrid/tiles.npz`), as xminigrid paints them.

    python scripts/tools/record_tiles.py

The box is painted like Farama MiniGrid's; xminigrid has none.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from xminigrid.rendering import rgb_render
from xminigrid.rendering.utils import fill_coords, point_in_rect

from core_jax.envs.minigrid import tasks
from core_jax.envs.minigrid.pictures import TILES

EDGE = 96
_NOBODY = 4
_OF_DOORS = (1, 2, 3, 4, 5, 6)  # red, green, blue, purple, yellow, grey


def painted(tile: int, colour: int, direction: int) -> np.ndarray:
    """One tile, uint8 [96, 96, 3]."""
    if tile == tasks.BOX:
        return box(colour)
    agent = None if direction == _NOBODY else direction
    return rgb_render.render_tile((tile, colour), agent, tile_size=EDGE, subdivs=1)


def box(colour: int) -> np.ndarray:
    """A box with a lid, on the floor."""
    picture = rgb_render.render_tile(
        (tasks.FLOOR, tasks.BLACK), None, tile_size=EDGE, subdivs=1
    ).copy()
    for (low_x, high_x, low_y, high_y), rgb in (
        ((0.12, 0.88, 0.12, 0.88), rgb_render.COLORS_MAP[colour]),
        ((0.18, 0.82, 0.18, 0.82), (0, 0, 0)),
        ((0.16, 0.84, 0.47, 0.53), rgb_render.COLORS_MAP[colour]),
    ):
        fill_coords(picture, point_in_rect(low_x, high_x, low_y, high_y), rgb)
    return picture


def main() -> None:
    """Paints all and writes them, as indices into a palette."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    floor, goal = (tasks.FLOOR, tasks.BLACK), (tasks.GOAL, tasks.GREEN)
    doors = (tasks.LOCKED, tasks.CLOSED, tasks.OPEN)
    coloured = itertools.product((tasks.KEY, *doors, tasks.BOX), _OF_DOORS)
    walkable = [floor, goal, *itertools.product((tasks.OPEN,), _OF_DOORS)]
    keys = [(*cell, _NOBODY) for cell in (floor, goal, (tasks.WALL, tasks.GREY), *coloured)]
    keys += [(*cell, direction) for cell in walkable for direction in range(4)]
    pixels = np.stack([painted(tile, colour, at) for tile, colour, at in keys])
    palette, index = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    index = index.reshape(pixels.shape[:3]).astype(np.uint8)
    path = TILES.resolve()  # the file itself, where the package is made of links
    np.savez_compressed(path, palette=palette, pixels=index, keys=np.array(keys, np.int32))
    print(f"{len(keys)} tiles of {len(palette)} colours, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
