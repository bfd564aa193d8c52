"""Rounds of labels from asking to keeping, without a training: its functions are stood in for."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from core_jax import envs
from core_jax.agents.replay import Transition
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.rounds import InBackground
from core_jax.methods.core.residual import ResidualModule
from core_jax.models.base import Answer
from core_jax.models.failures import ChatError
from core_jax.runs.config import Config, FeedbackConfig

H, PER_ROUND = 4, 3
CONFIG = Config(
    seeds=2, seed=5, chunk=100, random_steps=100, envs=10, rollout=5,
    feedback=FeedbackConfig(labels=7, labels_per_round=PER_ROUND, first_round=200, round_every=100,
                            clip_length=H, max_lag=300),
)  # fmt: skip


class Teacher:
    """Prefers B; abstains, or fails, where it is told to."""

    name = "teacher"

    def __init__(self):
        self.asked, self.abstains, self.fails = [], set(), set()

    def prepare(self):
        pass

    def stop(self):
        pass

    def ask(self, questions, context=None):
        [question] = questions
        self.asked.append(question.key())
        if question.round in self.fails:
            raise ChatError("HTTP 503")
        if question.round in self.abstains:
            return [Answer(None, (), (), "cannot tell")]
        return [Answer(1.0, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "")]


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture
def made(env, tmp_path):
    """Makes modules over one store; `timeline` says which clips they would draw."""
    store, open_ = LabelStore(tmp_path / "labels.sqlite"), []

    def make(teacher, config=CONFIG, timeline=0):
        def clips(lanes, keys):
            rng = np.random.default_rng([timeline, lanes])
            sizes = {"next_obs": (env.observation_size,), "action": (4,), "target": (3,),
                     "snapshot": (len(env.spec.start),)}  # fmt: skip
            shape = (CONFIG.seeds, 2 * PER_ROUND, H)
            drawn = {
                name: rng.random((*shape, *sizes.get(name, ()))).astype(np.float32)
                for name in Transition._fields
            }
            return Transition(**drawn)

        train = SimpleNamespace(env=env, clips=clips)
        labelling = InBackground(teacher, store, in_flight=2)
        open_.append(labelling)
        return ResidualModule(config, train, labelling, store)

    yield make
    for labelling in open_:
        labelling.close()
    store.close()


def settle(module, env_steps, config=CONFIG):
    """Collects until nothing is under way but what had no answer."""
    module._config = dataclasses.replace(config, wait_for_labels=True)
    return module.collect(env_steps)


def test_labels_of_a_round(made):
    teacher = Teacher()
    module = made(teacher)
    module.ask(1, 200, fits=True)
    assert module.asked == PER_ROUND and module.rounds == 1
    collected = settle(module, 300)
    assert collected.fits and collected.answered and module.pending == 0
    assert collected.row["feedback"] == {
        "round": 0, "lag": 100, "asked": 3, "abstained": 0, "unanswered": 0,
    }  # fmt: skip
    labels = module.labels
    assert labels["count"].tolist() == [3, 3] and (labels["preference"][:, :3] == 1.0).all()
    np.testing.assert_allclose(labels["importance"][0, 0, 0], [0.1, 0.15, 0.2, 0.3], atol=0.051)
    assert labels["importance"][0, 0, 0, 0] == np.float32(0.1)
    assert not labels["importance"][:, 3:].any()


def test_without_importance_no_scores_are_kept(made):
    module = made(Teacher(), config := dataclasses.replace(CONFIG, importance=False))
    module.ask(1, 200, fits=True)
    settle(module, 200, config)
    assert module.labels["count"].tolist() == [3, 3] and not module.labels["importance"].any()


def test_abstentions_are_asked_but_not_kept(made):
    teacher = Teacher()
    teacher.abstains = {0}
    module = made(teacher)
    module.ask(1, 200, fits=True)
    row = settle(module, 200).row["feedback"]
    assert (row["asked"], row["abstained"]) == (3, 6)
    assert module.labels["count"].tolist() == [0, 0]


def test_rounds_end_with_the_labels(made):
    module = made(Teacher())
    for i in range(4):
        due = module.due(200 + 100 * i)
        assert due == (i < 3)
        if due:
            module.ask(i, 200 + 100 * i, fits=True)
    assert module.asked == 7
    settle(module, 500)
    assert module.labels["count"].tolist() == [7, 7]


def test_failed_questions_come_with_a_later_round(made):
    teacher = Teacher()
    teacher.fails = {0}
    module = made(teacher)
    module.ask(1, 200, fits=False)
    collected = settle(module, 200)
    assert not collected.answered and not collected.fits
    assert collected.row["feedback"]["unanswered"] == 6
    assert collected.events == ["6 of 6 questions had no answer: HTTP 503"]
    assert module.pending == 6 and module.state()[0]["entries"]
    teacher.fails = set()
    module.ask(2, 300, fits=True)
    collected = settle(module, 300)
    assert collected.fits and module.labels["count"].tolist() == [6, 6]
    first = [e[1] for e in made(teacher).state()]
    assert first == []


def test_a_killed_run_asks_nothing_twice_and_loses_nothing(made):
    """It had asked rounds 0 and 1 and saved a checkpoint in between. On its way again it draws
    other clips, because answers come at other moments: the questions of round 1 that it finds
    are the ones it has paid for."""
    teacher = Teacher()
    module = made(teacher)
    module.ask(1, 200, fits=True)
    state = module.state()  # under way
    saved = {k: np.array(v) for k, v in module.labels.items()}
    assert len(state) == 1 and state[0]["index"] == 0
    settle(module, 200)
    module.ask(2, 300, fits=True)
    settle(module, 300)
    undisturbed, before = module.labels, list(teacher.asked)
    assert len(before) == 12

    resumed = made(teacher, timeline=1)
    resumed.restore(saved, state)
    settle(resumed, 200)
    resumed.ask(2, 300, fits=True)
    assert settle(resumed, 300).fits
    assert teacher.asked == before
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(resumed.labels[name], value)
    resumed.ask(3, 400, fits=True)  # one is left of seven, and new
    settle(resumed, 400)
    assert len(teacher.asked) == 14 and resumed.labels["count"].tolist() == [7, 7]


def test_from_the_beginning_what_was_paid_for_is_found(made):
    """Killed before its first checkpoint."""
    teacher = Teacher()
    module = made(teacher)
    module.ask(1, 200, fits=True)
    settle(module, 200)
    before = list(teacher.asked)
    again = made(teacher, timeline=1)
    again.ask(1, 200, fits=True)
    settle(again, 200)
    assert teacher.asked == before
    np.testing.assert_array_equal(again.labels["snapshot"], module.labels["snapshot"])
