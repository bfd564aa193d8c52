"""Measures of rewards on values for which they are known."""

import numpy as np
import pytest

from core_jax.reward_models.large_reward import metrics

EPISODE = np.repeat(np.arange(4), 10)
STEP = np.tile(np.arange(10), 4)
PROGRESS = STEP / 9.0
SUCCESS = (STEP == 9) * 1.0
RNG = np.random.default_rng


def test_truth_has_perfect_measures():
    assert metrics.mean_absolute_error(PROGRESS, PROGRESS) == 0.0
    assert metrics.accuracy_within(PROGRESS, PROGRESS) == 1.0
    assert metrics.rank_correlations(PROGRESS, PROGRESS) == pytest.approx((1.0, 1.0))
    assert metrics.value_order_correlation(PROGRESS, EPISODE, STEP) == pytest.approx(1.0)
    assert set(metrics.pair_accuracy(PROGRESS, PROGRESS, RNG(0)).values()) == {1.0}
    assert metrics.area_under_curve(PROGRESS, SUCCESS) == 1.0
    assert metrics.calibration_error(SUCCESS, SUCCESS) == 0.0
    assert metrics.best_threshold(PROGRESS, SUCCESS) == 1.0


def test_a_reward_of_single_frames_is_reversed_with_its_clip():
    reverse = metrics.reversal(PROGRESS, EPISODE, STEP, False, RNG(0))
    assert reverse == pytest.approx(-1.0)
    assert abs(metrics.reversal(PROGRESS, EPISODE, STEP, True, RNG(0))) < 0.6


def test_constants_are_chance():
    flat = np.full(40, 0.3)
    assert metrics.value_order_correlation(flat, EPISODE, STEP) == 0.0
    assert metrics.area_under_curve(flat, SUCCESS) == 0.5
    assert metrics.pair_accuracy(flat, PROGRESS, RNG(0))["all"] == 0.5
    assert all(np.isnan(metrics.rank_correlations(flat, PROGRESS)))


def test_known_values():
    values = np.array([0.1, 0.4, 0.35, 0.8])
    assert metrics.area_under_curve(values, np.array([0, 0, 1, 1])) == 0.75
    assert metrics.accuracy_within(values, np.zeros(4)) == 0.25
    assert metrics.accuracy_within(np.array([0.2, 0.4]), np.zeros(2)) == 0.5
    # Half of the bin at 0.75 is done, all of the bin at 0.15 is not.
    chance = np.array([0.75, 0.75, 0.15, 0.15])
    done = np.array([1, 0, 0, 0])
    assert metrics.calibration_error(chance, done) == pytest.approx(0.5 * 0.25 + 0.5 * 0.15)
    near = metrics.near_misses(np.array([0.5, 0.7, 0.9]), np.array([0, 0, 1]))
    assert near.tolist() == [False, True, False]


def test_what_is_not_defined_is_nan():
    assert np.isnan(metrics.area_under_curve(PROGRESS, np.zeros(40)))
    assert np.isnan(metrics.best_threshold(PROGRESS, np.ones(40)))
    assert np.isnan(metrics.value_order_correlation(PROGRESS[:2], EPISODE[:2], STEP[:2]))
