"""Intervals over seeds. Few seeds say little, and the intervals say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Two-sided 95% points of Student's t for 1 to 30 degrees of freedom; beyond, the normal's.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Interval(NamedTuple):
    """A mean and its 95% confidence interval; low = high = mean says that all values are equal,
    None that one value has no interval."""

    mean: float
    low: float | None
    high: float | None

    @property
    def half(self) -> float | None:
        """Half the width of the interval before it is cut."""
        if self.low is None or self.high is None:
            return None
        return max(self.high - self.mean, self.mean - self.low)


def student(
    values: Sequence[float] | np.ndarray, least: float = -np.inf, most: float = np.inf
) -> Interval:
    """Mean over seeds with Student's 95% interval, cut to what the quantity can be."""
    x = np.asarray(values, np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, None, None)
    point = _T95[len(x) - 2] if len(x) - 2 < len(_T95) else 1.96
    half = point * float(x.std(ddof=1)) / np.sqrt(len(x))
    return Interval(mean, max(mean - half, least), min(mean + half, most))


def interquartile_mean(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Mean of the middle half, over the last axis; of n values the lowest and highest floor(n / 4)
    are left out.

    The same as `scipy.stats.trim_mean(values, 0.25)`, which the package rliable uses.
    """
    x = np.sort(np.asarray(values, np.float64), axis=-1)
    count = x.shape[-1]
    return x[..., count // 4 : count - count // 4].mean(axis=-1)


def bootstrap_iqm(tasks: Sequence[Sequence[float]], draws: int = 2_000) -> Interval:
    """Interquartile mean over tasks and seeds with a 95% interval of the stratified bootstrap
    (seeds are drawn again within each task), after Agarwal et al. (NeurIPS 2021).

    As the package rliable (which needs older versions of its dependencies than this project has)
    does it: the statistic is `interquartile_mean` of all seeds x tasks, the interval the 2.5th to
    97.5th percentile of the resampled statistic. Tasks may have different numbers of seeds here.

    Args:
        tasks: the seeds' values of each task.
        draws: bootstrap samples; the draw itself is fixed, so a report is repeatable.
    """
    rng = np.random.default_rng(0)
    groups = [np.asarray(x, np.float64) for x in tasks if len(x)]
    drawn = [x[rng.integers(len(x), size=(draws, len(x)))] for x in groups]
    samples = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.percentile(samples, [2.5, 97.5])
    mean = interquartile_mean(np.concatenate(groups))
    return Interval(float(mean), float(low), float(high))
