"""Rounds of labels from asking to keeping, without a training: its functions are stood in for."""

import dataclasses
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents.replay import Transition, Truth
from core_jax.feedback.collector import CollectorSetup, PairCollector, clip_of, empty_labels
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import PairLabel
from core_jax.feedback.rounds import InBackground
from core_jax.models.failures import ChatError

H, PER_ROUND, SEEDS, FIRST_SEED = 4, 3, 2, 5
FEEDBACK = FeedbackConfig(
    labels=7, labels_per_round=PER_ROUND, first_round=200, round_every=100, clip_length=H,
    max_lag=300,
)  # fmt: skip


class Teacher:
    """Prefers B; abstains, or fails, where it is told to."""

    name, answers = "teacher", frozenset({"pair"})

    def __init__(self):
        self.asked, self.abstains, self.fails = [], set(), set()

    def prepare(self):
        pass

    def stop(self):
        pass

    def ask(self, queries, context=None):
        [query] = queries
        self.asked.append(query.key())
        if query.round in self.fails:
            raise ChatError("HTTP 503")
        if query.round in self.abstains:
            return [PairLabel(None, (), (), "cannot tell")]
        return [PairLabel(1.0, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "")]


@pytest.fixture
def made(drawer, tmp_path):
    """Makes collectors over one store; `timeline` says which clips they would draw."""
    store, open_ = LabelStore(tmp_path / "labels.sqlite"), []
    sizes = {
        "next_obs": (drawer.observation_size,),
        "action": (drawer.action_size,),
        "target": (3,),
        "snapshot": (len(drawer.spec.start),),
    }

    def make(teacher, importance=True, judge="reward", timeline=0, draw=None):
        def clips(seeds, keys):
            """Clips of a seed axis; `seeds` is a number that decides which."""
            rng = np.random.default_rng([timeline, seeds])
            draws = lambda *more: rng.random((SEEDS, 2 * PER_ROUND, H, *more)).astype(np.float32)
            wide = {name: draws(*size) for name, size in sizes.items()}
            zero = np.zeros((SEEDS, 2 * PER_ROUND, H), np.float32)
            truth = Truth(draws(), draws(), zero)
            return Transition(
                obs=wide["next_obs"], rewards={}, truth=truth, discount=zero, cut=zero, **wide
            )

        labelling = InBackground(teacher, store, in_flight=2)
        open_.append(labelling)
        setup = CollectorSetup(
            FEEDBACK, SEEDS, FIRST_SEED, drawer.spec.instruction, judge, importance, wait=False
        )
        train = SimpleNamespace(env=drawer)
        return PairCollector(setup, train, draw or clips, labelling, store)

    yield make
    for labelling in open_:
        labelling.close()
    store.close()


def settle(collector, env_steps):
    """Collects until nothing is under way but what had no answer."""
    collector.setup = dataclasses.replace(collector.setup, wait=True)
    return collector.collect(env_steps)


def test_labels_of_a_round(made):
    teacher = Teacher()
    collector = made(teacher)
    collector.ask(1, 200, fits=True)
    assert collector.asked == PER_ROUND and collector.rounds == 1
    collected = settle(collector, 300)
    assert collected.fits and collected.answered and collector.pending == 0
    assert collected.row["feedback"] == {
        "round": 0, "lag": 100, "asked": 3, "abstained": 0, "unanswered": 0,
    }  # fmt: skip
    labels = collector.labels
    assert labels["count"].tolist() == [3, 3] and (labels["preference"][:, :3] == 1.0).all()
    np.testing.assert_allclose(labels["importance"][0, 0, 0], [0.1, 0.15, 0.2, 0.3], atol=0.051)
    assert labels["importance"][0, 0, 0, 0] == np.float32(0.1)
    assert not labels["importance"][:, 3:].any()


def test_a_labels_row_holds_its_clips(made):
    collector = made(Teacher())
    collector.ask(1, 200, fits=True)
    settle(collector, 200)
    drawn = collector._draw(1, None)
    labels = collector.labels
    for s in range(SEEDS):
        # Answers of a round are kept in the order asked: clips 2i and 2i + 1 are pair i.
        for name in ("next_obs", "snapshot", "action", "target"):
            pairs = getattr(drawn, name)[s].reshape(PER_ROUND, 2, H, -1)
            np.testing.assert_array_equal(labels[name][s, :PER_ROUND], pairs)
    preferences = collector.preferences()
    np.testing.assert_array_equal(preferences.frames_a[0], labels["next_obs"][:, :, 0])
    np.testing.assert_array_equal(preferences.frames_b[1], labels["snapshot"][:, :, 1])
    np.testing.assert_array_equal(preferences.target, labels["preference"])
    np.testing.assert_array_equal(preferences.importance_b, labels["importance"][:, :, 1])
    np.testing.assert_array_equal(collector.counts(), [3, 3])


def test_room_for_every_label(drawer):
    labels = empty_labels(SEEDS, FEEDBACK, drawer)
    assert labels["next_obs"].shape == (SEEDS, 7, 2, H, drawer.observation_size)
    assert labels["snapshot"].shape == (SEEDS, 7, 2, H, len(drawer.spec.start))
    assert labels["importance"].shape == (SEEDS, 7, 2, H)
    assert not any(x.any() for x in labels.values())


