"""What a report reads of a run's folder; nothing in it is changed.

Configs are read as plain JSON, so that runs of other versions can be reported, too. A folder may be
another person's: links that lead out of it are not followed, and nothing in it is executed.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core_jax import files
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import Quality, quality
from core_jax.feedback.queries import Pair, PairLabel

SettingsOf = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_LARGEST = 50_000_000  # bytes of a file that is shown
_TAIL = 0.1  # of a run's rows, over which reward columns are averaged


@dataclasses.dataclass(frozen=True)
class Record:
    """One run, finished or not.

    Attributes:
        folder: where it is.
        config: its config.json, nested.
        settings: what differs from today's defaults, dotted names.
        rows: its metrics.
        summary: None if it has not finished.
        teachers: quality of each teacher that compared pairs of clips, by name.
        other_labels: teacher -> what was asked other than pairs -> number of labels.
        label_problem: why the labels cannot be read, or "".
    """

    folder: Path
    config: dict[str, Any]
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    summary: dict[str, Any] | None
    teachers: dict[str, Quality]
    other_labels: dict[str, dict[str, int]]
    label_problem: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def seeds(self) -> list[int]:
        """Numbers of its seeds."""
        return [self.config["seed"] + s for s in range(self.config["seeds"])]

    @property
    def method(self) -> str:
        """The method; with the image-text model in parentheses, where it uses one."""
        method, embedding = self.config["method"], self.config.get("clip")
        weights = embedding.get("weights") if isinstance(embedding, dict) else None
        return f"{method} ({Path(weights).name})" if weights else method

    @property
    def env_steps(self) -> int:
        """Environment steps so far, of each seed."""
        of_rows = self.rows[-1]["env_steps"] if self.rows else 0
        return max(of_rows, (self.summary or {}).get("env_steps", 0))

    @property
    def status(self) -> str:
        """`finished`, or how far it is."""
        if self.summary is not None:
            return "finished"
        return f"unfinished: {self.env_steps:,} of {self.config['steps']:,} steps"

    @property
    def teacher(self) -> str:
        """Who gave the labels that it learned from; "" if it asked for none."""
        if self.summary is not None:
            return self.summary.get("teacher", "") if self.summary.get("labels") else ""
        asked = Counter({name: found.asked for name, found in self.teachers.items()})
        for name, counts in self.other_labels.items():
            asked[name] += sum(counts.values())
        # A person who answered the same queries afterwards has taught this run nothing.
        return max(asked, key=lambda name: asked[name]) if asked else ""

    @property
    def labels(self) -> int:
        """Labels of each seed."""
        of_rows = self.rows[-1].get("labels", 0) if self.rows else 0
        return of_rows or (self.summary or {}).get("labels", 0)

    @property
    def wall_seconds(self) -> float:
        """How long it took so far; 0 if that was not noted."""
        noted = [r["wall_seconds"] for r in self.rows if _is_number(r.get("wall_seconds"))]
        return (self.summary or {}).get("wall_seconds") or (noted[-1] if noted else 0.0)

    @property
    def success(self) -> list[float] | None:
        """Success of each seed: of the final policies, or where unfinished of the last
        evaluation; None before the first."""
        if self.summary is not None:
            return self.summary["success"]
        _, values = self.curve()
        return None if not len(values) else list(values[-1])

    @property
    def rewards(self) -> dict[str, float | None]:
        """Mean per step of each reward column over the last tenth of the run, all seeds."""
        columns = [files.reward_columns(row) for row in self.rows]
        found: dict[str, float | None] = {}
        for name in dict.fromkeys(name for one in columns for name in one):
            last = columns[-max(1, round(_TAIL * len(columns))) :]
            values = [x for one in last for x in one.get(name) or () if _is_number(x)]
            found[name] = float(np.mean(values)) if values else None
        return found

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Environment steps [K] of the evaluations and the success of each seed [K, S].

        A finished run's last point is its final evaluation, which has more episodes than the others
        and is the only one of a run that was shorter than the time between two.
        """
        found = {r["env_steps"]: r["success"] for r in self.rows if r.get("evaluated")}
        if self.summary is not None:
            found[self.env_steps] = self.summary["success"]
        seeds = len(self.seeds)
        whole = {k: v for k, v in sorted(found.items()) if _is_success(v, seeds)}
        steps = np.array(list(whole), int)
        return steps, np.array(list(whole.values()), float).reshape(len(whole), seeds)

    def file(self, name: str) -> Path | None:
        """A regular file of the folder; None if it is missing, too large or a link out of it."""
        return _inside(self.folder, self.folder / name)

    def history(self) -> list[dict[str, Any]]:
        """What happened to the reward code, in order."""
        path = self.file("rewards/history.json")
        if path is None:
            return []
        try:
            content = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        except (ValueError, RecursionError):
            return []
        return [x for x in content if isinstance(x, dict)] if isinstance(content, list) else []

    def codes(self) -> list[tuple[str, str]]:
        """Name and source of every reward program that was in use, in order."""
        found = sorted((self.folder / "rewards").glob("*.py"))
        paths = [path for path in found if _inside(self.folder, path)]
        return [(path.stem, path.read_text(encoding="utf-8", errors="replace")) for path in paths]


