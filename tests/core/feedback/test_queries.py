"""Queries and labels: content keys, what is shown, and which labels are valid."""

import hashlib

import numpy as np
import pytest

from core_jax.feedback.queries import (
    Clip,
    Order,
    OrderLabel,
    Pair,
    PairLabel,
    Single,
    SingleLabel,
    check_label,
    check_query,
)


def clip(seed, steps=4):
    rng = np.random.default_rng(seed)
    shapes = ((steps, 3), (steps, 2), (steps, 3), (steps, 5), steps, steps)
    return Clip(*(rng.random(s).astype(np.float32) for s in shapes))


PAIR = Pair(clip(0), clip(1), "open the drawer", 3, 7)
RATING = Single(clip(0), "rating", 3, "open the drawer", 3, 7)
ORDER = Order((clip(0), clip(1), clip(2)), "open the drawer", 3, 7)


def test_a_pairs_key_is_that_of_the_label_files_of_every_version():
    content = b"open the drawer"
    for array in (*PAIR.a, *PAIR.b):
        content += np.ascontiguousarray(array, np.float32).tobytes()
    assert PAIR.key() == hashlib.sha256(content).hexdigest()
    zeros = Clip(*(np.zeros(s, np.float32) for s in ((2, 1), (2, 1), (2, 1), (2, 1), 2, 2)))
    # As written by commit 6f2c7e9, `Question(zeros, zeros, "task", 0, 0).key()`.
    known = "8649f5a0bae4e23b9d751226fa62ffe5fe42a41cc3246025b7940cdc6ce9979f"
    assert Pair(zeros, zeros, "task", 0, 0).key() == known


def test_keys_depend_on_content_alone():
    for query in (PAIR, RATING, ORDER):
        assert query._replace(seed=0, round=0).key() == query.key()
        assert query._replace(instruction="close the drawer").key() != query.key()


def test_keys_of_different_queries_differ():
    progress = RATING._replace(asks="progress", classes=None)
    queries = [
        PAIR,
        PAIR._replace(a=PAIR.b, b=PAIR.a),
        RATING,
        RATING._replace(classes=4),
        RATING._replace(clip=clip(1)),
        progress,
        progress._replace(asks="completion"),
        ORDER,
        ORDER._replace(clips=ORDER.clips[::-1]),
        Order((PAIR.a, PAIR.b), "open the drawer", 3, 7),
    ]
    assert len({q.key() for q in queries}) == len(queries)


def test_what_is_shown():
    assert PAIR.shown == {"a": PAIR.a, "b": PAIR.b}
    assert list(ORDER.shown) == ["0", "1", "2"] and list(RATING.shown) == ["clip"]
    assert [q.kind for q in (PAIR, RATING, ORDER)] == ["pair", "single", "order"]
    assert [q.asks for q in (PAIR, RATING, ORDER)] == ["pair", "rating", "order"]


def test_a_label_is_decided_unless_it_abstains():
    assert PairLabel(0.0, (), (), "").decided and not PairLabel(None, (), (), "").decided
    assert SingleLabel(0.0, "").decided and not SingleLabel(None, "").decided
    assert OrderLabel((0, 1), "").decided and not OrderLabel(None, "").decided


@pytest.mark.parametrize(
    ("query", "label"),
    [
        (PAIR, PairLabel(0.5, (0.0, 1.0), (), "", 3, 0.1, 1.0, (0, 2), 2.0)),
        (PAIR, PairLabel(None, (), (), "")),
        (RATING, SingleLabel(2.0, "")),
        (RATING, SingleLabel(None, "")),
        (RATING._replace(asks="progress", classes=None), SingleLabel(0.25, "")),
        (RATING._replace(asks="completion", classes=None), SingleLabel(1.0, "")),
        (ORDER, OrderLabel((2, 0, 1), "")),
        (ORDER, OrderLabel(None, "")),
    ],
)
def test_valid_labels(query, label):
    check_query(query)
    check_label(query, label)


@pytest.mark.parametrize(
    ("query", "label", "message"),
    [
        (PAIR, PairLabel(7.5, (), (), ""), "preference must be in .0, 1., not 7.5"),
        (PAIR, PairLabel(float("nan"), (), (), ""), "preference must be a finite number, not nan"),
        (PAIR, PairLabel("1", (), (), ""), "preference must be a finite number, not '1'"),
        (PAIR, PairLabel(1.0, (1.5,), (), ""), "scores_a must be in"),
        (PAIR, PairLabel(1.0, (), (), "", ratings=(1,)), "ratings must be two classes"),
        (PAIR, PairLabel(1.0, (), (), "", tokens=-1), "tokens must be a finite number of at least"),
        (PAIR, PairLabel(1.0, (), (), "", seconds=float("inf")), "seconds must be"),
        (PAIR, PairLabel(1.0, (), (), "", confidence=90.0), "confidence must be in"),
        (PAIR, SingleLabel(1.0, ""), "a pair query takes a PairLabel"),
        (RATING, PairLabel(1.0, (), (), ""), "a single query takes a SingleLabel"),
        (RATING, SingleLabel(3.0, ""), "value must be a class in 0..2, not 3.0"),
        (RATING, SingleLabel(0.5, ""), "value must be a class in 0..2, not 0.5"),
        (RATING._replace(asks="progress"), SingleLabel(1.1, ""), "value must be in"),
        (RATING._replace(asks="completion"), SingleLabel(0.5, ""), "value must be 0 or 1, not 0.5"),
        (ORDER, OrderLabel((0, 1), ""), "order must be a permutation of 0..2"),
        (ORDER, OrderLabel((0, 1, 1), ""), "order must be a permutation of 0..2"),
    ],
)
def test_invalid_labels_are_named(query, label, message):
    with pytest.raises(ValueError, match=message):
        check_label(query, label)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (RATING._replace(classes=None), "at least 2 classes, not None"),
        (RATING._replace(asks="progress"), "progress has no classes, but classes is 3"),
        (RATING._replace(asks="beauty"), "asks is 'beauty'; valid: rating, progress, completion"),
        (ORDER._replace(clips=ORDER.clips[:1]), "at least 2 clips, not 1"),
        (ORDER._replace(clips=()), "at least one clip"),
        (RATING._replace(clip=clip(0, 0)), "clip 'clip' has no steps"),
    ],
)
def test_queries_that_cannot_be_asked(query, message):
    with pytest.raises(ValueError, match=message):
        check_query(query)