def test_without_importance_no_scores_are_kept(made):
    collector = made(Teacher(), importance=False)
    collector.ask(1, 200, fits=True)
    settle(collector, 200)
    assert collector.labels["count"].tolist() == [3, 3] and not collector.labels["importance"].any()


@pytest.mark.parametrize(("judge", "field"), [("reward", "dense"), ("progress", "progress")])
def test_the_teacher_is_told_the_mean_of_what_it_compares(made, judge, field):
    rounds = []
    collector = made(Teacher(), judge=judge)
    collector.labelling = SimpleNamespace(put=rounds.append)
    collector.ask(1, 200, fits=True)
    truth = getattr(collector._draw(1, None).truth, field)
    means = [entry.mean_reward for entry in rounds[0].entries]
    np.testing.assert_allclose(means, np.repeat(truth.mean((1, 2)), PER_ROUND), rtol=1e-6)


def test_clips_that_look_the_same_are_not_asked_about(made):
    """They are skipped, not asked and not counted."""
    teacher = Teacher()
    clips = made(teacher)._draw

    def draw(seeds, keys):
        drawn = clips(seeds, keys)
        drawn.next_obs[0, 1] = drawn.next_obs[0, 0]  # pair 0 of the first seed
        return drawn

    collector = made(teacher, draw=draw)
    collector.ask(1, 200, fits=True)
    settle(collector, 200)
    assert len(teacher.asked) == 5 and collector.labels["asked"].tolist() == [2, 3]
    assert collector.labels["count"].tolist() == [2, 3] and collector.asked == 3


def test_a_clip_is_copied_to_the_host():
    zero = jnp.arange(6.0).reshape(2, 3)
    steps = Transition(
        obs=zero, action=zero + 1, next_obs=zero + 2, target=zero + 3, snapshot=zero + 4,
        rewards={}, truth=Truth(zero + 5, zero + 6, zero + 7), discount=zero, cut=zero,
    )  # fmt: skip
    clip = clip_of(steps, 1)
    assert all(isinstance(x, np.ndarray) for x in clip)
    first = {name: float(value[0]) for name, value in clip._asdict().items()}
    assert first == {"next_obs": 5, "action": 4, "target": 6, "snapshot": 7, "dense": 8,
                     "progress": 9}  # fmt: skip


def test_abstentions_are_asked_but_not_kept(made):
    teacher = Teacher()
    teacher.abstains = {0}
    collector = made(teacher)
    collector.ask(1, 200, fits=True)
    row = settle(collector, 200).row["feedback"]
    assert (row["asked"], row["abstained"]) == (3, 6)
    assert collector.labels["count"].tolist() == [0, 0] and not collector.complete
    collector.ask(2, 300, fits=True)
    settle(collector, 300)
    assert collector.labels["count"].min() > 0 and collector.complete


def test_rounds_end_with_the_labels(made):
    collector = made(Teacher())
    for i in range(4):
        assert collector.exhausted == (i == 3)
        if not collector.exhausted:
            collector.ask(i, 200 + 100 * i, fits=True)
    assert collector.asked == 7 and collector.rounds == 3
    settle(collector, 500)
    assert collector.labels["count"].tolist() == [7, 7]


def test_a_round_may_lag_by_so_many_steps_and_no_more(made):
    """Rounds that are not answered are waited for once they are `max_lag` steps old."""
    collector, asked_by = made(Teacher()), []
    answered = SimpleNamespace(
        collect=lambda steps: asked_by.append(steps) or [], pending=list, failure=""
    )
    collector.labelling = answered
    collector.collect(1_000)
    settle(collector, 1_000)
    assert asked_by == [1_000 - FEEDBACK.max_lag, 1_000]


def test_queries_without_an_answer_come_with_a_later_round(made):
    teacher = Teacher()
    teacher.fails = {0}
    collector = made(teacher)
    collector.ask(1, 200, fits=False)
    collected = settle(collector, 200)
    assert not collected.answered and not collected.fits
    assert collected.row["feedback"]["unanswered"] == 6
    assert collected.events == ["6 of 6 queries had no answer: HTTP 503"]
    assert collector.pending == 6 and collector.state()["rounds"][0]["entries"]
    teacher.fails = set()
    collector.ask(2, 300, fits=True)
    collected = settle(collector, 300)
    assert collected.fits and collector.labels["count"].tolist() == [6, 6]
    assert collector.state()["rounds"] == []


def test_a_killed_run_asks_nothing_twice_and_loses_nothing(made):
    """It had asked rounds 0 and 1 and saved a checkpoint in between. Resumed, it draws other clips,
    because answers come at other moments: the queries of round 1 that it finds are those that it
    has paid for."""
    teacher = Teacher()
    collector = made(teacher)
    collector.ask(1, 200, fits=True)
    state = collector.state()  # under way
    saved = {k: np.array(v) for k, v in collector.labels.items()}
    assert [r["index"] for r in state["rounds"]] == [0]
    settle(collector, 200)
    collector.ask(2, 300, fits=True)
    settle(collector, 300)
    undisturbed, before = collector.labels, list(teacher.asked)
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
    collector = made(teacher)
    collector.ask(1, 200, fits=True)
    settle(collector, 200)
    before = list(teacher.asked)
    again = made(teacher, timeline=1)
    again.ask(1, 200, fits=True)
    settle(again, 200)
    assert teacher.asked == before
    np.testing.assert_array_equal(again.labels["snapshot"], collector.labels["snapshot"])