def combinations(config: Mapping[str, Any]) -> list[dict[str, float]]:
    """The combinations of a stored config's sweep, in the order of its seed axis; one of nothing
    without a sweep.

    Raises:
        ValueError: the sweep is not lists of numbers by name.
    """
    sweep = config.get("sweep") or {}
    numbers = lambda values: isinstance(values, list) and all(map(_is_number, values))
    if not isinstance(sweep, Mapping) or not all(map(numbers, sweep.values())):
        raise ValueError(f"sweep is {sweep!r}, not lists of numbers by name")
    if math.prod(map(len, sweep.values())) > 10_000:
        raise ValueError("sweep has over 10,000 combinations")
    return [dict(zip(sweep, each, strict=True)) for each in itertools.product(*sweep.values())]


def find(paths: Sequence[Path]) -> list[Path]:
    """Runs' folders among paths: each is one, or has some in it (a sweep's).

    Raises:
        ValueError: one of them is neither.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{path} is not a folder")
        if (path / "config.json").exists():
            inside = [path]
        else:
            inside = sorted(p for p in path.iterdir() if (p / "config.json").exists())
        if not inside:
            raise ValueError(
                f"{path} is not a run's folder: it has no config.json, and no folder in it has one"
            )
        found += [p for p in inside if p not in found]
    return found


def load(path: Path, settings_of: SettingsOf) -> Record:
    """Reads one run's folder.

    Args:
        path: the folder.
        settings_of: what of a stored config to name as its settings, by dotted name
            (`core_jax.runs.differences`).

    Raises:
        ValueError: its config or summary cannot be read.
    """
    config = _json(path, "config.json")
    missing = {"task", "method", "protocol", "seed", "seeds", "steps"} - config.keys()
    if missing:
        raise ValueError(
            f"{path / 'config.json'} is not a run's config: it lacks {', '.join(sorted(missing))}"
        )
    for name in ("seed", "seeds", "steps"):
        if not isinstance(config[name], int) or not 0 <= config[name] < 2**40:
            raise ValueError(f"{path / 'config.json'}: {name} is {config[name]!r}")
    summary = _json(path, "summary.json") if (path / "summary.json").exists() else None
    count = len(combinations(config)) * config["seeds"]
    if summary is not None and not _is_success(summary.get("success"), count):
        raise ValueError(f"{path / 'summary.json'} does not give the success of every seed")
    metrics = _inside(path, path / "metrics.jsonl", largest=None)
    teachers, others, problem = _labels(path)
    return Record(
        folder=path,
        config=config,
        settings=dict(settings_of(config)),
        rows=files.read_rows(metrics) if metrics else [],
        summary=summary,
        teachers=teachers,
        other_labels=others,
        label_problem=problem,
    )


def _labels(folder: Path) -> tuple[dict[str, Quality], dict[str, dict[str, int]], str]:
    """Quality by teacher, counts of labels other than of pairs, and why they cannot be read."""
    path = folder / "labels.sqlite"
    if not path.exists():
        return {}, {}, ""
    if _inside(folder, path, largest=None) is None:
        return {}, {}, "labels.sqlite is not a file in the run's folder"
    pairs: dict[str, tuple[list[Pair], list[PairLabel]]] = {}
    others: dict[str, Counter[str]] = {}
    try:
        store = LabelStore(path, read_only=True)
        try:
            seen = set()
            for asked in store.questions():
                if asked.key in seen:
                    continue
                seen.add(asked.key)
                for teacher, label in store.answers(asked.key).items():
                    if isinstance(asked.question, Pair) and isinstance(label, PairLabel):
                        queries, labels = pairs.setdefault(teacher, ([], []))
                        queries.append(asked.question)
                        labels.append(label)
                    else:
                        others.setdefault(teacher, Counter())[asked.question.asks] += 1
        finally:
            store.close()
    except ValueError as error:
        return {}, {}, str(error)
    found = {name: quality(*both) for name, both in pairs.items()}
    return found, {name: dict(counts) for name, counts in others.items()}, ""


def _inside(folder: Path, path: Path, largest: int | None = _LARGEST) -> Path | None:
    """The path if it is a regular file in the folder, links resolved, and not too large."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve()) or not real.is_file():
            return None
        return path if largest is None or real.stat().st_size <= largest else None
    except (OSError, RuntimeError):  # missing, not readable, or a loop of links
        return None


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if _inside(folder, path) is None:
        raise ValueError(f"{path} is not a file in the run's folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _is_success(value: Any, seeds: int) -> bool:
    return isinstance(value, list) and len(value) == seeds and all(map(_is_number, value))
