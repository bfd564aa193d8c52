"""Rounds that are answered in the background: what is asked, handed back, asked again."""

import threading

import numpy as np
import pytest

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Clip, Pair, PairLabel, Single
from core_jax.feedback.rounds import AtOnce, Entry, InBackground, Round, rounds_of, state_of
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.models import AccessError, BudgetError, ChatError


def entries(count, round=0, seeds=1):
    rng = np.random.default_rng(round)
    found = []
    for seed in range(seeds):
        for _ in range(count):
            clips = [
                Clip(*(rng.random((3, 2), np.float32) for _ in range(4)), *rng.random((2, 3)))
                for _ in range(2)
            ]
            found.append(Entry(seed, Pair(*clips, "task", seed, round), 0.5))
    return tuple(found)


class Slow:
    """Answers when it is let: all questions, or those of some rounds."""

    name, answers = "slow", frozenset({"pair"})

    def __init__(self):
        self.asked, self.free, self.stopped = [], set(), False
        self.failing: dict[int, Exception] = {}  # by round
        self._let = threading.Condition()

    def prepare(self):
        pass

    def stop(self):
        self.stopped = True
        self.let(*range(100))

    def let(self, *rounds):
        with self._let:
            self.free |= set(rounds)
            self._let.notify_all()

    def ask(self, questions, context=None):
        [question] = questions
        self.asked.append(question.key())
        with self._let:
            self._let.wait_for(lambda: question.round in self.free)
        if question.round in self.failing:
            raise self.failing[question.round]
        return [PairLabel(1.0, (), (), f"round {question.round}")]


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


@pytest.fixture
def teacher():
    return Slow()


@pytest.fixture
def labelling(teacher, store):
    labelling = InBackground(teacher, store, in_flight=4)
    yield labelling
    labelling.close()


def keys(*entries):
    return sorted(e.query.key() for some in entries for e in some)


def test_a_round_is_handed_back_once_it_is_answered(labelling, teacher, store):
    first, second = entries(3, 0, seeds=2), entries(3, 1)
    labelling.put(Round(0, 1_000, True, first))
    assert store.open("slow") == [e.query.key() for e in first]  # before it is sent
    assert labelling.collect(asked_by=0) == [] and labelling.waited < 1
    labelling.put(Round(1, 2_000, False, second))
    assert [r.index for r in labelling.pending()] == [0, 1]
    teacher.let(1)
    teacher.let(0)
    arrived = labelling.collect(asked_by=2_000)
    assert [(a.round.index, a.round.fits) for a in arrived] == [(0, True), (1, False)]
    assert arrived[0].round.entries == first
    assert [a.reason for a in arrived[0].labels] == ["round 0"] * 6
    assert labelling.pending() == [] == labelling.collect(asked_by=9_000)
    assert keys(first, second) == sorted(teacher.asked)
    assert store.progress()["slow"].decided == 9


def test_a_later_round_does_not_wait_for_an_earlier_one(labelling, teacher):
    labelling.put(Round(0, 0, False, entries(2, 0)))
    labelling.put(Round(1, 100, False, entries(2, 1)))
    teacher.let(1)
    while not (arrived := labelling.collect(asked_by=-1)):
        pass
    assert [a.round.index for a in arrived] == [1]
    assert [r.index for r in labelling.pending()] == [0]


def test_no_more_than_so_many_are_under_way(labelling, teacher):
    labelling.put(Round(0, 0, False, entries(20)))
    teacher.let(1)
    assert len(teacher.asked) <= 4
    teacher.let(0)
    labelling.collect(asked_by=0)
    assert len(teacher.asked) == 20


def test_a_round_that_may_not_lag_any_longer_is_waited_for(labelling, teacher):
    labelling.put(Round(0, 100, False, entries(2, 0)))
    timer = threading.Timer(0.3, teacher.let, (0,))
    timer.start()
    assert labelling.collect(asked_by=99) == []
    [arrived] = labelling.collect(asked_by=100)
    assert arrived.round.index == 0 and labelling.waited > 0.1


def test_what_had_no_answer_is_asked_again_with_the_next_round(labelling, teacher, store):
    first, second = entries(2, 0), entries(2, 1)
    teacher.failing[0] = ChatError("HTTP 503")
    teacher.let(0, 1)
    labelling.put(Round(0, 100, True, first))
    [arrived] = labelling.collect(asked_by=100)
    assert arrived.labels == [None, None] and labelling.problem is None
    assert store.open("slow") == [e.query.key() for e in first]
    assert store.exchanges(first[0].query.key(), "slow")[0].problem == "HTTP 503"
    [left] = labelling.pending()
    assert left.entries == first
    teacher.failing.clear()
    labelling.put(Round(1, 200, True, second))
    [arrived] = labelling.collect(asked_by=200)
    assert arrived.round.entries == (*first, *second)
    assert all(a.preference == 1.0 for a in arrived.labels)
    assert store.open("slow") == [] and labelling.pending() == []


