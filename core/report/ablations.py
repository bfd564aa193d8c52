"""What each part of a method is worth: runs that differ in one switch only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from core_jax.report import paper, statistics
from core_jax.report.results_rows import Row


@dataclasses.dataclass(frozen=True)
class Variant:
    """A method, whole or without one of its parts.

    Attributes:
        name: what is left out; the method's name if nothing is.
        row: its results.
    """

    name: str
    row: Row

    def steps_to_success(self, task: str) -> list[float]:
        """Of each seed, the first evaluation with a success of 0.9; infinite if there was none.
        [] if it was not run or not recorded."""
        found = [one.reached for one in self.row.on(task)]
        if any(reached is None for reached in found):
            return []
        return [np.inf if x is None else x.env_steps for some in found for x in some or ()]

    def median_steps(self, task: str) -> float | None:
        """The median of `steps_to_success`, infinite if most seeds never got there."""
        steps = self.steps_to_success(task)
        return float(np.median(steps)) if steps else None


@dataclasses.dataclass(frozen=True)
class Ablation:
    """A method and its variants, with one teacher, protocol and set of other settings.

    Attributes:
        row: of the whole method.
        variants: the whole method first; two at least.
        tasks: those that a variant was run on, in the published order.
    """

    row: Row
    variants: tuple[Variant, ...]
    tasks: tuple[str, ...]

    @property
    def shared_tasks(self) -> tuple[str, ...]:
        """Those that every variant has results on."""
        return tuple(t for t in self.tasks if all(v.row.on(t) for v in self.variants))

    def success(self, variant: Variant) -> statistics.Interval | None:
        """Interquartile mean over `shared_tasks` and seeds; None without such tasks."""
        groups = [variant.row.values(task, "success") for task in self.shared_tasks]
        return statistics.bootstrap_iqm(groups) if groups else None


def found(rows: Sequence[Row]) -> list[Ablation]:
    """The ablations that rows hold: a row and those that differ from it in one switch of
    `paper.SWITCHES` and in nothing else."""
    everything = []
    for row in rows:
        variants = [Variant(row.method, row)]
        for switch, name in paper.SWITCHES.get(row.method, {}).items():
            settings = tuple(sorted([*row.settings, switch]))
            variants += [Variant(name, x) for x in rows if _key(x) == _key(row, settings)]
        if len(variants) > 1:
            everything.append(Ablation(row, tuple(variants), _tasks(variants[1:])))
    return everything


def _key(row: Row, settings: tuple[tuple[str, str], ...] | None = None) -> tuple:
    own = row.settings if settings is None else settings
    return row.method, row.protocol, row.learner, row.teacher, own


def _tasks(variants: Sequence[Variant]) -> tuple[str, ...]:
    there = {task for variant in variants for task in variant.row.tasks()}
    known = [task for task in paper.SUCCESS_TASKS if task in there]
    return tuple(known + sorted(there - set(known)))
