"""The table of pairs: which labels a fit gets, and what is said of them."""

import numpy as np
import pytest

from core_jax.methods.prefvlm.pairs import PairTable, empty_pairs
from core_jax.reward_models.denoise import CLEAN, FLIPPED, UNCERTAIN


@pytest.fixture
def table():
    """Two seeds: five pairs of room, four and two of them used."""
    table = PairTable(empty_pairs(2, 5, 3, 2, 1, 1, 4))
    clips = np.arange(5.0)[:, None, None, None] * np.ones((5, 2, 2, 1))
    truth = np.array([1.0, 0.0, 1.0, 0.5])
    assert table.add(0, clips[:4], np.array([1.0, 1.0, 0.0, 1.0]), truth) == 0
    assert table.add(1, clips[:1], np.array([0.0]), np.array([0.0])) == 0
    assert table.add(1, clips[1:2], np.array([1.0]), np.array([0.0])) == 1
    table.arrays["verdict"][0, :4] = [CLEAN, UNCERTAIN, FLIPPED, CLEAN]
    table.arrays["verdict"][1, :2] = [CLEAN, UNCERTAIN]
    return table


def test_flipped_labels_are_exchanged_and_uncertain_ones_left_out(table):
    target, used = table.targets()
    np.testing.assert_array_equal(used[0], [True, False, True, True, False])
    np.testing.assert_array_equal(target[0, used[0]], [1, 1, 1])
    np.testing.assert_array_equal(used[1], [True, False, False, False, False])


def test_an_oracles_answer_replaces_label_and_verdict(table):
    features = np.full((2, 1, 4), 7.0)
    table.answer(0, 1, features, 0.0)
    table.answer(0, 2, features + 1, 0.5)
    target, used = table.targets()
    np.testing.assert_array_equal(used[0], [True, True, True, True, False])
    np.testing.assert_array_equal(target[0, :4], [1, 0, 0.5, 1])
    labels, count = table.oracle_labels()
    np.testing.assert_array_equal(count, [2, 0])
    np.testing.assert_array_equal(labels.target[0, :2], [0, 0.5])
    np.testing.assert_array_equal(labels.features[0, 1], features + 1)


def test_a_fit_gets_the_used_pairs_first(table):
    preferences, counts = table.preferences(), table.counts()
    np.testing.assert_array_equal(counts, [3, 1])
    np.testing.assert_array_equal(preferences.frames_a[0][0, :3, 0, 0], [0, 2, 3])
    np.testing.assert_array_equal(preferences.target[0, :3], [1, 1, 1])
    assert preferences.frames_a[1] is None


def test_shares_are_of_the_pairs_that_ground_truth_decides(table):
    shares = table.shares()
    assert shares["clean"] == [0.5, 0.5] and shares["flipped"] == [0.25, 0.0]
    assert shares["uncertain"] == [0.25, 0.5]
    assert shares["label_accuracy"] == [0.3333, 0.5]  # one of three, one of two
    assert shares["used_accuracy"] == [1.0, 1.0]


def test_it_is_full_when_a_seed_has_no_room(table):
    assert not table.full
    table.add(0, np.zeros((1, 2, 2, 1)), np.zeros(1), np.zeros(1))
    assert table.full
