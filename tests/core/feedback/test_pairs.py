"""Choosing pairs: worth in closed form, what is kept of a pool, and what a run's clips are."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.feedback import sampling as pairs
from core_jax.runs import run_folder
from core_jax.runs.config import check
from core_jax.training.reward_input import make_sight
from core_jax.training.train import make_train


def test_disagreement_is_the_spread_of_the_members_answers():
    even = jnp.zeros((4, 1, 2))
    split = jnp.array([[[0.0, 40.0]], [[40.0, 0.0]], [[0.0, 40.0]], [[40.0, 0.0]]])  # p 1, 0, 1, 0
    one = jnp.array([[[0.0, jnp.log(3.0)]], [[0.0, 0.0]]])  # p 3/4, 1/2
    np.testing.assert_allclose(pairs.disagreement(even), [0.0])
    np.testing.assert_allclose(pairs.disagreement(split), [0.5], rtol=1e-6)
    np.testing.assert_allclose(pairs.disagreement(one), [0.125], rtol=1e-6)


def test_entropy_is_of_each_member_not_of_their_mean():
    even = jnp.zeros((4, 1, 2))
    split = jnp.array([[[0.0, 200.0]], [[200.0, 0.0]]])  # each is sure, and of the other answer
    one = jnp.array([[[0.0, jnp.log(3.0)]]])
    np.testing.assert_allclose(pairs.entropy(even), [np.log(2.0)], rtol=1e-6)
    np.testing.assert_allclose(pairs.entropy(split), [0.0])
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(pairs.entropy(one), [expected], rtol=1e-5)


def test_the_worthiest_pairs_are_kept_and_those_that_look_alike_are_not():
    worth, same = jnp.array([0.1, 0.9, 0.5, 0.7]), jnp.array([False, True, False, False])
    assert pairs.best(worth, same, 2).tolist() == [6, 7, 4, 5]
    assert pairs.best(worth, same, 4).tolist() == [6, 7, 4, 5, 0, 1, 2, 3]  # alike ones come last
    # With nothing known of them the first ones are kept: they are uniform.
    assert pairs.best(jnp.zeros(4), same, 3).tolist() == [0, 1, 4, 5, 6, 7]


@pytest.mark.parametrize("seed", range(5))
def test_a_round_covers_both_rewards_quantiles(seed):
    rng = np.random.default_rng(seed)
    formal, residual = rng.permutation(40.0 * np.arange(40)), rng.permutation(np.arange(40) - 7.0)
    chosen = pairs.across_quantiles(formal, residual, jax.random.key(seed), 5)
    first, second = np.asarray(chosen).reshape(5, 2).T
    rank = lambda values: np.argsort(np.argsort(values))
    assert sorted(rank(formal)[first] // 8) == list(range(5))
    assert sorted(rank(residual)[second] // 8) == list(range(5))


def test_constant_rewards_leave_the_choice_to_chance():
    chosen = [
        pairs.across_quantiles(jnp.zeros(20), jnp.zeros(20), jax.random.key(i), 4)
        for i in range(30)
    ]
    counts = np.bincount(np.concatenate(chosen), minlength=20)
    assert counts.min() > 0 and counts.max() < 40  # 12 each on average


RULES = ("uniform", "disagreement", "entropy", "recent", "quantiles")


@pytest.fixture(scope="module")
def filled(small, train):
    """Lanes whose replay is full of noise; the older half of seed 0's worlds stand still."""
    lanes = train.init(run_folder.seed_keys(small)).lanes
    data, rng = lanes.replay.data, np.random.default_rng(0)
    noise = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), data)
    rows = data.formal.shape[1]
    numbered = jnp.broadcast_to(jnp.arange(float(rows))[:, None], data.formal.shape)
    noise = noise._replace(
        cut=jnp.zeros_like(data.cut),
        progress=numbered,
        next_obs=noise.next_obs.at[0, : rows // 2].set(0.0),
    )
    ring = lanes.replay.replace(data=noise, size=jnp.full_like(lanes.replay.size, rows))
    # Opinions large enough to be told apart.
    params = jax.tree.map(lambda x: 30.0 * x, lanes.residual.params)
    return lanes.replace(replay=ring, residual=lanes.residual.replace(params=params))


def drawn(small, filled, rule, fitted):
    config = check(
        dataclasses.replace(small, feedback=dataclasses.replace(small.feedback, pairs=rule))
    )
    part = jnp.full_like(filled.weights.residual, 0.5 if fitted else 0.0)
    lanes = filled.replace(weights=filled.weights._replace(residual=part))
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    return config, lanes, keys, jax.device_get(make_train(config).clips(lanes, keys))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_whole_clips(small, filled, rule):
    config, _, _, clips = drawn(small, filled, rule, fitted=True)
    assert clips.progress.shape == (2, 2 * config.feedback.labels_per_round, 20)
    np.testing.assert_array_equal(np.diff(clips.progress, axis=2), 1.0)


def test_uniform_pairs_are_replays_own_draw(small, filled):
    _, lanes, keys, clips = drawn(small, filled, "uniform", fitted=True)
    f = small.feedback
    draw = lambda ring, key: replay.sample_clips(
        ring, key, 2 * f.labels_per_round, f.clip_length, f.window // small.envs
    )
    for ours, theirs in zip(clips, jax.vmap(draw)(lanes.replay, keys), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("rule", ["disagreement", "entropy"])
def test_the_pool_is_worth_more_once_the_reward_is_fitted(small, filled, rule):
    def worth(fitted):
        _, lanes, _, clips = drawn(small, filled, rule, fitted)
        train = make_train(small)
        frames = train.env.spec.frame_view(clips.next_obs)
        members = make_sight(small, train.env).model.members
        rewards = jax.vmap(members)(lanes.residual, frames).sum(-1)  # [S, E, C]
        returns = rewards.reshape(*rewards.shape[:2], -1, 2)
        # A pair of which nothing moved is never asked about while there are others.
        same = jnp.max(jnp.abs(clips.next_obs[:, ::2] - clips.next_obs[:, 1::2]), axis=(2, 3)) == 0
        return np.asarray(jax.vmap(getattr(pairs, rule))(returns)).mean(), same.any()

    (before, still_before), (after, still_after) = worth(False), worth(True)
    assert after > before and not still_before and not still_after


def test_recent_clips_are_newer(small, filled):
    ages = []
    for rule in ("uniform", "recent"):
        _, lanes, _, clips = drawn(small, filled, rule, fitted=True)
        ages.append(lanes.replay.size[0] - clips.progress[:, :, -1] - 1)
    assert ages[1].mean() < ages[0].mean()
