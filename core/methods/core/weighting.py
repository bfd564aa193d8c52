"""What each of CoRe's two rewards is worth, by labels that neither has seen.

The paper trains on (1 - a) F + a R with one a for all tasks. Under `--weighting agreement` a
follows from the labels of each round, before R is fitted to them: of the newest of them F was right
about a share p, R about q, and each weighs the log odds of its share,

    a = log(q / (1 - q)) / (log(p / (1 - p)) + log(q / (1 - q))),

the weights of a vote of independent voters (Nitzan and Paroush, 1982). A reward that is right about
half of them or fewer weighs nothing. Under `--weighting earned` R alone is judged: a grows with q,
from 0 at a half to the paper's a at three quarters. A reward fitted to answers of chance, which is
what a teacher gives where behaviour hardly differs yet, then weighs next to nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

NEWEST = 100  # labels that count
LEAST = 20  # with fewer the weight stays as it was before
FULL = 0.75  # share of them that R must be right about to weigh what it does in the paper


@dataclasses.dataclass(frozen=True)
class Record:
    """One seed's newest labels, oldest first; JSON-able by `dataclasses.asdict`."""

    seen: int = 0
    """Usable labels that R has been fitted to."""
    formal: tuple[bool, ...] = ()
    """Whether F preferred the same clip, of each decided label."""
    residual: tuple[bool, ...] = ()
    """The same of R."""


def added(
    record: Record, formal: np.ndarray, residual: np.ndarray, preference: np.ndarray
) -> Record:
    """The record with new labels.

    Args:
        record: so far.
        formal, residual: the clips' returns by each reward [N, 2].
        preference: P(the second is better) [N]; 0.5 says equal, and does not count.
    """
    decided = preference != 0.5
    second = preference > 0.5
    right = [((x[:, 1] > x[:, 0]) == second)[decided].tolist() for x in (formal, residual)]
    return Record(
        record.seen + len(preference),
        (*record.formal, *right[0])[-NEWEST:],
        (*record.residual, *right[1])[-NEWEST:],
    )


def alpha(record: Record, otherwise: float) -> float:
    """The weight of the residual reward.

    Args:
        record: of one seed.
        otherwise: the weight before there are enough labels, or if neither reward is right about
            more than half of them.
    """
    if len(record.formal) < LEAST:
        return otherwise
    formal, residual = _log_odds(record.formal), _log_odds(record.residual)
    if formal + residual == 0.0:
        return otherwise
    return residual / (formal + residual)


def earned(record: Record, most: float) -> float:
    """The weight of the residual reward, by its own share of right answers alone.

    Args:
        record: of one seed.
        most: the weight from a share of `FULL` on. It is 0 at a half, and before there are enough
            labels.
    """
    count = len(record.residual)
    if count < LEAST:
        return 0.0
    share = (sum(record.residual) + 1) / (count + 2)
    return most * min(1.0, max(0.0, (share - 0.5) / (FULL - 0.5)))


def _log_odds(right: Sequence[bool]) -> float:
    """Of the share that is right, with one right and one wrong added; not below 0."""
    hits = sum(right)
    return max(0.0, float(np.log((hits + 1) / (len(right) - hits + 1))))


def from_json(record: dict[str, Any]) -> Record:
    """The inverse of `dataclasses.asdict`, also after JSON."""
    return Record(record["seen"], tuple(record["formal"]), tuple(record["residual"]))
