"""Label files: older versions are migrated; files that are locked or damaged are named."""

import sqlite3

import old_labels
import pytest
from random_queries import clip, questions, single

from core_jax.feedback.labels import (
    VERSION,
    Counts,
    Exchange,
    Frame,
    LabelFileError,
    LabelStore,
    database,
)
from core_jax.feedback.queries import PairLabel


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE moves (x)"], "labels of version unknown; this program reads versions 1 to"),
        (["PRAGMA user_version=9"], f"version 9; this program reads versions 1 to {VERSION}"),
        (["CREATE TABLE questions (key)", "CREATE TABLE answers (key)"], "no such column"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_left_as_it_was(tmp_path, statements, message):
    path = tmp_path / "labels.sqlite"
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
        before = db.execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(LabelFileError, match=message):
        LabelStore(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT * FROM sqlite_master").fetchall() == before
    path.write_text("no database at all, but long enough to be looked at as one" * 10)
    with pytest.raises(LabelFileError, match="cannot be read or written as a label file"):
        LabelStore(path)


EXCHANGE = Exchange("verdict", "m", [["user", [{"png": "0"}]]], "A", "", 12, 0.1, 1.5)
FRAMES = [Frame("start", 0, b"s"), Frame("a", 3, b"x"), Frame("b", 3, b"y")]
LABEL = PairLabel(1.0, (0.1, 1 / 3), (0.2, 0.7), "closer", 12, 0.1, 0.75, (0, 2), 2.5)


def test_a_file_of_version_2_is_migrated_with_everything_in_it(tmp_path):
    path, [first, second] = tmp_path / "labels.sqlite", questions(2)
    unsure = PairLabel(None, (), (), "cannot tell")
    old_labels.write_version_2(
        path,
        [
            (first, {"vlm": LABEL, "person": unsure}, FRAMES, [EXCHANGE]),
            (second, {"vlm": None, "person": LABEL._replace(preference=0.5)}, [], []),
        ],
    )
    for _ in range(2):  # migrated once, then opened as it is
        store = LabelStore(path)
        assert [a.key for a in store.questions()] == [first.key(), second.key()]
        for ours, theirs in zip((first, second), store.questions(), strict=True):
            assert theirs.question.key() == ours.key() and theirs.question.kind == "pair"
            assert (theirs.env_steps, theirs.mean_reward) == (4_000, 0.25)
        assert store.answers(first.key()) == {"vlm": LABEL, "person": unsure}
        assert store.answers(second.key()) == {"person": LABEL._replace(preference=0.5)}
        assert store.open("vlm") == [second.key()]
        assert store.progress() == {
            "vlm": Counts(2, 1, 0, 1, 12, 0.1),
            "person": Counts(2, 1, 1, 0, 12, 0.1),
        }
        assert store.frames(first.key(), "vlm") == FRAMES
        assert store.exchanges(first.key(), "vlm") == [EXCHANGE]
        store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert not any(name.endswith("_2") for name in tables)
    store = LabelStore(path)
    assert store.retract("person") == second.key()  # the latest one, as before
    store.put("vlm", [single(clip(9))], 8_000)  # and it takes queries of the new kinds
    store.close()


def test_a_file_of_version_1_is_migrated(tmp_path):
    path, asked = tmp_path / "labels.sqlite", questions(2)
    told = PairLabel(0.0, (0.25,), (0.5,), "return 1 for A", 3, 0.5)
    old_labels.write_version_1(path, [(q, "scripted-oracle", told) for q in asked])
    store = LabelStore(path)
    assert [a.key for a in store.questions()] == [q.key() for q in asked]
    assert store.find(asked[1].key(), "scripted-oracle") == told
    assert store.progress() == {"scripted-oracle": Counts(2, 2, 0, 0, 6, 1.0)}
    store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path):
    path, [pair] = tmp_path / "labels.sqlite", questions(1)
    old_labels.write_version_2(path, [(pair, {"vlm": LABEL}, FRAMES, [EXCHANGE])])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answers SET scores_b = '[0.1,'")
        before = db.execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(LabelFileError, match="holds a damaged label of"):
        LabelStore(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT * FROM sqlite_master").fetchall() == before
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.execute("UPDATE answers SET scores_b = '[0.1]'")
    store = LabelStore(path)
    assert store.find(pair.key(), "vlm") == LABEL._replace(scores_b=(0.1,))
    store.close()


def test_a_file_that_stays_locked_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.2)
    path = tmp_path / "labels.sqlite"
    store = LabelStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LabelFileError, match=r"labels.sqlite: another process .* for 0.2 s"):
        store.put("vlm", questions(1), 0)
    other.execute("ROLLBACK")
    other.close()
    assert len(store.put("vlm", questions(1), 0)) == 1  # and the store goes on working
    store.close()


def test_a_damaged_page_is_one_clear_error(tmp_path):
    path = tmp_path / "labels.sqlite"
    store = LabelStore(path)
    keys = store.put("vlm", questions(40), 0)
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):  # all but the first two pages
        content[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(content)
    with pytest.raises(LabelFileError, match="labels.sqlite: the label file is damaged"):
        store = LabelStore(path)
        list(store.questions())
        store.put("vlm", questions(1, offset=1.0), 0)
    assert keys


def test_damaged_clips_and_labels_are_named(store):
    [key] = store.put("vlm", questions(1), 0)
    store.answer(key, "vlm", LABEL)
    store.database.connection.execute("UPDATE answers SET payload = '{\"preference\": '")
    with pytest.raises(LabelFileError, match="holds a damaged label"):
        store.find(key, "vlm")
    store.database.connection.execute("UPDATE questions SET clips = substr(clips, 1, 200)")
    with pytest.raises(LabelFileError, match="holds a damaged question"):
        store.question(key)
