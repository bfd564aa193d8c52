"""How good a reward is, from its values on frames of graded episodes.

All functions take plain arrays: a value for each frame, the frame's ground truth, and the number of
its episode. A quantity that is not defined, such as the correlation of constants, is NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

GAPS = (0.05, 0.2, 0.4, 0.7, 1.01)
"""Edges of the differences in progress by which pairs are grouped."""


def mean_absolute_error(values: np.ndarray, progress: np.ndarray) -> float:
    """Mean of |value - progress|."""
    return _mean(np.abs(values - progress))


def accuracy_within(values: np.ndarray, progress: np.ndarray, tolerance: float = 0.2) -> float:
    """Share of values within a tolerance of progress (Acc@0.2)."""
    return _mean(np.abs(values - progress) <= tolerance + 1e-6)


def rank_correlations(values: np.ndarray, progress: np.ndarray) -> tuple[float, float]:
    """Kendall's tau-b and Spearman's rho of all frames."""
    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(progress) == 0:
        return float("nan"), float("nan")
    tau, rho = stats.kendalltau(values, progress), stats.spearmanr(values, progress)
    return float(tau[0]), float(rho[0])  # pyright: ignore[reportArgumentType]


def value_order_correlation(
    values: np.ndarray, episode: np.ndarray, step: np.ndarray, among: Sequence[int] | None = None
) -> float:
    """Mean over episodes of the rank correlation of value and time (VOC; Ma et al. 2025).

    Args:
        values, episode, step: of each frame.
        among: episodes that count; all by default. The measure means something for those that
            steadily make progress.
    """
    found = []
    for number in np.unique(episode) if among is None else among:
        rows = episode == number
        if rows.sum() > 2 and np.ptp(step[rows]) > 0:
            constant = np.ptp(values[rows]) == 0
            found.append(0.0 if constant else stats.spearmanr(values[rows], step[rows])[0])
    return _mean(np.array(found, float))


def pair_accuracy(
    values: np.ndarray, progress: np.ndarray, rng: np.random.Generator, pairs: int = 20_000
) -> dict[str, float]:
    """Share of pairs of frames in which the one with more progress has more value, by their
    difference in progress; equal values count half."""
    a, b = rng.integers(len(values), size=(2, pairs))
    gap = progress[b] - progress[a]
    right = np.where(values[a] == values[b], 0.5, (values[b] > values[a]) == (gap > 0))
    found = {}
    for low, high in zip(GAPS[:-1], GAPS[1:], strict=True):
        rows = (np.abs(gap) >= low) & (np.abs(gap) < high)
        found[f"{low:g}-{min(high, 1.0):g}"] = _mean(right[rows])
    found["all"] = _mean(right[np.abs(gap) >= GAPS[0]])
    return found


def area_under_curve(values: np.ndarray, success: np.ndarray) -> float:
    """Area under the ROC curve: probability that a finished frame has more value than another."""
    done = success > 0
    if done.all() or not done.any():
        return float("nan")
    ranks = stats.rankdata(values)
    positive = done.sum()
    least = positive * (positive + 1) / 2
    return float((ranks[done].sum() - least) / (positive * (~done).sum()))


def near_misses(progress: np.ndarray, success: np.ndarray, least: float = 0.6) -> np.ndarray:
    """Which frames are near misses: much progress, and the task is not done."""
    return (progress >= least) & (success <= 0)


def best_threshold(values: np.ndarray, success: np.ndarray) -> float:
    """The value from which on frames are best called finished: the largest sum of sensitivity and
    specificity (Youden)."""
    edges = np.unique(values)
    done = success > 0
    if done.all() or not done.any():
        return float("nan")
    sorted_done, sorted_rest = np.sort(values[done]), np.sort(values[~done])
    hit = 1.0 - np.searchsorted(sorted_done, edges, side="left") / done.sum()
    false = 1.0 - np.searchsorted(sorted_rest, edges, side="left") / (~done).sum()
    return float(edges[np.argmax(hit - false)])


def calibration_error(chance: np.ndarray, success: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of probabilities: the mean distance between the mean probability
    and the share of finished frames, in bins of equal width."""
    at = np.clip((chance * bins).astype(int), 0, bins - 1)
    total = 0.0
    for i in range(bins):
        rows = at == i
        if rows.any():
            total += rows.mean() * abs(chance[rows].mean() - success[rows].mean())
    return float(total)


def reversal(values: np.ndarray, episode: np.ndarray, step: np.ndarray, shuffled: bool,
             rng: np.random.Generator) -> float:  # fmt: skip
    """Mean value-order correlation of clips that are played backwards, or shuffled: for a reward of
    single frames -1 times the usual one, and about 0."""
    found = np.empty_like(values)
    for number in np.unique(episode):
        rows = np.flatnonzero(episode == number)
        rows = rows[np.argsort(step[rows])]
        found[rows] = values[rng.permutation(rows) if shuffled else rows[::-1]]
    return value_order_correlation(found, episode, step)


def _mean(values: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN
        return float(np.mean(values)) if len(values) else float("nan")
