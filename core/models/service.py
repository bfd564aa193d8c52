"""A hosted service: one request in, samples and their tokens out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from core_jax.models.base import Schema
from core_jax.models.keys import Key
from core_jax.prompts.message import Message
from core_jax.prompts.thoughts import without_thoughts

# No model reads or writes more in one request; a larger count is nonsense.
LARGEST_COUNT = 10_000_000

Status = Literal["ok", "cut", "refused", "empty", "malformed", "lost", "failed"]


class Sample(NamedTuple):
    """One sampled reply, or why there is none.

    `cut`: the token limit was reached; `refused`: for safety or by policy; `empty`: no text;
    `malformed`: JSON of another shape than the service's documentation says; `lost`: no answer;
    `failed`: the service reports that it could not make this sample, and it may be asked again.
    """

    text: str
    status: Status = "ok"
    reason: str = ""


class ServiceAnswer(NamedTuple):
    """The samples of one request. Tokens are None where the answer does not count them."""

    samples: tuple[Sample, ...]  # never empty
    tokens_in: int | None
    tokens_out: int | None  # including the model's reasoning


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
            RequestFailed: no answer came, or none of its samples could be made.
        """
        ...


def read_text(text: str, cut: bool, limit: int, reasoning: str = "") -> Sample:
    """A sample that was not refused: whole, cut off at the token limit, or empty.

    Args:
        text: as the service returned it; reasoning in it is removed.
        cut: the service stopped at the token limit.
        limit: output tokens that were allowed.
        reasoning: what the service returned as the model's reasoning.
    """
    spoken = without_thoughts(text)
    raise_it = "raise --chat.max-output-tokens"
    inside = " inside the model's reasoning" if spoken.unfinished or not spoken.text.strip() else ""
    if cut:
        return Sample(spoken.text, "cut", f"cut off at {limit} output tokens{inside}: {raise_it}")
    if spoken.unfinished:
        return Sample(spoken.text, "cut", f"the reply ends{inside}: {raise_it}")
    if not spoken.text.strip():
        if not reasoning.strip() and not text.strip():
            return Sample("", "empty", "the reply is empty")
        hint = f"{raise_it}, or switch its reasoning off at the service"
        return Sample("", "empty", f"the reply is empty but for the model's reasoning: {hint}")
    return Sample(spoken.text)


def malformed(what: str) -> Sample:
    """A sample that is JSON of an unknown shape."""
    return Sample("", "malformed", f"the service's answer {what}")


def failed(why: str) -> Sample:
    """A sample that the service could not make."""
    return Sample("", "failed", why)


def join_parts(content: Any) -> tuple[str, str] | None:
    """Text and reasoning of a reply's content, which is a string or a list of parts.

    None if it is neither. Parts that are no text (pictures, calls of tools) are left out.
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    parts = [content] if isinstance(content, dict) else content
    if not isinstance(parts, list):
        return None
    spoken, reasoning = [], []
    for part in parts:
        if isinstance(part, str):
            spoken.append(part)
            continue
        if not isinstance(part, dict):
            return None
        kind, text = part.get("type"), part.get("text", part.get("content"))
        if part.get("thought") is True or kind in ("thinking", "reasoning", "thought"):
            inner = text if text is not None else part.get("thinking", part.get("reasoning"))
            reasoning.append(inner if isinstance(inner, str) else str(inner or ""))
        elif isinstance(text, str):
            spoken.append(text)
        elif text is not None:
            return None
    return "".join(spoken), "".join(reasoning)


def count(usage: Any, *names: str) -> int | None:
    """The sum of an answer's token counts.

    None if the first of them is not there, or one of them is no count: negative, not finite, no
    number, or larger than any request.
    """
    if not isinstance(usage, dict) or usage.get(names[0]) is None:
        return None
    total = 0
    for name in names:
        value = usage.get(name)
        if value is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= LARGEST_COUNT or value != int(value):
            return None
        total += int(value)
    return total
