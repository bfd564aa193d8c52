"""What the label store returns, and how clips and labels become bytes and JSON."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np

from core_jax.feedback.queries import (
    Clip,
    Kind,
    Label,
    Order,
    OrderLabel,
    Pair,
    PairLabel,
    Query,
    Single,
    SingleLabel,
)

_COMMON = ("reason", "tokens", "cost_usd", "confidence", "seconds")  # columns of their own


class Frame(NamedTuple):
    """One picture that a teacher is shown."""

    role: str  # "start", "goal", or the role of a clip in `Query.shown`
    step: int  # from the clip's start
    png: bytes


class Exchange(NamedTuple):
    """One prompt of a teacher's model and its reply, unchanged."""

    stage: str
    model: str
    prompt: Any  # JSON-able; a picture is {"png": SHA-256}
    reply: str
    problem: str = ""
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class Asked(NamedTuple):
    """A query and when it was drawn."""

    key: str
    question: Query
    position: int  # in its seed's round
    env_steps: int
    mean_reward: float | None  # ground truth per step of recent experience at that time


class Row(NamedTuple):
    """A query with one of its labels, without clips."""

    key: str
    seed: int
    round: int
    position: int
    env_steps: int
    teacher: str
    label: Label


class Counts(NamedTuple):
    """How far one teacher is. `asked` = `decided` + `abstained` + `open`."""

    asked: int
    decided: int
    abstained: int
    open: int
    tokens: int
    cost_usd: float


def pack_clips(query: Query) -> bytes:
    """All clips of a query as a compressed npz with entries `{role}_{field}`."""
    arrays = {}
    for role, clip in query.shown.items():
        arrays |= {f"{role}_{name}": value for name, value in clip._asdict().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack_clips(blob: bytes) -> dict[str, Clip]:
    """The inverse of `pack_clips`, by role.

    Raises:
        ValueError: the bytes are not what `pack_clips` writes.
    """
    try:
        with np.load(io.BytesIO(blob)) as arrays:
            roles = dict.fromkeys(name.split("_", 1)[0] for name in arrays.files)
            return {r: Clip(*(arrays[f"{r}_{k}"] for k in Clip._fields)) for r in roles}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"the stored clips cannot be read: {error}") from error


def query_payload(query: Query) -> dict[str, Any]:
    """What a query's kind adds to its clips and instruction, JSON-able."""
    if isinstance(query, Single):
        return {"asks": query.asks, "classes": query.classes}
    return {"count": len(query.clips)} if isinstance(query, Order) else {}


def build_query(kind: Kind, payload: dict[str, Any], clips: dict[str, Clip], *place: Any) -> Query:
    """The inverse of `query_payload`; `place` is instruction, seed and round."""
    if kind == "pair":
        return Pair(clips["a"], clips["b"], *place)
    if kind == "single":
        return Single(clips["clip"], payload["asks"], payload["classes"], *place)
    if kind == "order":
        return Order(tuple(clips[str(i)] for i in range(payload["count"])), *place)
    raise ValueError(f"unknown kind of query {kind!r}; this program knows pair, single and order")


def label_payload(label: Label) -> dict[str, Any]:
    """The fields of a label that belong to its kind, JSON-able."""
    return {k: v for k, v in label._asdict().items() if k not in _COMMON}


def build_label(kind: Kind, payload: dict[str, Any], **common: Any) -> Label:
    """The inverse of `label_payload`; `common` are the fields that all labels have."""
    if kind == "pair":
        ratings = payload["ratings"]
        return PairLabel(
            preference=payload["preference"],
            scores_a=tuple(payload["scores_a"]),
            scores_b=tuple(payload["scores_b"]),
            ratings=None if ratings is None else (ratings[0], ratings[1]),
            **common,
        )
    if kind == "single":
        return SingleLabel(value=payload["value"], **common)
    if kind == "order":
        order = payload["order"]
        return OrderLabel(order=None if order is None else tuple(order), **common)
    raise ValueError(f"unknown kind of label {kind!r}; this program knows pair, single and order")
