"""Runs grouped into conditions, and a row of the table for each.

A condition is a task, a protocol, a method, a teacher and settings; runs of the same condition with
other seeds are pooled.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core_jax.report import paper, statistics
from core_jax.report.records import Record
from core_jax.report.text import as_cell


@dataclasses.dataclass(frozen=True)
class Condition:
    """A task, a method and settings, and the runs with them.

    Attributes:
        task, protocol, method, teacher: as in the runs.
        settings: those that differ from the defaults and are not shared by all of the report.
        records: disjoint in their seeds.
    """

    task: str
    protocol: str
    method: str
    teacher: str
    settings: tuple[tuple[str, str], ...]
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """Method, teacher and settings, for legends; conditions of other tasks may share it."""
        parts = [self.method, self.teacher or "no labels"]
        return " · ".join(parts + [f"{name} {value}" for name, value in self.settings])

    @property
    def where(self) -> str:
        """Task and protocol."""
        return f"{self.task} ({self.protocol})"

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return [seed for record in self.records for seed in record.seeds]

    @property
    def finished(self) -> bool:
        """Whether all runs have finished."""
        return all(record.summary is not None for record in self.records)

    @property
    def success(self) -> list[float] | None:
        """Success of every seed; None if there is none yet."""
        found = [record.success for record in self.records]
        known = [x for x in found if x is not None]
        return [x for each in known for x in each] if len(known) == len(found) else None

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Environment steps at which all runs were evaluated [K], success of every seed [K, S]."""
        curves = [record.curve() for record in self.records]
        common = curves[0][0]
        for steps, _ in curves[1:]:
            common = np.intersect1d(common, steps)
        return common, np.concatenate([y[np.isin(x, common)] for x, y in curves], axis=1)

    def first_at(self, rate: float) -> list[int | None]:
        """Environment steps of each seed's first evaluation at `rate` or above; None: never."""
        found: list[int | None] = []
        for record in self.records:
            steps, success = record.curve()
            for reached in (success >= rate).T:
                found.append(int(steps[reached.argmax()]) if reached.any() else None)
        return found

    def all_at(self, rate: float) -> int | None:
        """Environment steps of the first evaluation with every seed at `rate` or above; None:
        never. Runs whose last evaluations are at other steps than the others' count by those."""
        steps, success = self.curve()
        together = steps[(success >= rate).all(axis=1)]
        if len(together):
            return int(together[0])
        final = self.success
        if final is None or min(final) < rate:
            return None
        return max(record.env_steps for record in self.records)

    @property
    def label_accuracy(self) -> float | None:
        """Part of the decided labels that agree with the ground truth; None without labels."""
        found = [
            (quality.accuracy, quality.decided)
            for record in self.records
            if (quality := record.teachers.get(self.teacher)) and quality.accuracy is not None
        ]
        if not found:
            return None
        return float(np.average([a for a, _ in found], weights=[n for _, n in found]))


def shared_settings(records: Sequence[Record]) -> dict[str, Any]:
    """Settings other than the defaults that all runs have, with one value."""
    first, *others = records
    return {
        name: value
        for name, value in first.settings.items()
        if all(name in r.settings and r.settings[name] == value for r in others)
    }


def conditions(records: Sequence[Record]) -> list[Condition]:
    """Groups runs. A run whose seeds another of the same condition has stands by itself."""
    shared = shared_settings(records)
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        own = {k: v for k, v in record.settings.items() if k not in shared}
        settings = tuple(sorted((k, json.dumps(v).strip('"')) for k, v in own.items()))
        config = record.config
        key = (config["task"], config["protocol"], record.method, record.teacher, settings)
        taken = {seed for other in groups.get(key, ()) for seed in other.seeds}
        if taken & set(record.seeds):
            key = (*key[:-1], (*settings, ("run", record.name)))
        groups.setdefault(key, []).append(record)
    return [Condition(*key, records=tuple(found)) for key, found in groups.items()]


