"""A reward learned from preferences during a run: what its first fit changes, and when replay is
rescored."""

import dataclasses
from types import SimpleNamespace

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.methods.core.algorithm import CoreRun
from core_jax.methods.preferences import LearnedReward, PreferenceRun, check_clips
from core_jax.methods.triggers import Arrived
from core_jax.training.streams import Stream, stream_keys

SEEDS, FIRST = 2, 5


@flax.struct.dataclass
class Seeds:
    """What a fit reads and changes of a seed."""

    key: jax.Array
    sources: dict
    weights: dict
    critic: jax.Array


class Train:
    """In place of a run's functions: keeps what was called."""

    def __init__(self, on_policy=False):
        self.calls = []
        self.plan = SimpleNamespace(learner=SimpleNamespace(on_policy=on_policy))

    def over_seeds(self, f, name, shared=(), donate=False, options=None):
        def call(*args):
            self.calls.append(name)
            return jax.vmap(f)(*args)

        return call

    def stage(self, f, part, fields, options=None, name=""):
        return self.over_seeds(lambda *args: f(part, *args), name)

    def rescore(self, seeds, name):
        self.calls.append(f"rescore {name}")
        return seeds

    def reset_value(self, seeds):
        self.calls.append("reset_value")
        return seeds.replace(critic=jnp.zeros_like(seeds.critic))

    def learn(self, seeds, updates):
        self.calls.append(f"learn {updates}")
        return seeds, {}


class Source:
    """Its state is the number of labels, and a number drawn at the fit."""

    name, compiler_options = "residual", None
    input = SimpleNamespace(scaled=False)

    def fit(self, state, labels, count, key):
        return (count, jax.random.uniform(key)), {"loss": labels.mean()}


@pytest.fixture
def collector():
    return SimpleNamespace(
        setup=SimpleNamespace(seeds=SEEDS),
        preferences=lambda: jnp.array([[0.0, 1.0], [1.0, 1.0]]),
        counts=lambda: jnp.array([3, 4]),
    )


@pytest.fixture
def seeds():
    return Seeds(
        key=jax.vmap(jax.random.key)(jnp.arange(SEEDS)),
        sources={"residual": (jnp.zeros(SEEDS, jnp.int32), jnp.zeros(SEEDS)), "other": jnp.ones(2)},
        weights={"formal": jnp.ones(SEEDS), "residual": jnp.zeros(SEEDS)},
        critic=jnp.ones(SEEDS),
    )


def learned(train, every):
    return LearnedReward(train, Source(), FIRST, {"formal": 0.75, "residual": 0.25}, 7, every)


def test_the_first_fit_switches_the_reward_on_and_starts_the_critics_afresh(seeds, collector):
    train = Train()
    after, metrics = learned(train, 1).fit(seeds, collector, 0)
    assert train.calls == ["standardise", "fit", "rescore residual", "reset_value", "learn 7"]
    np.testing.assert_allclose(after.weights["formal"], [0.75, 0.75])
    np.testing.assert_allclose(after.weights["residual"], [0.25, 0.25])
    np.testing.assert_array_equal(after.critic, 0.0)
    np.testing.assert_array_equal(after.sources["residual"][0], [3, 4])
    np.testing.assert_array_equal(after.sources["other"], seeds.sources["other"])
    assert metrics.keys() == {"fit_loss"}
    np.testing.assert_allclose(metrics["fit_loss"], [0.5, 1.0])


@pytest.mark.parametrize("kind", [PreferenceRun, CoreRun])
def test_nothing_is_fitted_before_every_seed_has_a_label(kind):
    """Answers came, and all were abstentions of one seed: the reward and the critics stay."""
    collector = SimpleNamespace(complete=False)  # whatever a fit reads besides is not there
    run = SimpleNamespace(collector=collector, residual=object())
    before = object()
    at = SimpleNamespace(arrived=Arrived(answered=True, fits=True), seeds=before, row={})
    kind.fit(run, at)
    assert at.seeds is before and at.row == {}
    collector.complete = True
    with pytest.raises(AttributeError):
        kind.fit(run, at)


def test_later_fits_change_the_source_alone(seeds, collector):
    train = Train()
    after, _ = learned(train, 1).fit(seeds, collector, 1)
    assert train.calls == ["fit", "rescore residual"]
    np.testing.assert_array_equal(after.critic, seeds.critic)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, after.weights, seeds.weights))


@pytest.mark.parametrize("every", [1, 3, 4])
def test_replay_is_rescored_after_the_first_two_fits_and_then_every_few(seeds, collector, every):
    rescored = []
    for fits in range(13):
        train = Train()
        learned(train, every).fit(seeds, collector, fits)
        if "rescore residual" in train.calls:
            rescored.append(fits)
    assert rescored == sorted({0, 1} | {i for i in range(2, 13) if i % every == 0})


def test_a_fit_draws_from_its_own_stream_and_not_from_the_seeds_key(seeds, collector):
    train = Train()
    for fits in (1, 2):
        after, _ = learned(train, 1).fit(seeds, collector, fits)
        expected = jax.vmap(jax.random.uniform)(stream_keys(FIRST, SEEDS, Stream.FIT, fits))
        np.testing.assert_array_equal(after.sources["residual"][1], expected)
        numbers = [jax.random.key_data(x.key) for x in (after, seeds)]
        np.testing.assert_array_equal(*numbers)


def test_an_on_policy_learner_makes_no_updates_from_replay(seeds, collector):
    train = Train(on_policy=True)
    learned(train, 1).fit(seeds, collector, 0)
    assert train.calls[-1] == "reset_value"


def test_two_clips_must_fit_into_the_random_steps_and_one_into_an_episode(small, drawer):
    feedback, training = small.settings.feedback, small.training
    check_clips(feedback, training, drawer.spec)
    few = dataclasses.replace(training, random_steps=399)
    with pytest.raises(ValueError, match=r"random_steps \(399\) must be at least 400: two clips"):
        check_clips(feedback, few, drawer.spec)
    long = dataclasses.replace(feedback, clip_length=drawer.spec.horizon + 1)
    many = dataclasses.replace(training, random_steps=10**6)
    with pytest.raises(ValueError, match=r"clip_length \(501\) must be at most 500, an episode"):
        check_clips(long, many, drawer.spec)
