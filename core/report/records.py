"""What a report reads of a run's folder; nothing in it is changed.

Configs are read as plain JSON, so that runs of other versions can be told about, too.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import Quality, quality
from core_jax.runs.config import Config
from core_jax.runs.metrics import read_rows

# No result depends on these, or they are columns of their own.
_APART = {
    "task", "method", "protocol", "seed", "seeds", "teacher", "scripted.kind", "max_cost",
    "render_batch", "checkpoint_every", "chat.timeout", "chat.retries",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Record:
    """One run, finished or not.

    Attributes:
        folder: where it is.
        config: its config.json, nested.
        settings: what differs from today's defaults, dotted names.
        rows: its metrics.
        summary: None if it has not finished.
        teachers: quality of each teacher that answered, by name.
        label_problem: why the labels cannot be read, or "".
    """

    folder: Path
    config: dict[str, Any]
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    summary: dict[str, Any] | None
    teachers: dict[str, Quality]
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
    def env_steps(self) -> int:
        """Environment steps so far, of each seed."""
        return self.rows[-1]["env_steps"] if self.rows else 0

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
            return self.summary["teacher"] if self.summary["labels"] else ""
        if not self.teachers:
            return ""
        # A person who answered the same questions afterwards has taught this run nothing.
        return max(self.teachers, key=lambda name: self.teachers[name].asked)

    @property
    def success(self) -> list[float] | None:
        """Success of each seed: of the final policies, or where unfinished of the last
        evaluation; None before the first."""
        if self.summary is not None:
            return self.summary["success"]
        _, values = self.curve()
        return None if not len(values) else list(values[-1])

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Environment steps [K] of the evaluations and the success of each seed [K, S]."""
        found = [(r["env_steps"], r["success"]) for r in self.rows if r.get("evaluated")]
        steps = np.array([x for x, _ in found])
        return steps, np.array([y for _, y in found]).reshape(len(found), len(self.seeds))

    def history(self) -> list[dict[str, Any]]:
        """What happened to the formal reward, in order."""
        path = self.folder / "rewards" / "history.json"
        return json.loads(path.read_text()) if path.exists() else []

    def codes(self) -> list[tuple[str, str]]:
        """Name and source of every formal reward that was in use, in order."""
        files = sorted((self.folder / "rewards").glob("*.py"))
        return [(path.stem, path.read_text()) for path in files]


def find(paths: Sequence[Path]) -> list[Path]:
    """Runs' folders among paths: each is one, or holds some (a sweep's).

    Raises:
        ValueError: one of them is neither.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{path} is no folder")
        if (path / "config.json").exists():
            inside = [path]
        else:
            inside = sorted(p.parent for p in path.glob("*/config.json"))
        if not inside:
            raise ValueError(
                f"{path} is no run's folder: it has no config.json, and no folder in it has one"
            )
        found += [p for p in inside if p not in found]
    return found


def load(path: Path) -> Record:
    """Reads one run's folder.

    Raises:
        ValueError: its config or summary cannot be read.
    """
    config = _json(path / "config.json")
    missing = {"task", "method", "protocol", "seed", "seeds", "steps"} - config.keys()
    if missing:
        raise ValueError(f"{path / 'config.json'} is no run's config: it lacks {sorted(missing)}")
    summary = path / "summary.json"
    teachers, problem = _labels(path / "labels.sqlite")
    return Record(
        folder=path,
        config=config,
        settings=_settings(config, dataclasses.asdict(Config())),
        rows=read_rows(path / "metrics.jsonl"),
        summary=_json(summary) if summary.exists() else None,
        teachers=teachers,
        label_problem=problem,
    )


def _labels(path: Path) -> tuple[dict[str, Quality], str]:
    if not path.exists():
        return {}, ""
    try:
        store = LabelStore(path)
    except ValueError as error:
        return {}, str(error)
    by_teacher: dict[str, tuple[list, list]] = {}
    seen = set()
    for asked in store.questions():
        if asked.key in seen:
            continue
        seen.add(asked.key)
        for teacher, answer in store.answers(asked.key).items():
            questions, answers = by_teacher.setdefault(teacher, ([], []))
            questions.append(asked.question)
            answers.append(answer)
    store.close()
    return {name: quality(*pair) for name, pair in by_teacher.items()}, ""


def _settings(given: dict, default: dict, prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        known = default.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            found |= _settings(value, known, f"{prefix}{name}.")
            continue
        known = list(known) if isinstance(known, tuple) else known
        if value != known and prefix + name not in _APART:
            found[prefix + name] = value
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content
