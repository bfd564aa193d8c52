"""When a refined formal reward is rolled back, because training with it got worse.

A refinement is accepted before anything was trained with it, because it agrees with more of the
labels so far. Until its second evaluation it is on probation; then it stays, or its parent is used
again. CoRe's released code has no such step. Each way of selecting judges by what it may read:
`gt_score` by the success of evaluations; `label_agreement`, which reads no ground truth, by
agreement with the labels given since: they compare clips of the policies that the new reward made,
and chose neither reward.
"""

from __future__ import annotations

import dataclasses
from typing import Any

EVALUATIONS = 2  # one bad evaluation may be chance


@dataclasses.dataclass(frozen=True)
class Probation:
    """A refined reward that has not proved itself yet."""

    parent: str
    """Source of the reward that it replaced."""
    file: str
    """Name of that reward's file."""
    since: int
    """Environment step at which it was accepted."""
    labels: int
    """Usable labels at that moment."""
    before: float
    """Success of the best evaluation with the parent; 0 where success is not read."""
    evaluations: int = 0


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is remembered of a seed's rewards; JSON-able by `dataclasses.asdict`."""

    best: float = 0.0
    """Success of the best evaluation with the reward in use; 0 where success is not read."""
    probation: Probation | None = None
    rolled_back: tuple[str, ...] = ()
    """Sources that are not accepted again."""


def accepted(watch: Watch, parent: str, file: str, since: int, labels: int) -> Watch:
    """A refinement of `parent` is in use from `since` on: its probation begins."""
    probation = Probation(parent, file, since, labels, before=watch.best)
    return dataclasses.replace(watch, best=0.0, probation=probation)


def evaluated(watch: Watch, env_steps: int, success: float) -> tuple[Watch, Probation | None]:
    """An evaluation was made; a probation that ends with it is returned, to be judged."""
    trial = watch.probation
    if trial and env_steps <= trial.since:  # nothing was learned with the refined reward yet
        trial = dataclasses.replace(trial, before=max(trial.before, success))
        return dataclasses.replace(watch, probation=trial), None
    watch = dataclasses.replace(watch, best=max(watch.best, success))
    if trial is None:
        return watch, None
    trial = dataclasses.replace(trial, evaluations=trial.evaluations + 1)
    ended = trial.evaluations >= EVALUATIONS
    return dataclasses.replace(watch, probation=None if ended else trial), trial if ended else None


def rolled_back(watch: Watch, source: str, ended: Probation) -> Watch:
    """The parent is in use again, and `source` never will be."""
    return Watch(best=ended.before, rolled_back=(*watch.rolled_back, source))


def from_json(watch: dict[str, Any]) -> Watch:
    """The inverse of `dataclasses.asdict`, also after JSON."""
    probation = watch["probation"]
    trial = Probation(**probation) if probation else None
    return Watch(watch["best"], trial, tuple(watch["rolled_back"]))


def success_verdict(before: float, since: float, margin: float) -> str | None:
    """Why the parent must come back, None if it need not.

    Args:
        before, since: best evaluation's success with the parent, and with the refined reward.
        margin: the drop that is tolerated.
    """
    if before - since <= margin:
        return None
    return f"Success was {before:.2f} with the reward before, and is {since:.2f} at best since"


def agreement_verdict(
    parent: float, refined: float, labels: int, least: int, margin: float
) -> str | None:
    """Why the parent must come back, None if it need not.

    Args:
        parent, refined: part of the labels since the acceptance that each agrees with.
        labels: how many those are.
        least: with fewer, nothing is decided.
        margin: the difference that is tolerated.
    """
    if labels < least or parent - refined <= margin:
        return None
    return f"Of {labels} labels since, it agrees with {refined:.1%}, the one before {parent:.1%}"
