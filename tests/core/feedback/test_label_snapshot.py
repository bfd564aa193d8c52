"""Reading labels changes nothing in a run's folder."""

import hashlib
import os

import old_labels
import pytest
from random_queries import questions

from core_jax.feedback.labels import Frame, LabelFileError, LabelStore
from core_jax.feedback.labels.shown import Shown, pictures_shown
from core_jax.feedback.queries import PairLabel

LABEL = PairLabel(1.0, (), (), "closer")


def content(folder):
    """Every file with its bytes and time of change."""
    return {
        p.name: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in folder.iterdir()
    }


def ask(path, count=2):
    store = LabelStore(path)
    for key in store.put("t", questions(count), 4_000):
        store.answer(key, "t", LABEL)
    return store


def read(path):
    store = LabelStore(path, read_only=True)
    try:
        return [store.find(asked.key, "t") for asked in store.questions()]
    finally:
        store.close()


def test_a_finished_runs_labels_are_read_and_its_folder_stays_as_it_was(tmp_path):
    ask(tmp_path / "labels.sqlite").close()
    before = content(tmp_path)
    os.chmod(tmp_path, 0o500)
    try:
        assert read(tmp_path / "labels.sqlite") == [LABEL, LABEL]
    finally:
        os.chmod(tmp_path, 0o700)
    assert content(tmp_path) == before and len(before) == 1


def test_labels_that_a_run_is_writing_are_read_beside_it(tmp_path):
    store = ask(tmp_path / "labels.sqlite")
    before = content(tmp_path)
    assert "labels.sqlite-wal" in before  # where they are, so far
    assert read(tmp_path / "labels.sqlite") == [LABEL, LABEL]
    assert content(tmp_path) == before
    store.close()


def test_a_file_of_an_older_version_is_migrated_in_memory(tmp_path):
    path, [first] = tmp_path / "labels.sqlite", questions(1)
    old_labels.write_version_2(path, [(first, {"t": LABEL}, [], [])])
    before = content(tmp_path)
    assert read(path) == [LABEL]
    assert content(tmp_path) == before


def test_nothing_is_created_or_written(tmp_path):
    with pytest.raises(LabelFileError, match="there is no such file"):
        LabelStore(tmp_path / "labels.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []
    ask(tmp_path / "labels.sqlite").close()
    store = LabelStore(tmp_path / "labels.sqlite", read_only=True)
    with pytest.raises(LabelFileError, match="readonly"):
        store.keep(questions(1, offset=5.0)[0])
    store.close()


def test_pictures_are_counted_by_seed_and_step(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    for seed, steps in ((3, 4_000), (3, 8_000), (4, 4_000)):
        asked = [
            q._replace(seed=seed, round=steps // 4_000) for q in questions(2, float(seed + steps))
        ]
        for key in store.put("t", asked, steps):
            frames = [Frame("start", 0, b"s"), Frame("a", 3, b"x"), Frame("b", 3, b"y")]
            store.show(key, "t", frames[: 3 if seed == 3 else 1])
    expected = [Shown(3, 4_000, 6), Shown(4, 4_000, 2), Shown(3, 8_000, 6)]
    assert pictures_shown(store, "t") == expected and pictures_shown(store, "other") == []
    store.close()
