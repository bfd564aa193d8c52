"""A finished run as one small JSON file, `results/*.json`: what the published tables are made from.

A file says what was run, what came out for every seed, and where it comes from. What is not known
is null.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core_jax import files

SCHEMA = 1
CURVE_POINTS = 10
FROM_RUN = "run"


@dataclasses.dataclass(frozen=True)
class Reached:
    """A seed's first evaluation with success of 0.9 or above, and what was spent until then.

    Attributes:
        env_steps: of the evaluation.
        labels: asked for so far, abstentions included.
        pictures: shown to the teacher so far; 0 for a scripted one.
        cost_usd: of hosted models so far, an equal share of the run's.
    """

    env_steps: int
    labels: int | None = None
    pictures: int | None = None
    cost_usd: float | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """A run's result.

    Attributes:
        task, method, protocol, learner: as in the run's config.
        teacher: who gave labels; "" if nobody did.
        settings: other than the defaults, by dotted name, as a report shows them.
        seeds: their numbers.
        success: of the final policy of each seed, over `episodes` episodes.
        config: all settings (`config.json`), by which a sweep recognises the run.
        episode_return: of each seed, mean over the episodes.
        env_steps: of each seed.
        curve: (environment steps, success of each seed) of evaluations, ten at most.
        reached: of each seed, None for one that never reached 0.9; None as a whole if unknown.
        labels: asked for, per seed, abstentions included.
        pictures: shown to the teacher, per seed.
        pictures_per_label: that a vision-language model is shown for one query of this run.
        tokens, cost_usd: of hosted models, all seeds.
        minutes: of the whole run, all seeds side by side.
        device: what it ran on.
        commit, versions: of the code and of what it ran with.
        date: on which it ended, ISO 8601.
        original_success: of the same policies in the original simulator, each seed.
        source: `run`, or where the numbers were taken from.
        note: what else a reader must know.
    """

    task: str
    method: str
    protocol: str
    learner: str
    teacher: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    success: tuple[float, ...]
    config: Mapping[str, Any] | None = None
    episode_return: tuple[float, ...] | None = None
    episodes: int | None = None
    env_steps: int | None = None
    curve: tuple[tuple[int, tuple[float, ...]], ...] | None = None
    reached: tuple[Reached | None, ...] | None = None
    labels: int | None = None
    pictures: int | None = None
    pictures_per_label: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    minutes: float | None = None
    device: str | None = None
    commit: str | None = None
    versions: Mapping[str, str] | None = None
    date: str | None = None
    original_success: tuple[float, ...] | None = None
    source: str = FROM_RUN
    note: str = ""

    def __post_init__(self) -> None:
        """Raises a ValueError for what no table can show."""
        for name in ("task", "method", "protocol", "learner", "teacher", "source", "note"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, not {getattr(self, name)!r}")
        if not isinstance(self.settings, Mapping):
            raise ValueError(f"settings must be named values, not {self.settings!r}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different numbers, at least one, not {self.seeds}")
        for name in ("success", "episode_return", "original_success"):
            _check_per_seed(name, getattr(self, name), len(self.seeds))
        for step, success in self.curve or ():
            _check_per_seed(f"curve at {step}", success, len(self.seeds))
        if self.reached is not None and len(self.reached) != len(self.seeds):
            raise ValueError(f"reached must have {len(self.seeds)} entries, one for each seed")

    @property
    def name(self) -> str:
        """Of its file, without `.json`: equal for equal settings."""
        parts = [self.method, self.task, self.protocol, self.teacher, self.learner]
        known = self.config if self.config is not None else (self.settings, self.seeds)
        content = json.dumps([known, parts], sort_keys=True)
        if self.learner == "sac":
            parts.pop()
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        return "-".join(_slug(part) for part in (*parts, digest) if part)


def write(result: Result, folder: Path) -> Path:
    """Writes a result's file; one of the same settings is replaced. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    content = files.finite({"schema": SCHEMA, **dataclasses.asdict(result)})
    lines = (f" {json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in content.items())
    files.write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    return path


def read(folder: Path) -> tuple[list[Result], list[str]]:
    """All results of a folder by file name, and why files were left out, a line each.

    Raises:
        ValueError: it is not a folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of results")
    found, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_file(path))
        except ValueError as error:
            problems.append(f"{path} is left out: {error}")
    return found, problems


def read_file(path: Path) -> Result:
    """One result.

    Raises:
        ValueError: it is not one, or one of another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    schema = content.pop("schema", None)
    if schema != SCHEMA:
        known = f"this version reads schema {SCHEMA}"
        if schema is None:
            raise ValueError(f"it has no schema number, so an older version wrote it; {known}")
        raise ValueError(f"it has schema {schema!r}; {known}")
    fields = {f.name: f for f in dataclasses.fields(Result)}
    if unknown := sorted(content.keys() - fields.keys()):
        raise ValueError(f"unknown field {unknown[0]!r}")
    required = [n for n, f in fields.items() if f.default is dataclasses.MISSING]
    if missing := [n for n in required if n not in content]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    try:
        return Result(**{name: _parsed(name, value) for name, value in content.items()})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a field has the wrong type: {error}") from error


def thinned(curve: Sequence[tuple[int, Any]], points: int = CURVE_POINTS) -> list[tuple[int, Any]]:
    """At most so many points of a curve, evenly spaced in number, the last one among them."""
    count = len(curve)
    if count <= points:
        return list(curve)
    return [curve[-(-count * (i + 1) // points) - 1] for i in range(points)]


def _parsed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "curve":
        return tuple((int(step), tuple(success)) for step, success in value)
    if name == "reached":
        return tuple(one and Reached(**one) for one in value)
    return tuple(value) if isinstance(value, list) else value


def _check_per_seed(name: str, values: Any, seeds: int) -> None:
    if values is None and name != "success":
        return
    is_number = lambda x: isinstance(x, (int, float)) and not isinstance(x, bool)
    if not (
        isinstance(values, tuple)
        and len(values) == seeds
        and all(is_number(x) and math.isfinite(x) for x in values)
    ):
        raise ValueError(f"{name} must be {seeds} numbers, one for each seed, not {values!r}")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")
