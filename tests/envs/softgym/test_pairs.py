"""Near pairs in cells sum as all pairs do, and say where there was no room."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs.softgym.pairs import AllPairs, Cells, NearPairs

REACH = 0.03
CELLS = Cells(REACH, rows=256, window=40)


def kernels(r2):
    near = jnp.maximum(1.0 - r2 / REACH**2, 0.0)
    return near, near * near


def sums(pairs_of, x, columns):
    return jax.jit(lambda x, c: pairs_of(x).sums(c, c[:1]))(x, columns)


@pytest.fixture(scope="module")
def water():
    """A jittered lattice, and drops so far out that their cells are shared with others'."""
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[np.arange(9) * REACH / 2] * 3)).reshape(3, -1)
    lattice += rng.normal(size=lattice.shape) * 0.1 * REACH
    drops = rng.uniform(-1.5, 1.5, (3, 40))
    return jnp.asarray(np.concatenate([lattice - 0.06, drops], axis=1), jnp.float32)


def test_near_pairs_sum_as_all_pairs(water):
    columns = jnp.asarray(np.random.default_rng(1).normal(size=(4, water.shape[1])), jnp.float32)
    near = sums(lambda x: NearPairs(x, kernels, CELLS), water, columns)
    every = sums(lambda x: AllPairs(x, kernels), water, columns)
    assert int(CELLS.sort(water).missed) == 0
    for a, b in zip(near, every, strict=True):
        assert np.abs(b).max() > 0.5
        np.testing.assert_allclose(a, b, atol=3e-5)


def test_sums_by_hand():
    x = jnp.array([[0.0, 0.5, 5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]) * REACH
    for pairs in (AllPairs(x, kernels), NearPairs(x, kernels, CELLS)):
        once, none = pairs.sums(jnp.array([[1.0, 10.0, 100.0]]), jnp.ones((1, 3)))
        np.testing.assert_allclose(once, [[1 + 0.75 * 10, 10 + 0.75, 100]], rtol=1e-5)
        np.testing.assert_allclose(none, [[1 + 0.75**2, 1 + 0.75**2, 1]], rtol=1e-5)
        (only,) = pairs.sums(None, jnp.ones((2, 3)))
        assert only.shape == (2, 3)


def test_every_particle_is_in_one_row(water):
    s = CELLS.sort(water)
    size = np.asarray(s.size)
    own = [np.asarray(s.order)[a : a + k] for a, k in zip(np.asarray(s.start), size, strict=True)]
    assert sorted(np.concatenate(own).tolist()) == list(range(water.shape[1]))
    assert size.max() == 8


def test_what_has_no_room_is_counted(water):
    assert int(Cells(REACH, rows=64, window=40).sort(water).missed) > 0
    assert int(Cells(REACH, rows=256, window=12).sort(water).missed) > 0


def test_worlds_together_are_worlds_alone(water):
    both = jnp.stack([water, water[:, ::-1] * 1.01])
    ones = jnp.ones((1, water.shape[1]))
    one = lambda x: NearPairs(x, kernels, CELLS).sums(ones, ones)[0]
    together = jax.jit(jax.vmap(one))(both)
    np.testing.assert_allclose(together[1], jax.jit(one)(both[1]), atol=1e-5)
