"""The label store: what is asked, shown, said and answered, by whom, and what a kill leaves."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from random_queries import clip, questions, single

from core_jax.feedback.labels import (
    Counts,
    Exchange,
    Frame,
    LabelStore,
)
from core_jax.feedback.queries import (
    Order,
    OrderLabel,
    Pair,
    PairLabel,
    SingleLabel,
)
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


LABEL = PairLabel(1.0, (0.1, 1 / 3), (0.2, 0.7), "closer", 12, 0.1, 0.75, (0, 2), 2.5)


class Counting:
    name, answers = "counting", frozenset({"pair"})

    def __init__(self):
        self.asked, self._teacher = 0, ScriptedTeacher(ScriptedConfig("noisy"))

    def ask(self, questions, context=None):
        self.asked += len(questions)
        return self._teacher.ask(questions, context)


def test_an_answer_is_paid_for_once(store):
    teacher = Counting()
    first = store.ask(teacher, questions(4), 100, None)
    again = LabelStore(store.path)
    assert again.ask(teacher, questions(4), 100, None) == first
    assert teacher.asked == 4
    again.ask(teacher, questions(2, round=2) + questions(1, offset=1.0, round=2), 200, None)
    assert teacher.asked == 5
    # Two of round 2's questions are round 1's.
    assert len(again.rows()) == 7 and again.progress()["counting"].asked == 5
    again.close()


def test_abstention_is_stored_as_such(store):
    teacher = ScriptedTeacher(ScriptedConfig(abstain=1.0))
    [answer] = store.ask(teacher, questions(1), 0, None)
    assert answer.preference is None
    assert store.find(questions(1)[0].key(), teacher.name).preference is None
    assert store.progress()[teacher.name] == Counts(1, 0, 1, 0, 0, 0.0)


def test_a_question_comes_back_as_it_was(store):
    asked = questions(3)
    keys = store.put("vlm", asked, 4_000, mean_reward=0.25)
    found = list(store.questions())
    assert [f.key for f in found] == keys == store.open("vlm")
    assert [(f.position, f.env_steps, f.mean_reward) for f in found] == [
        (i, 4_000, 0.25) for i in range(3)
    ]
    for ours, theirs in zip(asked, found, strict=True):
        assert theirs.question.key() == ours.key() == theirs.key
        for side in ("a", "b"):
            for x, y in zip(getattr(ours, side), getattr(theirs.question, side), strict=True):
                np.testing.assert_array_equal(x, y)
    assert store.question(keys[1]).position == 1
    assert list(store.questions(seed=1)) == list(store.questions(round=2)) == []
    with pytest.raises(ValueError, match="has another question at .0, 1, 0."):
        store.put("vlm", questions(1, offset=1.0), 8_000)


def test_several_teachers_answer_the_same_question(store):
    [key] = store.put("vlm", questions(1), 0)
    first = PairLabel(1.0, (0.1, 0.2), (0.3, 0.4), "closer", 10, 0.5, confidence=0.75, seconds=2.0)
    assert store.answer(key, "vlm", first)
    assert not store.answer(key, "vlm", first._replace(preference=0.0))  # the first one stays
    ann = PairLabel(None, (), (), "cannot tell", ratings=(0, 2))
    assert store.open("person:ann") == []
    store.put_to("person:ann", key)
    assert store.open("person:ann") == [key]
    assert store.answer(key, "person:ann", ann)
    assert store.answers(key) == {"vlm": first, "person:ann": ann}
    assert store.find(key, "nobody") is None
    assert store.progress() == {
        "vlm": Counts(1, 1, 0, 0, 10, 0.5),
        "person:ann": Counts(1, 0, 1, 0, 0, 0.0),
    }
    with pytest.raises(ValueError, match="has no question none"):
        store.answer("none", "vlm", first)


def test_pictures_and_what_was_said(store):
    first, second = store.put("vlm", questions(2), 0)
    frames = [Frame("start", 0, b"s"), Frame("a", 0, b"x"), Frame("a", 19, b"y")]
    for key in (first, second):
        store.show(key, "vlm", [*frames[::-1], Frame("b", 0, key.encode())])
    assert store.frames(first)[:3] == store.frames(first, "vlm")[:3] == frames
    assert store.frames(first, "ann") == store.frames("none") == []
    with sqlite3.connect(store.path) as db:  # start and both of A are kept once
        assert db.execute("SELECT COUNT(*) FROM pictures").fetchone() == (5,)
    said = Exchange("decision", "m", [["user", [{"png": "0"}]]], "B", "", 12, 0.1, 1.5)
    store.exchange(first, "vlm", said)
    assert store.exchanges(first, "vlm") == [said] and store.exchanges(second, "vlm") == []


def test_threads_share_a_store(store):
    """Every thread writes rounds of its own and reads those of the others."""
    failed = []

    def work(i):
        try:
            for j in range(5):
                asked = questions(2, offset=10.0 * i + j, round=10 * i + j)
                for key in store.put("vlm", asked, 0):
                    store.show(key, "vlm", [Frame("a", 0, key.encode())])
                    store.answer(key, "vlm", PairLabel(0.0, (), (), ""))
                store.progress()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and store.progress()["vlm"].decided == 40


def test_a_failed_transaction_leaves_nothing(store):
    bad = questions(2)[1]._replace(instruction=object())  # not hashable into a key
    with pytest.raises(AttributeError):
        store.put("vlm", [questions(1)[0], bad], 0)
    broken = questions(2)[1]._replace(round="x" * 3, seed=None)  # a seed is NOT NULL
    with pytest.raises((sqlite3.IntegrityError, ValueError)):
        store.put("vlm", [questions(1)[0], broken], 0)
    assert list(store.questions()) == [] and store.open("vlm") == []


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from random_queries import questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import PairLabel
store = LabelStore(sys.argv[3])
keys = store.put("vlm", questions(3), 0)
store.answer(keys[0], "vlm", PairLabel(1.0, (), (), ""))
store.database.connection.execute("BEGIN IMMEDIATE")
store.database.connection.execute("DELETE FROM answers")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_kill_leaves_what_was_written(tmp_path):
    path = tmp_path / "labels.sqlite"
    code = [sys.executable, "-c", KILLED, str(ROOT), str(Path(__file__).parents[1]), str(path)]
    assert subprocess.run(code).returncode == -signal.SIGKILL
    store = LabelStore(path)
    assert store.progress()["vlm"] == Counts(3, 1, 0, 2, 0, 0.0)
    assert store.open("vlm") == [q.key() for q in questions(3)[1:]]
    # Nor may a commit be lost with the machine's power.
    safe = {"journal_mode": "wal", "synchronous": 2}  # 2: FULL
    assert {p: store.database.connection.execute(f"PRAGMA {p}").fetchone()[0] for p in safe} == safe
    store.close()


def test_all_kinds_of_queries_and_labels_come_back_as_they_were(store):
    asked = [
        single(clip(0)),
        single(clip(0, 4), "progress", None),
        single(clip(1), "completion", None),
        Order((clip(0), clip(1), clip(2)), "task", 0, 5),
        Pair(clip(0), clip(1), "task", 0, 5),
    ]
    given = [
        SingleLabel(2.0, "good", 3, 0.25, 0.5, 1.5),
        SingleLabel(1 / 3, "a third"),
        SingleLabel(None, "cannot tell"),
        OrderLabel((2, 0, 1), "", 3, 0.25, 0.5, 1.5),
        LABEL,
    ]
    keys = store.put("vlm", asked, 4_000)
    for key, label in zip(keys, given, strict=True):
        assert store.answer(key, "vlm", label)
    found = list(store.questions())
    for ours, theirs in zip(asked, found, strict=True):
        assert type(theirs.question) is type(ours) and theirs.question.key() == ours.key()
        assert (theirs.question.seed, theirs.question.round) == (0, 5)
        for role, shown in ours.shown.items():
            for x, y in zip(shown, theirs.question.shown[role], strict=True):
                np.testing.assert_array_equal(x, y)
    assert found[0].question.classes == 3 and found[1].question.asks == "progress"
    assert [store.find(key, "vlm") for key in keys] == given
    assert [row.label for row in store.rows()] == given
    assert store.progress()["vlm"] == Counts(5, 4, 1, 0, 18, 0.6)
    frames = [Frame(str(i), 0, b"x") for i in range(12)]
    store.show(keys[3], "vlm", frames[::-1])
    assert store.frames(keys[3], "vlm") == frames


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (PairLabel(7.5, (), (), ""), "preference must be in .0, 1., not 7.5"),
        (SingleLabel(1.0, ""), "a pair query takes a PairLabel"),
        (PairLabel(1.0, (), (), "", seconds=float("nan")), "seconds must be a finite number"),
    ],
)
def test_a_label_that_is_no_answer_is_not_kept(store, label, message):
    [key] = store.put("vlm", questions(1), 0)
    with pytest.raises(ValueError, match=message):
        store.answer(key, "vlm", label)
    assert store.answers(key) == {} and store.open("vlm") == [key]


def test_text_that_is_not_unicode_is_kept_with_replacements(store):
    [key] = store.put("vlm", questions(1), 0)
    store.answer(key, "vlm", PairLabel(1.0, (), (), "half a pair: \ud83d"))
    store.exchange(key, "vlm", Exchange("verdict", "m", ["\ud83d"], "\ud83d", "\ud83d"))
    assert store.find(key, "vlm").reason == "half a pair: ?"
    assert store.exchanges(key, "vlm")[0].reply == "?"