@pytest.mark.parametrize("problem", [BudgetError(5.0, 4.0, 0.0, 2.0), AccessError("wrong key")])
def test_what_stops_the_teacher_for_good(problem, labelling, teacher, store):
    first, second = entries(6, 0), entries(3, 1)
    teacher.let(0)
    labelling.put(Round(0, 100, True, first))
    labelling.collect(asked_by=100)
    teacher.failing[1] = problem
    labelling.put(Round(1, 200, True, second))
    teacher.let(1)
    [arrived] = labelling.collect(asked_by=200)
    assert labelling.problem is problem and arrived.labels == [None] * 3
    assert labelling.pending()[0].entries == second
    labelling.put(Round(2, 300, True, entries(3, 2)))
    labelling.collect(asked_by=300)
    assert not set(keys(entries(3, 2))) & set(teacher.asked)  # nothing more is asked
    assert store.progress()["slow"].decided == 6


def test_a_teacher_that_answers_nothing_is_a_problem_after_some_rounds(teacher, store):
    labelling = InBackground(teacher, store, in_flight=2, max_unanswered_rounds=3)
    teacher.failing = {i: ChatError("HTTP 410: decommissioned") for i in (0, 1, 3, 4, 5)}
    teacher.let(*range(9))
    seen = []
    for i in range(8):
        labelling.put(Round(i, 100 * i, True, entries(2, i)))
        labelling.collect(asked_by=100 * i)
        seen.append(labelling.problem)
        if labelling.problem:
            break
    # Round 2 is answered, so that rounds 3 to 5 are the first three in a row.
    assert [problem is None for problem in seen] == [True] * 5 + [False]
    assert "slow answered no question in 3 rounds in a row" in str(labelling.problem)
    assert "HTTP 410: decommissioned" in str(labelling.problem)
    assert store.progress()["slow"].decided == 2
    labelling.close()


def test_a_question_that_the_teacher_cannot_answer_is_refused(labelling, store):
    query = Single(entries(1)[0].query.a, "rating", 3, "task", 0, 0)
    with pytest.raises(ValueError, match="teacher slow cannot answer 'rating'; it answers: pair"):
        labelling.put(Round(0, 100, True, (Entry(0, query),)))
    assert list(store.questions()) == []


def test_what_is_under_way_survives_a_checkpoint(labelling, teacher, store):
    """A resumed run asks what has no answer, and only that."""
    teacher.failing[0] = ChatError("down")
    teacher.let(0, 1)
    failed, half, waiting = entries(2, 0, seeds=2), entries(3, 1), entries(2, 2)
    labelling.put(Round(0, 100, True, failed))
    labelling.collect(asked_by=100)
    failed_state = state_of(labelling.pending())
    store.put("slow", [e.query for e in half], 200, 0.5)
    store.answer(half[1].query.key(), "slow", PairLabel(0.0, (), (), "before the kill"))
    store.put("slow", [e.query for e in waiting], 300, 0.5)
    rounds = [Round(1, 200, True, half), Round(2, 300, False, waiting)]
    state = failed_state + state_of(rounds)

    another = Slow()
    another.let(0, 1, 2)
    resumed = InBackground(another, store, in_flight=2)
    for round in rounds_of(state, store):
        resumed.put_again(round)
    arrived = resumed.collect(asked_by=300)
    assert [(a.round.index, a.round.fits) for a in arrived] == [(0, False), (1, True), (2, False)]
    assert [e.seed_index for e in arrived[0].round.entries] == [0, 0, 1, 1]
    assert [a.reason for a in arrived[1].labels] == ["round 1", "before the kill", "round 1"]
    assert sorted(another.asked) == keys(failed, (half[0], half[2]), waiting)
    resumed.close()


def test_the_same_question_twice_is_asked_once(labelling, teacher):
    [entry] = entries(1)
    labelling.put(Round(0, 100, False, (entry, entry, entry._replace(seed_index=1))))
    teacher.let(0)
    [arrived] = labelling.collect(asked_by=100)
    assert len(arrived.labels) == 3 and len(teacher.asked) == 1


def test_the_end_waits_only_for_what_is_paid(teacher, store):
    labelling = InBackground(teacher, store, in_flight=2)
    labelling.put(Round(0, 100, False, entries(10)))
    while len(teacher.asked) < 2:
        pass
    labelling.close()  # lets those two finish
    assert teacher.stopped and len(teacher.asked) == 2
    assert store.progress()["slow"].decided == 2 and store.progress()["slow"].open == 8


def test_a_broken_teacher_is_an_error(labelling, teacher):
    teacher.failing[0] = KeyError("a bug")
    teacher.let(0)
    labelling.put(Round(0, 100, False, entries(1)))
    with pytest.raises(KeyError):
        labelling.collect(asked_by=100)


def test_a_scripted_teacher_answers_at_once(store):
    """And exactly what it answers when it is asked directly."""
    teacher = ScriptedTeacher(ScriptedConfig("noisy"))
    asked = entries(4, seeds=2)
    labelling = AtOnce(teacher, store)
    labelling.put(Round(0, 100, True, asked))
    [arrived] = labelling.collect(asked_by=-1)
    assert arrived.labels == teacher.ask([e.query for e in asked], 0.5)
    assert labelling.collect(asked_by=100) == labelling.pending() == []
    assert [a.mean_reward for a in store.questions()] == [0.5] * 8
