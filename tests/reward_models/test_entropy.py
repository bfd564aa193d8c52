"""State entropy: distances to the k-th nearest neighbour, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.agents import replay
from core_jax.reward_models.entropy import StateEntropy, kth_distance


def ring(points, rows, envs):
    """Replay whose next observations are `points` [filled * envs, O], oldest first."""
    zero = jnp.float32(0)
    obs = jnp.zeros(points.shape[1])
    example = replay.Transition(
        obs, jnp.zeros(1), obs, jnp.zeros(0), jnp.zeros(0), {"entropy": zero},
        replay.Truth(zero, zero, zero), zero, zero,
    )  # fmt: skip
    state = replay.init(example, rows, envs)
    for row in points.reshape(-1, 1, envs, points.shape[1]):
        block = jax.tree.map(lambda x: jnp.zeros((1, envs, *x.shape), x.dtype), example)
        state = replay.add(state, block._replace(next_obs=jnp.asarray(row, jnp.float32)))
    return state


def test_the_kth_neighbour_is_numpys():
    generator = np.random.default_rng(0)
    points, others = (generator.normal(size=(n, 3)).astype(np.float32) for n in (20, 40))
    counts = np.arange(40) % 3 > 0
    distance = np.linalg.norm(points[:, None] - others[None, counts], axis=-1)
    for k in (1, 2, 5):
        found = kth_distance(jnp.asarray(points), jnp.asarray(others), jnp.asarray(counts), k)
        np.testing.assert_allclose(found, np.sort(distance, axis=1)[:, k - 1], rtol=1e-4)


def test_equal_neighbours_count_one_by_one():
    others = jnp.array([[1.0], [1.0], [3.0]])
    counts = jnp.ones(3, bool)
    found = [float(kth_distance(jnp.zeros((1, 1)), others, counts, k)[0]) for k in (1, 2, 3)]
    np.testing.assert_allclose(found, [1.0, 1.0, 3.0])
    assert float(kth_distance(jnp.zeros((1, 1)), others, counts & False, 1)[0]) == 0.0


def test_a_state_is_not_its_own_neighbour():
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    source = StateEntropy(neighbour=1, window=4)
    state = ring(points, rows=4, envs=1)
    scored = source.rescore(jnp.float32(2.0), state)["entropy"][:, 0]
    np.testing.assert_allclose(scored, np.array([1.0, 1.0, 2.0, 4.0]) / 2.0, atol=1e-6)
    np.testing.assert_allclose(source.scale(state), np.std([1.0, 1.0, 2.0, 4.0]), rtol=1e-5)


def test_rows_that_were_never_filled_are_no_neighbours_and_stay():
    state = ring(np.array([[0.0], [4.0]]), rows=6, envs=1)
    source = StateEntropy(neighbour=1, window=6)
    np.testing.assert_allclose(
        source.rescore(jnp.float32(1.0), state)["entropy"][:, 0], [4.0, 4.0, 0, 0, 0, 0], atol=1e-6
    )


def test_new_steps_are_scored_by_what_is_in_replay():
    state = ring(np.array([[0.0], [1.0], [2.0]]), rows=3, envs=1)
    steps = replay.gather(state, jnp.zeros((1, 1), jnp.int32), jnp.zeros((1, 1), jnp.int32))
    steps = steps._replace(next_obs=jnp.full((1, 1, 1), 5.0))
    columns, _ = StateEntropy(neighbour=2, window=3).score(jnp.float32(1.0), steps, state)
    np.testing.assert_allclose(columns["entropy"], [[4.0]], atol=1e-5)
