"""A hosted service as its wrapper sees it: one request in, samples and their tokens out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from core_jax.models.base import Schema
from core_jax.models.keys import Key
from core_jax.prompts.message import Message

Status = Literal["ok", "cut", "refused", "empty", "malformed", "lost"]


class Sample(NamedTuple):
    """One sampled reply, or why there is none.

    `cut`: the token limit was reached; `refused`: for safety or by policy; `empty`: no text;
    `malformed`: JSON of another shape than the service's documentation says; `lost`: no answer.
    """

    text: str
    status: Status = "ok"
    reason: str = ""


class ServiceAnswer(NamedTuple):
    """What one request brought. Tokens are None where the answer does not count them."""

    samples: tuple[Sample, ...]  # never empty
    tokens_in: int | None
    tokens_out: int | None  # thinking included


class Service(Protocol):
    """One provider's HTTP interface."""

    provider: str
    model: str
    key: Key

    def ask(
        self, messages: Sequence[Message], n: int, schema: Schema | None = None
    ) -> ServiceAnswer:
        """Up to `n` samples by one request, without repetitions.

        Args:
            messages: the conversation.
            n: samples wanted.
            schema: bind the samples to this JSON Schema.

        Raises:
            RequestFailed: no answer came.
        """
        ...


def read_text(text: str, cut: bool, limit: int) -> Sample:
    """A sample that was not refused: whole, cut off at the token limit, or empty."""
    if cut:
        hint = f"cut off at {limit} output tokens: raise --chat.max-output-tokens"
        return Sample(text, "cut", hint)
    if not text.strip():
        return Sample("", "empty", "the reply is empty")
    return Sample(text)


def malformed(what: str, n: int) -> tuple[Sample, ...]:
    """All samples of an answer that is JSON of an unknown shape."""
    return (Sample("", "malformed", f"the service's answer {what}"),) * n


def count(usage: Any, *names: str) -> int | None:
    """The sum of an answer's token counts; None if the first of them is not there."""
    if not isinstance(usage, dict) or not isinstance(usage.get(names[0]), int):
        return None
    values = [usage.get(name) for name in names]
    return sum(max(v, 0) for v in values if isinstance(v, int))
