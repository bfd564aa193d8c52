"""A sweep's run, read as one record for each combination of values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_jax.report.records import Record, SettingsOf, combinations, load


def load_all(path: Path, settings_of: SettingsOf) -> list[Record]:
    """Reads one run's folder, as `records.load`, and splits a sweep."""
    return split(load(path, settings_of), settings_of)


def split(record: Record, settings_of: SettingsOf) -> list[Record]:
    """One record for each combination of a sweep's values; the record itself without a sweep.

    Args:
        record: of all members.
        settings_of: as in `records.load`.
    """
    found, seeds = combinations(record.config), record.config["seeds"]
    if not record.config.get("sweep"):
        return [record]
    parts = []
    for i, values in enumerate(found):
        config = {**record.config, "sweep": {}}
        for name, value in values.items():
            group, _, field = name.partition(".")
            config[group] = {**config.get(group, {}), field: value}
        own = slice(i * seeds, (i + 1) * seeds)
        pick = lambda tree, own=own: _pick(tree, len(found) * seeds, own)
        part = dataclasses.replace(
            record,
            config=config,
            settings={**settings_of(config), **values},
            rows=[pick(row) for row in record.rows],
            summary=record.summary and pick(record.summary),
        )
        parts.append(part)
    return parts


def _pick(tree: Any, count: int, own: slice) -> Any:
    """A combination's part of every list with one entry per member; texts are left alone."""
    if isinstance(tree, Mapping):
        return {k: _pick(v, count, own) for k, v in tree.items()}
    if isinstance(tree, list) and len(tree) == count:
        return tree if any(isinstance(x, str) for x in tree) else tree[own]
    return tree
