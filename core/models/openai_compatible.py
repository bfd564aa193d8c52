"""Any service that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama and others."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from core_jax.models import failures
from core_jax.models.base import Schema
from core_jax.models.chat_config import VENDORS, ChatConfig, model_name
from core_jax.models.keys import Key
from core_jax.models.service import (
    Sample,
    ServiceAnswer,
    count,
    failed,
    join_parts,
    malformed,
    read_text,
)
from core_jax.prompts.message import Message, Picture

# Where servers put the reasoning that they took out of the reply.
_REASONING = ("reasoning_content", "reasoning", "thinking")


class OpenAIService:
    """POSTs to `/chat/completions`."""

    provider = "openai"

    def __init__(self, chat: ChatConfig, key: Key, client: httpx2.Client):
        self.model, self.key = model_name(self.provider, chat), key
        self._chat, self._client = chat, client

    def ask(
        self, messages: Sequence[Message], n: int, schema: Schema | None = None
    ) -> ServiceAnswer:
        """See `Service.ask`."""
        url = (self._chat.base_url or VENDORS[self.provider]).rstrip("/") + "/chat/completions"
        headers = {"Authorization": f"Bearer {self.key.reveal()}"} if self.key else {}
        # ASCII: a prompt may hold half a surrogate pair, which UTF-8 cannot write.
        body = json.dumps(self._body(messages, n, schema)).encode()
        headers["Content-Type"] = "application/json"
        response = self._client.post(url, content=body, headers=headers)
        try:
            content = failures.parse_json(response.content)
        except ValueError:
            raise failures.not_json(response.text, self.key) from None
        return read_answer(content, self._chat.max_output_tokens, self.key, response.headers)

    def _body(self, messages: Sequence[Message], n: int, schema: Schema | None) -> dict[str, Any]:
        # OpenAI's newer models know only the first name, Ollama only the second.
        limit = "max_tokens" if self._chat.base_url else "max_completion_tokens"
        body = {
            "model": self.model,
            "messages": [{"role": m.role, "content": _content(m)} for m in messages],
            "temperature": self._chat.temperature,
            limit: self._chat.max_output_tokens,
        }
        if schema is not None:
            bound = {"name": schema["title"], "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": bound}
        return body | ({"n": n} if n > 1 else {})


def _content(message: Message) -> str | list[dict[str, Any]]:
    """A turn's content; text alone as a string, which every service understands."""
    if isinstance(message.content, str):
        return message.content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": _data_url(part)}}
        for part in message.content
    ]


def _data_url(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()


def read_answer(
    content: Any, limit: int, key: Key, headers: Mapping[str, str] | None = None
) -> ServiceAnswer:
    """The samples in the JSON of a chat completion.

    Args:
        content: parsed JSON, of any shape.
        limit: output tokens that a sample may have.
        key: is masked in errors.
        headers: of the response; they may say when to ask again.

    Raises:
        RequestFailed: it reports an error, or has no samples.
    """
    headers = headers or {}
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise failures.unanswered(f"is a {type(content).__name__}, not an object", key)
    if content.get("error"):
        raise failures.reported(content["error"], headers, key)
    choices, usage = content.get("choices"), content.get("usage")
    if content.get("object") == "error" or (choices is None and _has_words(content)):
        raise failures.reported(content, headers, key)
    if not isinstance(choices, list) or not choices:
        raise failures.unanswered("has no choices", key)
    for choice in choices:
        if len(choices) == 1 and isinstance(choice, dict) and choice.get("error"):
            raise failures.reported(choice["error"], headers, key)
    samples = tuple(_read_choice(choice, limit) for choice in choices)
    made = tuple(sample for sample in samples if sample.status != "failed")
    if not made:
        raise failures.unanswered(samples[0].reason, key)
    return ServiceAnswer(made, count(usage, "prompt_tokens"), count(usage, "completion_tokens"))


def _has_words(content: dict[str, Any]) -> bool:
    return any(isinstance(content.get(name), str) for name in ("message", "detail", "msg"))


def _read_choice(choice: Any, limit: int) -> Sample:
    message = choice.get("message") if isinstance(choice, dict) else None
    why = choice.get("finish_reason") if isinstance(choice, dict) else None
    if why == "error" or (isinstance(choice, dict) and choice.get("error")):
        return failed("ends with the finish reason error")
    if not isinstance(message, dict):
        return failed("has a choice without a message")
    if message.get("refusal"):
        return Sample("", "refused", f"the model refuses: {message['refusal']}")
    if why == "content_filter":
        return Sample("", "refused", "stopped by the service's content filter")
    parts = join_parts(message.get("content"))
    if parts is None:
        kind = type(message["content"]).__name__
        return malformed(f"has a message whose content is a {kind}")
    text, reasoning = parts
    reasoning += "".join(v for n in _REASONING if isinstance(v := message.get(n), str))
    return read_text(text, why == "length", limit, reasoning)
