"""Choosing pairs: worth in closed form, what is kept of a pool, and what a run's clips are."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.feedback import sampling as pairs
from core_jax.feedback.collector import clip_sampler
from core_jax.feedback.config import FeedbackConfig
from core_jax.training.state import SeedState


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
ROWS, ENVS, LENGTH, PAIRS, WINDOW = 100, 10, 20, 4, 1_000


@pytest.fixture(scope="module")
def filled():
    """A seed whose replay is full of noise; `progress` numbers its rows, and the older half of its
    environments stand still."""
    rng = np.random.default_rng(0)
    noise = lambda *shape: jnp.asarray(rng.normal(size=(ROWS, ENVS, *shape)), jnp.float32)
    numbered = jnp.broadcast_to(jnp.arange(float(ROWS))[:, None], (ROWS, ENVS))
    zero = jnp.zeros((ROWS, ENVS))
    data = replay.Transition(
        obs=noise(3),
        action=noise(2),
        next_obs=noise(3).at[: ROWS // 2].set(0.0),
        target=noise(1),
        snapshot=noise(2),
        rewards={"formal": noise(), "residual": noise()},
        truth=replay.Truth(zero, numbered, zero),
        discount=zero,
        cut=zero,
    )
    return replay.ReplayState(data, jnp.int32(0), jnp.int32(ROWS))


# Three members whose opinions differ; large enough to be told apart.
MEMBERS = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3)), jnp.float32)
SOURCE = SimpleNamespace(
    name="residual",
    input=SimpleNamespace(every=1, frames=lambda obs, snapshot: obs),
    model=SimpleNamespace(
        members=lambda state, frames: jnp.tanh(jnp.einsum("em,...m->e...", state, frames))
    ),
)


@functools.cache
def drawer(rule):
    config = FeedbackConfig(labels_per_round=PAIRS, clip_length=LENGTH, window=WINDOW, pairs=rule)
    return jax.jit(clip_sampler(config, ENVS, SOURCE))


def drawn(ring, rule, fitted, key=0):
    weights = {"formal": jnp.float32(0.5), "residual": jnp.float32(0.5 if fitted else 0.0)}
    key = jax.random.key(key)
    seed = SeedState(key, None, None, None, ring, {"residual": MEMBERS}, weights)
    return jax.device_get(drawer(rule)(seed, key))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_whole_clips(filled, rule):
    clips = drawn(filled, rule, fitted=True)
    assert clips.truth.progress.shape == (2 * PAIRS, LENGTH)
    np.testing.assert_array_equal(np.diff(clips.truth.progress, axis=1), 1.0)


def test_uniform_pairs_are_replays_own_draw(filled):
    clips = drawn(filled, "uniform", fitted=True, key=3)
    expected = replay.sample_clips(filled, jax.random.key(3), 2 * PAIRS, LENGTH, WINDOW // ENVS)
    jax.tree.map(np.testing.assert_array_equal, clips, jax.device_get(expected))


@pytest.mark.parametrize("rule", ["disagreement", "entropy"])
def test_pairs_are_worth_more_once_the_reward_is_fitted(filled, rule):
    def worth(fitted):
        found = []
        for key in range(8):
            clips = drawn(filled, rule, fitted, key)
            rewards = SOURCE.model.members(MEMBERS, clips.next_obs).sum(-1)  # [E, C]
            # A pair of clips in which nothing moved is never asked about while there are others.
            still = np.abs(clips.next_obs[::2] - clips.next_obs[1::2]).max(axis=(1, 2)) == 0
            assert not still.any()
            found.append(getattr(pairs, rule)(rewards.reshape(len(MEMBERS), -1, 2)).mean())
        return np.mean(found)

    assert worth(True) > worth(False) + 0.05


def test_recent_clips_are_newer(filled):
    last = lambda rule: np.mean(
        [drawn(filled, rule, True, key).truth.progress[:, -1] for key in range(8)]
    )
    assert last("recent") > last("uniform") + 5
