"""Reward columns from host sources, and how columns must fit together."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from core_jax.agents.learner import ActionSpace, make_learner
from core_jax.agents.sac import SACConfig
from core_jax.reward_models.source import GroundTruth
from core_jax.training.config import TrainingConfig
from core_jax.training.host_columns import score as scored_on_host
from core_jax.training.plan import Rewards
from core_jax.training.programs import ProgramColumn
from core_jax.training.streams import seed_keys
from core_jax.training.train import make_train


class Halves:
    """A host source: 0.5 for every step; `seen` are the shapes it was given."""

    columns = ("half",)

    def __init__(self):
        self.seen = []

    def score(self, steps):
        self.seen.append(steps.cut.shape)
        assert isinstance(steps.next_obs, np.ndarray)
        return {"half": np.full(steps.cut.shape, 0.5)}


@pytest.fixture
def tiny(point):
    """Makes the functions of two seeds in two worlds, with given rewards."""

    def make(rewards):
        config = TrainingConfig(
            seeds=2, steps=40, envs=2, rollout=5, updates=1, random_steps=20, chunk=20,
            eval_episodes=1,
        )  # fmt: skip
        space = ActionSpace(point.action_size)
        settings = SACConfig(hidden=(8,), batch_size=4)
        learner = make_learner("sac", settings, point.observation_size, space)
        return make_train(config, point, learner, rewards)

    return make


def test_a_host_source_is_a_column_like_any_other(tiny):
    half = Halves()
    truth = GroundTruth("dense", "dense")
    train = tiny(Rewards({"half": 2.0, "dense": 1.0}, sources=(truth,), hosts=(half,)))
    state, row = train.train_chunk(train.init(seed_keys(0, 2)))
    assert half.seen == [(2, 5, 2)] * 2  # seeds, steps, worlds
    np.testing.assert_allclose(row["rewards"]["half"], 0.5)
    np.testing.assert_allclose(row["reward"], 1.0 + row["rewards"]["dense"], rtol=1e-6)
    data = state.seeds.replay.data
    np.testing.assert_allclose(data.rewards["half"][:, :10], 0.5)
    np.testing.assert_allclose(data.rewards["dense"], data.truth.dense)
    _, record = train.evaluate(state.seeds, seed_keys(0, 2))
    columns = train.score_record(state.seeds, jax.device_get(record), {})
    assert set(columns) == {"half", "dense"}
    assert columns["half"].shape == columns["dense"].shape == (2, train.env.spec.horizon)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"haft": np.zeros((2, 5, 2))}, r"columns \['haft'\] and declares \['half'\]"),
        ({}, r"columns \[\] and declares \['half'\]"),
        ({"half": np.zeros((2, 5))}, r"half of shape \(2, 5\), not \(2, 5, 2\)"),
    ],
)
def test_a_host_source_must_return_its_columns_in_the_steps_shape(returned, message):
    half = Halves()
    half.score = lambda steps: returned
    with pytest.raises(ValueError, match=f"Halves returned.* {message}"):
        scored_on_host(half, SimpleNamespace(cut=np.zeros((2, 5, 2))))


def test_a_weight_without_a_column_is_named(tiny):
    train = tiny(Rewards({"dense": 1.0, "dence": 1.0}, sources=(GroundTruth("dense", "dense"),)))
    state = jax.eval_shape(train.init, seed_keys(0, 2))
    with pytest.raises(ValueError, match=r"no reward column \['dence'\]; there are \['dense'\]"):
        jax.eval_shape(train.train_chunk, state)


def test_two_sources_of_one_column_are_refused():
    dense = GroundTruth("dense", "formal")
    column = ProgramColumn("formal", limit=1.0)
    with pytest.raises(ValueError, match="two reward sources fill the column formal"):
        _ = Rewards({"formal": 1.0}, sources=(dense, dense)).columns
    with pytest.raises(ValueError, match="two reward sources fill the column formal"):
        _ = Rewards({"formal": 1.0}, sources=(dense,), programs=(column,)).columns
