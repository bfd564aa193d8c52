"""Requests to a hosted model and honest answers to them, in both protocols."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple


class Request(NamedTuple):
    """One request, as the service understands it."""

    provider: str  # "openai" or "gemini"
    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    prompt: str  # all texts of the conversation
    pictures: int
    n: int
    bound: bool  # to a JSON Schema
    tries: int  # how often the same body came before

    @property
    def key(self) -> str:
        """The API key that came with it."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("x-goog-api-key", "")


class Response(NamedTuple):
    """What is sent, and how."""

    body: bytes | str | dict | list | None
    status: int = 200
    headers: dict[str, str] = {}
    pause: float = 0.0  # seconds between any two bytes
    head_pause: float = 0.0  # seconds between any two header lines
    missing: int = 0  # bytes of the body that never come
    silent: bool = False  # nothing comes


def digest_of(body: dict[str, Any]) -> str:
    """Content hash of a request's body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_request(
    path: str, headers: dict[str, str], body: dict[str, Any], tries: int = 0
) -> Request:
    """A request's parts, by the protocol that its path shows."""
    headers = {k.lower(): v for k, v in headers.items()}
    if path.endswith("/chat/completions"):
        parts = [p for m in body["messages"] for p in _parts(m["content"])]
        texts = [p["text"] for p in parts if "text" in p]
        return Request(
            "openai", body, headers, path, "\n".join(texts), len(parts) - len(texts),
            body.get("n", 1), "response_format" in body, tries,
        )  # fmt: skip
    if not path.endswith(":generateContent"):
        raise ValueError(f"no such path: {path}")
    settings = body.get("generationConfig", {})
    turns = [body.get("systemInstruction", {"parts": []}), *body["contents"]]
    parts = [p for turn in turns for p in turn["parts"]]
    texts = [p["text"] for p in parts if "text" in p]
    return Request(
        "gemini", body, headers, path, "\n".join(texts), len(parts) - len(texts),
        settings.get("candidateCount", 1), "responseJsonSchema" in settings, tries,
    )  # fmt: skip


def completion(
    provider: str,
    texts: Sequence[Any],
    tokens: tuple[Any, Any] = (10, 20),
    finish: Any = "",
    **message: Any,
) -> dict[str, Any]:
    """A service's answer with these contents, as JSON.

    Args:
        provider: "openai" or "gemini".
        texts: of the samples; a list is sent as a list of parts.
        tokens: of the prompt and of each sample.
        finish: the finish reason.
        message: more fields of each message or candidate.
    """
    sums = (tokens[0], tokens[1] * len(texts) if isinstance(tokens[1], int) else tokens[1])
    if provider == "openai":
        choices = [
            {
                "index": i,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish or "stop",
            }
            for i, text in enumerate(texts)
        ]
        usage = dict(zip(("prompt_tokens", "completion_tokens"), sums, strict=True))
        return {"object": "chat.completion", "choices": choices, "usage": usage}
    candidates = [
        {
            "content": {"role": "model", "parts": t if isinstance(t, list) else [{"text": t}]},
            "finishReason": finish or "STOP",
            **message,
        }
        for t in texts
    ]
    usage = dict(zip(("promptTokenCount", "candidatesTokenCount"), sums, strict=True))
    return {"candidates": candidates, "usageMetadata": usage}


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"text": content}] if isinstance(content, str) else content
