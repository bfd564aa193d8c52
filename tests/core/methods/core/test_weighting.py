"""How much each of CoRe's rewards weighs, and what the residual reward is to explain."""

import dataclasses
import json
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.methods.core import residual as residual_file
from core_jax.methods.core import weighting
from core_jax.methods.core.config import CoreConfig
from core_jax.methods.core.residual import ResidualReward
from core_jax.methods.core.weighting import Record
from core_jax.reward_models.preference import Preferences


def test_the_weight_is_the_share_of_log_odds():
    record = Record(99, (True,) * 60 + (False,) * 20, (True,) * 50 + (False,) * 30)
    formal, residual = np.log(61 / 21), np.log(51 / 31)
    assert weighting.alpha(record, 0.5) == pytest.approx(residual / (formal + residual))
    # Right about half of them: nothing is known of that reward, and it weighs nothing.
    half = dataclasses.replace(record, residual=(True, False) * 40)
    assert weighting.alpha(half, 0.5) == 0.0
    assert weighting.alpha(dataclasses.replace(half, formal=(False,) * 80), 0.3) == 0.3
    assert weighting.alpha(Record(19, (True,) * 19, (False,) * 19), 0.3) == 0.3, "too few labels"


def test_equal_labels_do_not_count_and_old_ones_are_forgotten():
    formal = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    residual = np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 1.0], [2.0, 0.0]])
    preference = np.array([1.0, 0.0, 0.5, 1.0])
    record = weighting.added(Record(5, (False,), (False,)), formal, residual, preference)
    assert record == Record(9, (False, True, True, True), (False, True, False, False))
    for _ in range(40):
        record = weighting.added(record, formal, residual, preference)
    assert record.seen == 169 and len(record.formal) == len(record.residual) == weighting.NEWEST
    assert record == weighting.from_json(json.loads(json.dumps(dataclasses.asdict(record))))


ROWS, LENGTH = 6, 4


class Formal:
    """In place of the formal rewards: a clip's return is a multiple of its first numbers' sum."""

    written = SimpleNamespace(current=["a reward", "another"])

    def returns(self, labels, s, limit):
        assert limit == 1.0
        return (s + 1.0) * labels["next_obs"][s, ..., 0].sum(-1)


class Collector:
    """In place of the labels of two seeds."""

    def __init__(self):
        rng = np.random.default_rng(0)
        shape = (2, ROWS, 2, LENGTH)
        self.labels = {
            "next_obs": rng.normal(size=(*shape, 3)).astype(np.float32),
            "snapshot": np.zeros((*shape, 1), np.float32),
            "preference": rng.integers(0, 2, (2, ROWS)).astype(np.float32),
            "count": np.array([3, 4]),
            "fits": np.int32(0),
        }

    def preferences(self):
        frames = jnp.asarray(self.labels["next_obs"])
        return Preferences(frames[:, :, 0], frames[:, :, 1], self.labels["preference"])

    def counts(self):
        return jnp.asarray(self.labels["count"])


class Learned:
    """In place of the fits: remembers what they were given."""

    def __init__(self, train, source, first_seed, weights, critic_updates, every):
        self.weights, self.given = weights, []

    def fit_to(self, seeds, labels, counts, fits):
        self.given.append(labels)
        return seeds, {"fit_loss": 0.0}


class Seeds(SimpleNamespace):
    def replace(self, **values):
        return Seeds(**{**vars(self), **values})


@pytest.fixture
def fitted(monkeypatch):
    """A residual reward without a network; as judged, it prefers the clip with the larger second
    number."""

    def build(**fields):
        source = SimpleNamespace(compiler_options=None)
        judge = lambda seeds, next_obs, snapshot: next_obs[..., 1].mean(-1)
        train = SimpleNamespace(stage=lambda *_, **__: judge)
        monkeypatch.setattr(residual_file, "LearnedReward", Learned)
        monkeypatch.setattr(residual_file, "residual_source", lambda _: source)
        context = SimpleNamespace(seeds=2, seed=0)
        feedback = dataclasses.replace(CoreConfig().feedback, labels=ROWS, labels_per_round=2,
                                       alpha=0.25)  # fmt: skip
        config = CoreConfig(feedback=feedback, **fields)
        return ResidualReward(config, context, train, Collector(), Formal())  # pyright: ignore

    return build


def test_the_remainder_is_what_the_formal_reward_leaves(fitted):
    reward = fitted(residual_target="remainder")
    reward.fit(Seeds(weights={}))
    [given], labels = reward._learned.given, reward._collector.labels
    returns = labels["next_obs"][..., 0].sum(-1) * np.array([1.0, 2.0])[:, None, None]
    # a = 1/4: in units of R, F counts three times.
    np.testing.assert_allclose(given.offset, 3.0 * (returns[..., 1] - returns[..., 0]), rtol=1e-5)
    alone = fitted()
    alone.fit(Seeds(weights={}))
    assert alone._learned.given[0].offset is None


def test_the_residual_reward_earns_its_weight():
    shares = {0.0: 0.0, 0.5: 0.0, 0.625: 0.25, 0.75: 0.5, 1.0: 0.5}
    for share, expected in shares.items():
        # One right and one wrong answer are added to these.
        hits = round(share * 80)
        record = Record(78, (), (True,) * (hits - 1) + (False,) * (79 - hits))
        assert weighting.earned(record, 0.5) == pytest.approx(expected), share
    assert weighting.earned(Record(19, (), (True,) * 19), 0.5) == 0.0, "too few labels"


def test_a_weight_that_is_earned_starts_at_nothing(fitted, monkeypatch):
    monkeypatch.setattr(weighting, "LEAST", 1)
    reward = fitted(weighting="earned")
    seeds, metrics = reward.fit(Seeds(weights={}))
    np.testing.assert_array_equal(metrics["alpha"], [0.0, 0.0])
    reward._collector.labels["count"] = np.array([6, 5])
    seeds, metrics = reward.fit(seeds)
    expected = [weighting.earned(Record(**state), 0.25) for state in reward.state()]
    np.testing.assert_allclose(seeds.weights["residual"], expected)
    np.testing.assert_allclose(seeds.weights["formal"], 1.0 - np.array(expected))


def test_rewards_are_judged_by_labels_that_no_fit_has_seen(fitted, monkeypatch):
    monkeypatch.setattr(weighting, "LEAST", 1)
    reward = fitted(weighting="agreement")
    seeds, metrics = reward.fit(Seeds(weights={}))
    np.testing.assert_array_equal(metrics["alpha"], [0.25, 0.25])
    labels = reward._collector.labels
    labels["count"] = np.array([6, 5])
    labels["preference"][1, 4] = 0.5  # the second seed's only new label says nothing
    seeds, metrics = reward.fit(seeds)
    first, second = reward.state()
    returns = labels["next_obs"][0, 3:6].sum(2)
    right = (returns[..., 1, :] > returns[..., 0, :]) == (labels["preference"][0, 3:6, None] > 0.5)
    assert first == {"seen": 6, "formal": tuple(right[:, 0]), "residual": tuple(right[:, 1])}
    assert second == {"seen": 5, "formal": (), "residual": ()}
    expected = [weighting.alpha(Record(**first), 0.25), 0.25]
    np.testing.assert_allclose(seeds.weights["residual"], expected)
    np.testing.assert_allclose(seeds.weights["formal"], 1.0 - np.array(expected))
    again = fitted(weighting="agreement")
    again.restore(json.loads(json.dumps(reward.state())))
    assert again.state() == [first, second]
