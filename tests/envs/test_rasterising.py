"""Rasterised objects against the same objects by ray casting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs import rendering
from core_jax.envs.rendering import Camera, Scene
from core_jax.envs.rendering.rasterising import Balls, Sheet

DOWN = Camera((0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 40.0)
SIZE = 48


def scene(rows, rasterised=()):
    """A scene of (kind, pos, size, rgb) rows."""
    return Scene(
        pos=jnp.array([r[1] for r in rows], jnp.float32),
        mat=jnp.broadcast_to(jnp.eye(3), (len(rows), 3, 3)),
        size=jnp.array([r[2] for r in rows], jnp.float32),
        rgb=jnp.array([r[3] for r in rows], jnp.float32),
        second=jnp.array([r[3] for r in rows], jnp.float32),
        kinds=tuple(r[0] for r in rows),
        checks=(0.0,) * len(rows),
        rasterised=rasterised,
    )


GROUND = ("plane", (0, 0, 0), (0, 0, 0), (0.2, 0.2, 0.2))


def picture(rows, rasterised=()):
    draw = jax.jit(lambda s: rendering.render(s, DOWN, SIZE, SIZE, shadows=False))
    return np.asarray(draw(scene(rows, rasterised)), int)


def test_balls_are_the_spheres_that_rays_see():
    at = [(0.1, 0.05, 0.1), (-0.1, 0.1, 0.2), (-0.06, 0.1, 0.15), (0.34, 0.0, 0.1)]
    spheres = [("sphere", p, (0.06, 0, 0), (0.9, 0.3, 0.1)) for p in at]
    balls = Balls(jnp.array(at).T, 0.06, (0.9, 0.3, 0.1), nearest=0.5)
    traced, rasterised = picture([GROUND, *spheres]), picture([GROUND], (balls,))
    assert (np.abs(traced - rasterised).max(-1) <= 3).mean() > 0.995
    assert (rasterised[..., 0] > 60).mean() > 0.05


def test_a_sheet_is_the_box_that_rays_see():
    u = np.linspace(-0.2, 0.2, 9)
    x, y = np.meshgrid(u, u, indexing="ij")
    sheet = Sheet(jnp.array([x, y, 0 * x + 0.1]), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), 0.06, 0.5)
    box = ("box", (0, 0, 0.095), (0.2, 0.2, 0.005), (0.1, 0.8, 0.1))
    traced, rasterised = picture([GROUND, box]), picture([GROUND], (sheet,))
    assert (np.abs(traced - rasterised).max(-1) <= 2).mean() > 0.99


def test_a_sheet_shows_its_other_side_when_turned():
    u = np.linspace(-0.2, 0.2, 5)
    x, y = np.meshgrid(u, u, indexing="ij")
    turned = Sheet(jnp.array([-x, y, 0 * x + 0.1]), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), 0.12, 0.5)
    middle = picture([GROUND], (turned,))[SIZE // 2, SIZE // 2]
    assert middle[0] > 5 * middle[1]


def test_every_other_check_of_a_sheet_is_darker():
    u = np.linspace(-0.2, 0.2, 5)
    x, y = np.meshgrid(u, u, indexing="ij")
    sheet = Sheet(jnp.array([x, y, 0 * x + 0.1]), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), 0.12, 0.5, 2)
    green = picture([GROUND], (sheet,))[..., 1]
    at = np.array([SIZE // 2 - 6, SIZE // 2 + 6])
    checks = green[np.ix_(at, at)]
    assert checks[0, 0] == checks[1, 1] and checks[0, 1] == checks[1, 0]
    assert min(checks[0]) / max(checks[0]) == pytest.approx(0.88, abs=0.01)


def test_a_pane_takes_half_of_the_lamps_light():
    pane = jnp.array([[[0.0, 0.0, 0.3], [0.05, 0.05, 0.01]]])
    draw = jax.jit(lambda s: rendering.render(s, DOWN, SIZE, SIZE, samples=1))
    seen = np.asarray(draw(scene([GROUND]).replace(glass=pane)), float)[..., 0]
    steep = 0.82 / np.linalg.norm(rendering.LIGHT)
    assert seen[2, 2] == pytest.approx(51 * (0.5 + 0.5 * steep), abs=1)
    # Its shadow is 0.3 m below it, away from the lamp: 0.13 m to the left and 0.16 m up.
    assert seen[13, 15] == pytest.approx(51 * (0.5 + 0.25 * steep), abs=1)


def test_the_nearer_is_seen_whoever_draws_it():
    high, low = ((0.0, 0.0, z) for z in (0.3, 0.1))
    balls = Balls(jnp.array([low]).T, 0.05, (1.0, 0.0, 0.0), nearest=0.5)
    box = lambda z: ("box", (0.0, 0.0, z), (0.1, 0.1, 0.01), (0.0, 0.0, 1.0))
    assert picture([GROUND, box(0.3)], (balls,))[SIZE // 2, SIZE // 2, 0] == 0
    assert picture([GROUND, box(0.01)], (balls,))[SIZE // 2, SIZE // 2, 2] == 0
    two = (Balls(jnp.array([high]).T, 0.05, (0.0, 1.0, 0.0), nearest=0.5), balls)
    for rasterised in (two, two[::-1]):
        assert picture([GROUND], rasterised)[SIZE // 2, SIZE // 2, 0] == 0


def test_nothing_is_rasterised_beyond_the_edges():
    balls = Balls(jnp.array([[0.5], [0.0], [0.1]]), 0.05, (1.0, 0.0, 0.0), nearest=0.5)
    behind = Balls(jnp.array([[0.0], [0.0], [1.5]]), 0.05, (1.0, 0.0, 0.0), nearest=0.5)
    np.testing.assert_array_equal(picture([GROUND], (balls, behind)), picture([GROUND]))
