"""Gemini, by Google's own client library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from core_jax.models import failures
from core_jax.models.base import Schema
from core_jax.models.chat_config import ChatConfig, model_name
from core_jax.models.keys import Key
from core_jax.models.service import Sample, ServiceAnswer, count, malformed, read_text
from core_jax.prompts.message import Message, Picture

REFUSALS = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION"}
ROLES = {"user": "user", "assistant": "model"}


class GeminiService:
    """`models.generate_content`. The library builds and sends the request; the answer is read
    here, from its JSON, so that one of an unknown shape is told apart from one that got lost."""

    provider = "gemini"

    def __init__(self, chat: ChatConfig, key: Key, client: httpx2.Client):
        self.model, self.key = model_name(self.provider, chat), key
        self._chat = chat
        self._genai = genai.Client(
            api_key=key.reveal(),
            enterprise=False,
            http_options=types.HttpOptions(
                base_url=chat.base_url or None,
                timeout=max(1, round(chat.timeout * 1000)),  # ms
                httpx_client=client,
            ),
        )

    def ask(
        self, messages: Sequence[Message], n: int, schema: Schema | None = None
    ) -> ServiceAnswer:
        """See `Service.ask`."""
        turns = [
            types.Content(role=ROLES[m.role], parts=[_part(part) for part in m.parts])
            for m in messages
            if m.role != "system"
        ]
        try:
            response = self._genai.models.generate_content(
                model=self.model, contents=turns, config=self._settings(messages, n, schema)
            )
        except httpx2.HTTPError as error:
            raise failures.lost(error, self.key) from None
        except errors.APIError as error:
            raise self._refused(error) from None
        except UnicodeDecodeError:  # the library reads a failure's body before it says which it is
            raise failures.RequestFailed(
                "a failure without a readable text", passing=True
            ) from None
        body = response.sdk_http_response.body or ""
        try:
            content = json.loads(body)
        except ValueError:
            raise failures.garbled(body, self.key) from None
        return read_answer(content, n, self._chat.max_output_tokens)

    def _settings(
        self, messages: Sequence[Message], n: int, schema: Schema | None
    ) -> types.GenerateContentConfig:
        system = "\n".join(m.content for m in messages if m.role == "system")
        bound = {} if schema is None else {"response_mime_type": "application/json"}
        return types.GenerateContentConfig(
            system_instruction=system or None,
            temperature=self._chat.temperature,
            max_output_tokens=self._chat.max_output_tokens,
            candidate_count=n if n > 1 else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            should_return_http_response=True,
            response_json_schema=schema,
            **bound,
        )

    def _refused(self, error: errors.APIError) -> failures.RequestFailed:
        body = json.dumps(error.details, default=str)
        # A wrong key is a plain 400 here.
        status = 401 if "API_KEY_INVALID" in body else error.code
        headers = error.response.headers if error.response is not None else {}
        return failures.refused(status, headers, body, self.key)


def _part(part: str | Picture) -> types.Part:
    if isinstance(part, str):
        return types.Part(text=part)
    return types.Part.from_bytes(data=part.png, mime_type="image/png")


def read_answer(content: Any, n: int, limit: int) -> ServiceAnswer:
    """The samples in the JSON of a generate_content that was asked for `n` of them."""
    content = content if isinstance(content, dict) else {}
    candidates, feedback = content.get("candidates"), content.get("promptFeedback")
    blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if isinstance(candidates, list) and candidates:
        samples = tuple(_read_candidate(candidate, limit) for candidate in candidates)
    elif blocked:
        samples = (Sample("", "refused", f"the service blocked the prompt: {blocked}"),) * n
    else:
        samples = malformed("has no candidates", n)
    usage = content.get("usageMetadata")
    # A reply that is all thought, or blocked, has no count of its own.
    out = count({"candidatesTokenCount": 0, **usage}, "candidatesTokenCount", "thoughtsTokenCount"
                ) if isinstance(usage, dict) else None  # fmt: skip
    return ServiceAnswer(samples, count(usage, "promptTokenCount"), out)


def _read_candidate(candidate: Any, limit: int) -> Sample:
    if not isinstance(candidate, dict):
        return malformed(f"has a candidate that is a {type(candidate).__name__}", 1)[0]
    why, content = candidate.get("finishReason"), candidate.get("content")
    if why in REFUSALS:
        return Sample("", "refused", f"the service stopped the reply: {why}")
    parts = content.get("parts") if isinstance(content, dict) else None
    if content is not None and not isinstance(content, dict) or not isinstance(parts or [], list):
        return malformed("has a candidate without parts", 1)[0]
    spoken = [p for p in parts or [] if isinstance(p, dict) and not p.get("thought")]
    texts = [p.get("text", "") for p in spoken]
    if not all(isinstance(text, str) for text in texts):
        return malformed("has a part whose text is no string", 1)[0]
    sample = read_text("".join(texts), why == "MAX_TOKENS", limit)
    if sample.status == "empty" and why not in (None, "STOP"):
        return sample._replace(reason=f"the reply is empty: {why}")
    return sample
