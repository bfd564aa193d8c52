"""Replay: what goes in comes out, in order, over wraps; windows and clips end where they must."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay

ENVS = 2
EXAMPLE = replay.Transition(
    obs=jnp.zeros(1),
    action=jnp.zeros(1),
    next_obs=jnp.zeros(1),
    target=jnp.zeros(1),
    snapshot=jnp.zeros(1),
    rewards={"formal": jnp.float32(0), "residual": jnp.float32(0)},
    truth=replay.Truth(jnp.float32(0), jnp.float32(0), jnp.float32(0)),
    discount=jnp.float32(0),
    cut=jnp.float32(0),
)


def rows(start, count, cut_at=(), dead_at=()):
    """`count` rows; a step's obs is 10 * row + env, its reward the row's number (in `formal`; in
    `residual` its negative)."""
    row = np.arange(start, start + count, dtype=np.float32)
    label = 10.0 * row[:, None] + np.arange(ENVS)
    cut = np.isin(row, cut_at).astype(np.float32)[:, None] * np.ones(ENVS)
    dead = np.isin(row, dead_at).astype(np.float32)[:, None] * np.ones(ENVS)
    wide = jnp.asarray(label[..., None])
    flat = jnp.asarray(np.broadcast_to(row[:, None], label.shape))
    return replay.Transition(
        obs=wide, action=wide, next_obs=wide + 10.0, target=wide, snapshot=wide,
        rewards={"formal": flat, "residual": -flat}, truth=replay.Truth(flat, flat, flat),
        discount=jnp.asarray(1.0 - dead, jnp.float32),
        cut=jnp.asarray(np.maximum(cut, dead), jnp.float32),
    )  # fmt: skip


def filled(total, capacity=12, block=4, **kinds):
    state = replay.init(EXAMPLE, capacity, ENVS)
    for start in range(0, total, block):
        state = replay.add(state, rows(start, block, **kinds))
    return state


def test_oldest_first_after_wrapping():
    state = filled(20)
    assert int(state.size) == 12
    got = replay.gather(state, jnp.arange(12), jnp.ones(12, jnp.int32))
    np.testing.assert_array_equal(got.rewards["formal"], np.arange(8, 20))
    np.testing.assert_array_equal(got.rewards["residual"], -np.arange(8, 20))
    np.testing.assert_array_equal(got.obs[:, 0], 10.0 * np.arange(8, 20) + 1)


def test_blocks_must_divide_the_rows():
    state = replay.init(EXAMPLE, 10, ENVS)
    with pytest.raises(ValueError, match="multiple of the block length"):
        replay.add(state, rows(0, 4))


def test_samples_only_what_was_written():
    state = filled(4)
    row, env = replay.sample_index(state, jax.random.key(0), (500,))
    assert int(row.max()) == 3 and int(row.min()) == 0
    assert set(np.asarray(env)) == {0, 1}


def n_step(state, row, n, gamma=0.5):
    row = jnp.asarray(row)
    env = jnp.zeros_like(row)
    return replay.gather_n_step(state, row, env, lambda t: t.rewards["formal"], n, gamma)


def test_n_step_sums_discounted_rewards():
    got = n_step(filled(12), [0, 5], 3)
    np.testing.assert_allclose(got.reward, [0 + 0.5 * 1 + 0.25 * 2, 5 + 0.5 * 6 + 0.25 * 7])
    np.testing.assert_allclose(got.discount, [0.125, 0.125])
    np.testing.assert_allclose(got.next_obs[:, 0], [30.0, 80.0])


def test_n_step_bootstraps_through_a_time_limit_and_not_through_an_end():
    truncated = n_step(filled(12, cut_at=(6,)), [5], 3)
    np.testing.assert_allclose(truncated.reward, [5 + 0.5 * 6])
    np.testing.assert_allclose(truncated.discount, [0.25])
    np.testing.assert_allclose(truncated.next_obs[:, 0], [70.0])
    ended = n_step(filled(12, dead_at=(6,)), [5], 3)
    np.testing.assert_allclose(ended.reward, truncated.reward)
    np.testing.assert_allclose(ended.discount, [0.0])


def test_n_step_window_ends_at_the_newest_row():
    got = n_step(filled(20), [11], 3)  # row 11 by age is step 19, the newest
    np.testing.assert_allclose(got.reward, [19.0])
    np.testing.assert_allclose(got.discount, [0.5])


def test_one_step_is_the_transition_itself():
    state = filled(12, dead_at=(4,))
    got = n_step(state, [3, 4], 1)
    np.testing.assert_allclose(got.discount, [0.5, 0.0])
    np.testing.assert_allclose(got.reward, [3.0, 4.0])


@pytest.mark.parametrize("total", [12, 20])
def test_clips_are_consecutive_and_within_an_episode(total):
    state = filled(total, cut_at=(5, 13, 17))
    clips = replay.sample_clips(state, jax.random.key(0), 200, 4, 100)
    steps = np.diff(np.asarray(clips.rewards["formal"]), axis=1)
    np.testing.assert_array_equal(steps, 1.0)
    assert not np.asarray(clips.cut)[:, :-1].any()
    assert len(np.unique(np.asarray(clips.rewards["formal"])[:, 0])) > 2


def test_clips_come_from_the_window():
    clips = replay.sample_clips(filled(20), jax.random.key(0), 200, 3, 5)
    assert np.asarray(clips.rewards["formal"]).min() == 15.0


def test_newer_clips_are_drawn_more_often_by_a_factor_of_e():
    state = filled(12)
    clips = replay.sample_clips(state, jax.random.key(0), 20_000, 3, 100, age=2.0)
    starts = np.asarray(clips.rewards["formal"])[:, 0].astype(int)  # rows 0 to 9
    expected = np.exp(-np.arange(10)[::-1] / 2.0)
    np.testing.assert_allclose(
        np.bincount(starts, minlength=10) / 20_000, expected / expected.sum(), atol=0.01
    )


def test_clips_of_one_step_are_single_transitions():
    """Pictures: none of them can cross the end of an episode."""
    state = filled(12, cut_at=(3, 7))
    clips = replay.sample_clips(state, jax.random.key(0), 200, 1, window=12)
    assert clips.rewards["formal"].shape == (200, 1)
    assert set(np.asarray(clips.rewards["formal"]).ravel().tolist()) == set(range(12))


def test_adding_to_all_buffers_is_adding_to_each():
    stack = lambda *trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    states = stack(filled(16), filled(16, cut_at=(14,)))
    blocks = stack(rows(16, 4), rows(50, 4))
    found, expected = replay.add_to_all(states, blocks), jax.vmap(replay.add)(states, blocks)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    with pytest.raises(ValueError, match=r"replay rows \(12\) must be a multiple"):
        replay.add_to_all(states, stack(rows(0, 5), rows(0, 5)))
    moved = {e.primitive.name for e in jax.make_jaxpr(replay.add_to_all)(states, blocks).eqns}
    assert "dynamic_update_slice" in moved and not any("scatter" in name for name in moved)
