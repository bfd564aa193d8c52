"""Strain limiting: which edges are shortened, whose ends move, and what stays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs.softgym import cloth, strain

SHEET = cloth.FAST
EDGES = SHEET.springs()[:4]
FREE = np.ones((20, 20), np.float32)


@functools.partial(jax.jit, static_argnums=1)
def passes(x, held, count):
    """Passes over a sheet, its first corner held or not."""
    w = FREE.copy()
    w[0, 0] = 0.0 if held else 1.0
    shorten = strain.limit(EDGES, w, 1.03)
    return strain.join(
        jax.lax.fori_loop(0, count, lambda _, q: shorten(q), strain.split(x)), x.shape[-1]
    )


def stretches(x):
    """Of rows, columns and both diagonals [all edges], 1 at rest."""
    found = []
    for spring in EDGES:
        i, j = spring.offset
        a = x[:, : 20 - i, max(-j, 0) : 20 - max(j, 0)]
        b = x[:, i:, max(j, 0) : 20 + min(j, 0)]
        found.append(np.linalg.norm(b - a, axis=0).ravel() / spring.length)
    return np.concatenate(found)


def test_quarters_join_to_the_whole():
    x = np.random.default_rng(0).normal(size=(3, 6, 6))
    quarters = strain.split(jnp.asarray(x, jnp.float32))
    odd_row = quarters[2].reshape(3, 3, 4)  # even column; a gap after each row of three
    np.testing.assert_allclose(odd_row[:, 1, 2], x[:, 3, 4], atol=1e-6)
    np.testing.assert_allclose(strain.join(quarters, x.shape[-1]), x, atol=1e-6)


def one_by_one(x, w, longest):
    """A pass in loops over edges, in the same order of directions and rows (or columns)."""
    x, n = x.copy(), len(w)
    for spring in EDGES:
        di, dj = spring.offset
        for parity in (0, 1):
            for i, j in np.ndindex(n, n):
                k = i + di, j + dj
                if (i if di else j) % 2 != parity or not (k[0] < n and 0 <= k[1] < n):
                    continue
                d = x[:, k[0], k[1]] - x[:, i, j]
                over = max(1.0 - longest * spring.length / np.linalg.norm(d), 0.0)
                share = over / (w[i, j] + w[k]) * d
                x[:, i, j] += w[i, j] * share
                x[:, k[0], k[1]] -= w[k] * share
    return x


def test_a_pass_is_one_edge_after_the_other():
    rng = np.random.default_rng(2)
    x = SHEET.lying()[:, :6, :6] + rng.normal(0.0, 0.004, (3, 6, 6))
    w = rng.uniform(0.5, 2.0, (6, 6))
    w[0, 0] = 0.0
    moved = strain.limit(EDGES, w, 1.03)(strain.split(jnp.asarray(x, jnp.float32)))
    moved = strain.join(moved, x.shape[-1])
    np.testing.assert_allclose(moved, one_by_one(x, w, 1.03), atol=1e-6)
    np.testing.assert_allclose(moved[:, 0, 0], x[:, 0, 0], atol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1.029, 0.5])
def test_what_is_short_enough_stays(scale):
    x = scale * SHEET.lying()  # a slack cloth is not pushed apart
    np.testing.assert_array_equal(passes(x, False, 1), np.float32(x))


def test_what_is_held_stays_and_the_rest_follows():
    x = 0.95 * SHEET.lying()
    x[:, 0, 0] += np.array([-0.005, 0.0, -0.005])
    assert stretches(x).max() > 1.3
    moved = np.asarray(passes(x, True, 300))
    np.testing.assert_array_equal(moved[:, 0, 0], x[:, 0, 0])
    assert stretches(moved).max() < 1.035


def test_a_torn_up_cloth_is_mended_and_its_middle_stays():
    rng = np.random.default_rng(1)
    x = SHEET.lying() + rng.normal(0.0, 0.003, (3, 20, 20)).astype(np.float32)
    moved = np.asarray(passes(x, False, 30))
    assert stretches(x).max() > 1.4 and stretches(moved).max() < 1.035
    np.testing.assert_allclose(moved.mean((1, 2)), x.mean((1, 2)), atol=1e-6)


def test_an_odd_sheet_is_refused():
    with pytest.raises(ValueError, match="even"):
        strain.limit(EDGES, np.ones((21, 21), np.float32), 1.03)
