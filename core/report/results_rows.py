"""Committed results grouped into the rows of tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from core_jax.report import paper
from core_jax.report.results import Result

# Runs that differ only in these share a row.
_ANY = ("steps", "eval_every")
# The teacher's name says these; of `judge`, if it is not the usual one.
_SAID_ELSEWHERE = ("scripted.kind", "scripted.judge")
_BY_PROGRESS = "-by-progress"
# Settings that many rows share, by a name that the tables explain.
NAMED = {
    "small SAC": {"sac.hidden": "[128, 128]", "sac.normalise_obs": "true", "updates": "96"},
}


@dataclasses.dataclass(frozen=True)
class Row:
    """Results of one method with one teacher and one set of settings, on any tasks.

    Attributes:
        method, protocol, learner, teacher, settings: what they share.
        results: of each task some with disjoint seeds.
    """

    method: str
    protocol: str
    learner: str
    teacher: str
    settings: tuple[tuple[str, str], ...]
    results: tuple[Result, ...]

    def label(self, tasks: Iterable[str] | None = None) -> str:
        """Teacher, learner if it is not SAC, settings, and environment steps on some tasks (all if
        None)."""
        chosen = None if tasks is None else set(tasks)
        own = sorted({x.task for x in self.results if x.teacher != self.teacher})
        parts = [
            (self.teacher or "no labels") + (f" ({', '.join(own)}: by progress)" if own else "")
        ]
        parts += [self.learner] * (self.learner != "sac")
        parts += _named(self.settings)
        here = [one for one in self.results if chosen is None or one.task in chosen]
        steps = sorted({one.env_steps for one in here if one.env_steps is not None})
        if steps:
            parts.append("–".join(f"{x / 1000:g}k" for x in sorted({steps[0], steps[-1]})))
        return ", ".join(parts) + " steps" * bool(steps)

    def tasks(self) -> set[str]:
        """Those it has results on."""
        return {one.task for one in self.results}

    def on(self, task: str) -> list[Result]:
        """Its results on a task."""
        return [one for one in self.results if one.task == task]

    def values(self, task: str, name: str) -> list[float]:
        """A quantity of every seed on a task; [] if it is missing in one of the results."""
        found = [getattr(one, name) for one in self.on(task)]
        return [x for each in found for x in each] if None not in found else []


def grouped(results: Iterable[Result]) -> list[Row]:
    """Results as rows: those of the paper's methods in its order, then others.

    Runs of different lengths share a row: tasks have different budgets. So do runs that were
    evaluated more or less often, which changes at most when training ends early, and of tasks on
    which a scripted teacher compares progress by default. Of results with the same seeds, task and
    row, only the longest is used, and of these the latest.
    """
    groups: dict[tuple, list[Result]] = {}
    for one in sorted(results, key=lambda r: (r.env_steps or 0, r.date or ""), reverse=True):
        settings = tuple(sorted((k, text_of(v)) for k, v in one.settings.items() if k not in _ANY))
        here = groups.setdefault(
            (one.method, one.protocol, one.learner, one.teacher, settings), []
        )  # fmt: skip
        taken = {seed for other in here if other.task == one.task for seed in other.seeds}
        if not taken & set(one.seeds):
            here.append(one)
    _join_default_judges(groups)
    by_seed = lambda found: tuple(sorted(found, key=lambda one: one.seeds))
    rows = [Row(*key, results=by_seed(found)) for key, found in groups.items()]
    return sorted(rows, key=lambda r: (_rank(r.method), r.protocol, r.teacher, r.settings))


def _join_default_judges(groups: dict[tuple, list[Result]]) -> None:
    """Puts tasks whose teacher compares progress by default into the row of the other tasks."""
    for key in [key for key in groups if key[3].endswith(_BY_PROGRESS)]:
        *head, teacher, settings = key
        other = (*head, teacher.removesuffix(_BY_PROGRESS), settings)
        given = any(name == "scripted.judge" for name, _ in settings)
        if given or other not in groups:
            continue
        if not {one.task for one in groups[other]} & {one.task for one in groups[key]}:
            groups[other] += groups.pop(key)


def _named(settings: Iterable[tuple[str, str]]) -> list[str]:
    """Settings as text, with the names of those that have one."""
    left = {k: v for k, v in settings if k not in _SAID_ELSEWHERE or v == "null"}
    names = [name for name, own in NAMED.items() if own.items() <= left.items()]
    shared = {k for name in names for k in NAMED[name]}
    return [*names, *(f"{k} {v}" for k, v in left.items() if k not in shared)]


def text_of(value: object) -> str:
    """A setting's value as a table shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def _rank(method: str) -> tuple[int, str]:
    known = paper.METHODS.index(method) if method in paper.METHODS else len(paper.METHODS)
    return known, method
