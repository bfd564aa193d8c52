"""Rows of a label file as queries and labels; a damaged one is an error that names the file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_jax.feedback.labels import records
from core_jax.feedback.labels.database import LabelFileError
from core_jax.feedback.labels.records import Asked
from core_jax.feedback.queries import Label, Query

if TYPE_CHECKING:
    from core_jax.feedback.labels.store import LabelStore


def read_query(path: Path, clips: bytes, kind: Any, payload: str, *place: Any) -> Query:
    """A query from its columns; `place` is instruction, seed and round."""
    with _damage_named(path, "question"):
        unpacked = records.unpack_clips(clips)
        return records.build_query(kind, json.loads(payload), unpacked, *place)


def read_label(path: Path, kind: Any, payload: str, *common: Any) -> Label:
    """A label from its columns; `common` is reason, tokens, cost_usd, confidence and seconds."""
    names = ("reason", "tokens", "cost_usd", "confidence", "seconds")
    with _damage_named(path, "label"):
        named = dict(zip(names, common, strict=True))
        return records.build_label(kind, json.loads(payload), **named)


def read_asked(path: Path, key: str, *row: Any) -> Asked:
    """A query and when it was drawn from their columns."""
    *query, position, env_steps, mean_reward = row
    return Asked(key, read_query(path, *query), position, env_steps, mean_reward)


def asked_of(store: LabelStore) -> dict[str, tuple[str, int | None]]:
    """What every question of a store asks, and its classes, by key; clips are not read."""
    found = {}
    for key, kind, payload in store.database.all("SELECT key, kind, payload FROM questions"):
        with _damage_named(store.path, "question"):
            content = json.loads(payload)
            found[key] = (content.get("asks", kind), content.get("classes"))
    return found


@contextlib.contextmanager
def _damage_named(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise LabelFileError(f"{path} holds a damaged {what}: {error}") from error
