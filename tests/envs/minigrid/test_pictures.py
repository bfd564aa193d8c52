"""Pictures of grids against xminigrid's own painter, and their seams."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xminigrid.rendering.rgb_render import render_tile

from core_jax import envs
from core_jax.envs.minigrid import pictures, tasks
from core_jax.visual.frames import FrameRenderer


@pytest.mark.parametrize(
    ("tile", "colour", "direction"),
    [
        (tasks.FLOOR, tasks.BLACK, None),
        (tasks.KEY, tasks.YELLOW, None),
        (tasks.LOCKED, 1, None),
        (tasks.GOAL, tasks.GREEN, 2),
        (tasks.OPEN, 3, 1),
    ],
)
def test_tiles_are_painted_as_by_xminigrid(tile, colour, direction):
    tiles, table = pictures.atlas(32)
    found = tiles[table[tile * tasks.COLOURS + colour, 4 if direction is None else direction]]
    theirs = render_tile((tile, colour), direction)
    assert np.abs(found.astype(int) - theirs).max() <= 1


def test_a_picture_is_its_tiles_in_the_middle_of_a_black_frame():
    env = envs.make("minigrid-unlock")
    shot = jnp.array(env.spec.start)
    found = np.asarray(jax.jit(lambda s: env.picture(s, 64, 100))(shot))
    tiles, table = pictures.atlas(9)
    codes = np.array(env.spec.start[:-3], int).reshape(6, 11)
    row, col, direction = map(int, env.spec.start[-3:])
    expected = np.zeros((64, 100, 3), np.uint8)
    for r in range(6):
        for c in range(11):
            there = direction if (r, c) == (row, col) else 4
            top, left = 5 + 9 * r, 9 * c
            expected[top : top + 9, left : left + 9] = tiles[table[codes[r, c], there]]
    np.testing.assert_array_equal(found, expected)
    moved = np.asarray(env.picture(shot, 64, 100, shift=jnp.array([3.2, 1.8])))
    np.testing.assert_array_equal(moved[:62, 3:], found[2:, :97])


def test_a_tile_of_any_size_keeps_its_mean_colour():
    large, small = pictures.atlas(32)[0], pictures.atlas(7)[0]
    difference = large.mean((1, 2)) - small.mean((1, 2))
    assert np.abs(difference).max() < 1.5


def test_too_small_a_picture_is_refused():
    env = envs.make("minigrid-unlock")
    with pytest.raises(ValueError, match="32 x 32 pixels has 2 for each of 6 x 11 cells; it needs"):
        env.picture(jnp.array(env.spec.start), 32, 32)


@pytest.mark.parametrize("name", envs.names("minigrid"))
def test_start_and_goal_can_be_shown_and_differ(name):
    env = envs.make(name)
    frames = FrameRenderer(env, 176, batch=2)
    start, goal = frames.render(np.array([env.spec.start, env.spec.goal]))
    red = lambda picture: ((picture[..., 0] > 200) & (picture[..., 1] < 60)).sum()
    assert red(start) > 5 and red(goal) > 5 and (start != goal).any()
    with pytest.raises(ValueError, match="drawn in tiles"):
        env.view(jnp.array(env.spec.start))
