"""A run's files: written whole or not at all, and read back whatever version wrote them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_FORMER_COLUMNS = ("formal", "residual")  # at the top level of older rows


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file atomically; numbers that are not finite become null."""
    write_text(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a metrics file atomically, a JSON object per line."""
    lines = (json.dumps(finite(row), allow_nan=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically: after a crash it has its old content or the new one."""
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


def finite(value: Any) -> Any:
    """A JSON-able value with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a metrics file; none if there is no file.

    A line that is no row is left out: a kill cut it short, or the disk has damaged it.
    """
    return [row for row in _lines(path) if row is not None]


def unreadable_rows(path: Path) -> int:
    """The number of lines of a metrics file that are no rows, without the last, which a kill may
    have cut short."""
    return sum(row is None for row in _lines(path)[:-1])


def _lines(path: Path) -> list[dict[str, Any] | None]:
    """The rows of a file; None for a line that is no row."""
    if not path.exists():
        return []
    rows: list[dict[str, Any] | None] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            row = None
        whole = isinstance(row, dict) and isinstance(row.get("env_steps"), int)
        rows.append(row if whole else None)
    return rows


def reward_columns(row: Mapping[str, Any]) -> dict[str, list[float]]:
    """The reward columns of a row of metrics: name -> mean per step of each seed.

    Rows of the version before named `formal` and `residual` without `rewards`.
    """
    columns = row.get("rewards")
    if isinstance(columns, Mapping):
        return dict(columns)
    return {name: row[name] for name in _FORMER_COLUMNS if isinstance(row.get(name), list)}
