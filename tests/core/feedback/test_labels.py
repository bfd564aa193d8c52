"""The label store: what is asked, shown, said and answered, by whom, and what a kill leaves."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core_jax.feedback.labels import VERSION, Counts, Exchange, Frame, LabelStore
from core_jax.feedback.queries import Clip, Pair, PairLabel
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher

ROOT = Path(__file__).parents[3]


def questions(count, offset=0.0, round=1):
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            *(
                rng.random(s).astype(np.float32) + offset
                for s in ((5, 3), (5, 2), (5, 3), (5, 4), 5, 5)
            )
        )
        for _ in range(2 * count)
    ]
    return [Pair(clips[2 * i], clips[2 * i + 1], "task", 0, round) for i in range(count)]


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


class Counting:
    name = "counting"

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
from test_labels import questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import PairLabel
store = LabelStore(sys.argv[3])
keys = store.put("vlm", questions(3), 0)
store.answer(keys[0], "vlm", PairLabel(1.0, (), (), ""))
store._db.execute("BEGIN IMMEDIATE")
store._db.execute("DELETE FROM answers")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_kill_leaves_what_was_written(tmp_path):
    path = tmp_path / "labels.sqlite"
    code = [sys.executable, "-c", KILLED, str(ROOT), str(Path(__file__).parent), str(path)]
    assert subprocess.run(code).returncode == -signal.SIGKILL
    store = LabelStore(path)
    assert store.progress()["vlm"] == Counts(3, 1, 0, 2, 0, 0.0)
    assert store.open("vlm") == [q.key() for q in questions(3)[1:]]
    # Nor may a commit be lost with the machine's power.
    safe = {"journal_mode": "wal", "synchronous": 2}  # 2: FULL
    assert {p: store._db.execute(f"PRAGMA {p}").fetchone()[0] for p in safe} == safe
    store.close()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE questions (key)", "CREATE TABLE answers (key)"], "labels of version 1"),
        (["CREATE TABLE moves (x)"], "labels of version unknown"),
        (["PRAGMA user_version=9"], f"version 9; this program keeps version {VERSION}"),
    ],
)
def test_another_version_is_refused_by_name(tmp_path, statements, message):
    path = tmp_path / "labels.sqlite"
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    with pytest.raises(ValueError, match=message):
        LabelStore(path)
    path.write_text("no database at all, but long enough to be looked at as one" * 10)
    with pytest.raises(ValueError, match="cannot be read as a label file"):
        LabelStore(path)