def row(condition: Condition) -> dict[str, Any]:
    """A condition's row, JSON-able."""
    success = condition.success
    interval = statistics.student(success, 0.0, 1.0) if success else None
    ablated = {"frm", "rrm", "importance"} & {
        name for record in condition.records for name in record.settings
    }
    total = lambda name: sum((r.summary or {}).get(name, 0) for r in condition.records)
    minutes = sum(r.wall_seconds for r in condition.records) / 60
    return {
        "task": condition.task,
        "protocol": condition.protocol,
        "method": condition.method,
        "teacher": condition.teacher,
        "settings": dict(condition.settings),
        "seeds": condition.seeds,
        "success": success,
        "success_mean": interval and interval.mean,
        "success_ci95": interval and [interval.low, interval.high],
        "paper_success": None
        if ablated
        else paper.success(condition.method, condition.task, condition.protocol),
        "env_steps": min(r.env_steps for r in condition.records),
        "all_seeds_at_0.9_first": condition.all_at(0.9),
        "first_at_0.9": condition.first_at(0.9),
        "labels_per_seed": max(r.labels for r in condition.records),
        "label_accuracy": condition.label_accuracy,
        "reward_columns": _mean_columns(condition.records),
        "tokens": total("tokens"),
        "cost_usd": total("cost_usd"),
        "minutes": round(minutes, 1),
        "finished": condition.finished,
        "status": "; ".join(sorted({r.status for r in condition.records})),
        "runs": [str(r.folder) for r in condition.records],
    }


def aggregates(found: Sequence[Condition]) -> list[dict[str, Any]]:
    """Interquartile mean over tasks and seeds of what is finished on several tasks."""
    groups: dict[tuple[str, str], list[Condition]] = {}
    for one in found:
        if one.finished:
            groups.setdefault((one.protocol, one.label), []).append(one)
    return [
        {
            "protocol": protocol,
            "condition": label,
            "tasks": [one.task for one in several],
            "iqm": interval.mean,
            "iqm_ci95": [interval.low, interval.high],
        }
        for (protocol, label), several in groups.items()
        if len({one.task for one in several}) > 1
        and (interval := statistics.bootstrap_iqm([one.success or [] for one in several]))
    ]


HEADERS = (
    "task", "protocol", "method", "teacher", "settings", "seeds", "success: mean, 95% CI",
    "each seed", "paper, 500k steps", "all seeds ≥ 0.9 from first evaluation at", "labels a seed",
    "labels right", "reward columns, mean a step", "env steps", "minutes", "status",
)  # fmt: skip


def cells(row: dict[str, Any]) -> list[str]:
    """A row as text, in the order of `HEADERS`."""
    mean, interval = row["success_mean"], row["success_ci95"]
    success = "–" if mean is None else f"{mean:.2f}"
    if interval and interval[0] is not None:
        success += f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    share = lambda x: "–" if x is None else f"{x:.2f}"
    steps = lambda x: "never" if x is None else f"{x / 1000:g}k"
    return [
        row["task"],
        row["protocol"],
        row["method"],
        row["teacher"] or "–",
        ", ".join(f"{k} {v}" for k, v in row["settings"].items()) or "–",
        ", ".join(map(str, row["seeds"])),
        success,
        " ".join(f"{x:.2f}" for x in row["success"] or ()) or "–",
        share(row["paper_success"]),
        steps(row["all_seeds_at_0.9_first"]),
        str(row["labels_per_seed"]),
        share(row["label_accuracy"]),
        columns_as_text(row["reward_columns"]),
        f"{row['env_steps']:,}",
        f"{row['minutes']:g}",
        row["status"],
    ]


def columns_as_text(columns: Mapping[str, float | None]) -> str:
    """Reward columns with their values, such as "formal 0.25, residual –"."""
    value = lambda x: "–" if x is None else f"{x:.4g}"
    return ", ".join(f"{name} {value(x)}" for name, x in columns.items()) or "–"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [HEADERS, ["---"] * len(HEADERS), *(cells(one) for one in rows)]
    return "".join(f"| {' | '.join(map(as_cell, line))} |\n" for line in lines)


def _mean_columns(records: Sequence[Record]) -> dict[str, float | None]:
    """Each reward column, mean per step at the end of the runs; None where nothing was measured."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.rewards.items():
            found.setdefault(name, []).extend([] if value is None else [value])
    return {name: round(float(np.mean(x)), 6) if x else None for name, x in found.items()}
