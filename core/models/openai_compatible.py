"""Any service that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama and others."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import httpx2

from core_jax.models import failures
from core_jax.models.base import Schema
from core_jax.models.chat_config import ChatConfig, model_name
from core_jax.models.keys import Key
from core_jax.models.service import Sample, ServiceAnswer, count, malformed, read_text
from core_jax.prompts.message import Message, Picture

VENDOR = "https://api.openai.com/v1"


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
        url = (self._chat.base_url or VENDOR).rstrip("/") + "/chat/completions"
        headers = {"Authorization": f"Bearer {self.key.reveal()}"} if self.key.reveal() else {}
        body = self._body(messages, n, schema)
        try:
            response = self._client.post(
                url, json=body, headers=headers, timeout=self._chat.timeout
            )
        except httpx2.HTTPError as error:
            raise failures.lost(error, self.key) from None
        if response.status_code != 200:
            raise failures.refused(response.status_code, response.headers, response.text, self.key)
        try:
            content = json.loads(response.content)
        except ValueError:
            raise failures.garbled(response.text, self.key) from None
        return read_answer(content, n, self._chat.max_output_tokens)

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


def read_answer(content: Any, n: int, limit: int) -> ServiceAnswer:
    """The samples in a chat completion that was asked for `n` of them."""
    usage = content.get("usage") if isinstance(content, dict) else None
    choices = content.get("choices") if isinstance(content, dict) else None
    if isinstance(choices, list) and choices:
        samples = tuple(_read_choice(choice, limit) for choice in choices)
    else:
        samples = malformed("has no choices", n)
    return ServiceAnswer(samples, count(usage, "prompt_tokens"), count(usage, "completion_tokens"))


def _read_choice(choice: Any, limit: int) -> Sample:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return malformed("has a choice without a message", 1)[0]
    text, why = message.get("content"), choice.get("finish_reason")
    if message.get("refusal"):
        return Sample("", "refused", f"the model refuses: {message['refusal']}")
    if why == "content_filter":
        return Sample("", "refused", "stopped by the service's content filter")
    if text is not None and not isinstance(text, str):
        return malformed(f"has a message whose content is a {type(text).__name__}", 1)[0]
    return read_text(text or "", why == "length", limit)
