"""What the label store hands out, and how clips become bytes."""

from __future__ import annotations

import io
from typing import Any, Literal, NamedTuple

import numpy as np

from core_jax.feedback.queries import Clip, Pair

__all__ = ["Asked", "Counts", "Exchange", "Frame", "pack_clips", "unpack_clips"]


class Frame(NamedTuple):
    """One picture that a teacher is shown. `step` counts from the clip's start."""

    role: Literal["start", "goal", "a", "b"]
    step: int
    png: bytes


class Exchange(NamedTuple):
    """One prompt of a teacher's model and its reply, word for word."""

    stage: str
    model: str
    prompt: Any  # JSON-able; a picture is {"png": SHA-256}
    reply: str
    problem: str = ""
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class Asked(NamedTuple):
    """A question and when it was drawn. `mean_reward` is ground truth, per step, of then."""

    key: str
    question: Pair
    position: int  # in its seed's round
    env_steps: int
    mean_reward: float | None


class Counts(NamedTuple):
    """How far one teacher is. `asked` = `decided` + `abstained` + `open`."""

    asked: int
    decided: int
    abstained: int
    open: int
    tokens: int
    cost_usd: float


def pack_clips(question: Pair) -> bytes:
    """Both clips as a compressed npz."""
    arrays = {}
    for side in ("a", "b"):
        arrays |= {f"{side}_{k}": v for k, v in getattr(question, side)._asdict().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack_clips(blob: bytes) -> tuple[Clip, Clip]:
    """The inverse of `pack_clips`."""
    with np.load(io.BytesIO(blob)) as arrays:
        a, b = (Clip(*(arrays[f"{side}_{k}"] for k in Clip._fields)) for side in ("a", "b"))
    return a, b
