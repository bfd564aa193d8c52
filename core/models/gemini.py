"""Gemini, by Google's own client library."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
from google import genai
from google.genai import types

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

REFUSALS = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "ESCALATION",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
}
WHOLE = {None, "", "STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED"}
ROLES = {"user": "user", "assistant": "model"}


class GeminiService:
    """`models.generate_content`. The library builds and sends the request by a client that lets
    only whole successes pass; the answer is read here, from its JSON."""

    provider = "gemini"

    def __init__(self, chat: ChatConfig, key: Key, client: httpx2.Client):
        self.model, self.key = model_name(self.provider, chat), key
        self._chat = chat
        # Neither is used. Without them the library makes its own of the environment's proxies and
        # certificates, which may not be there.
        unused = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._genai = genai.Client(
            api_key=key.reveal() or "none",
            enterprise=False,
            http_options=types.HttpOptions(
                # Given in any case: the environment must not send the key elsewhere.
                base_url=chat.base_url or VENDORS[self.provider] + "/",
                httpx_client=client,
                httpx_async_client=unused,
                async_client_args={"ssl": context},
            ),
        )

    def ask(
        self, messages: Sequence[Message], n: int, schema: Schema | None = None
    ) -> ServiceAnswer:
        """See `Service.ask`."""
        turns: Any = [
            types.Content(role=ROLES[m.role], parts=[_part(part) for part in m.parts])
            for m in messages
            if m.role != "system"
        ]
        response = self._genai.models.generate_content(
            model=self.model, contents=turns, config=self._settings(messages, n, schema)
        )
        http = response.sdk_http_response
        body = (http.body if http else None) or ""
        try:
            content = failures.parse_json(body)
        except ValueError:
            raise failures.not_json(body, self.key) from None
        headers = (http.headers if http else None) or {}
        return read_answer(content, n, self._chat.max_output_tokens, self.key, headers)

    def _settings(
        self, messages: Sequence[Message], n: int, schema: Schema | None
    ) -> types.GenerateContentConfig:
        system = [part for m in messages if m.role == "system" for part in m.parts]
        return types.GenerateContentConfig(
            system_instruction="\n".join(p for p in system if isinstance(p, str)) or None,
            temperature=self._chat.temperature,
            max_output_tokens=self._chat.max_output_tokens,
            candidate_count=n if n > 1 else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            should_return_http_response=True,
            response_json_schema=schema,
            response_mime_type=None if schema is None else "application/json",
        )


def _part(part: str | Picture) -> types.Part:
    if isinstance(part, str):
        return types.Part(text=part)
    return types.Part.from_bytes(data=part.png, mime_type="image/png")


def read_answer(
    content: Any, n: int, limit: int, key: Key, headers: Mapping[str, str] | None = None
) -> ServiceAnswer:
    """The samples in the JSON of a generate_content.

    Args:
        content: parsed JSON, of any shape.
        n: samples that were asked for.
        limit: output tokens that a sample may have.
        key: is masked in errors.
        headers: of the response; they may say when to ask again.

    Raises:
        RequestFailed: it reports an error, or has no samples.
    """
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise failures.unanswered(f"is a {type(content).__name__}, not an object", key)
    if content.get("error"):
        raise failures.reported(content["error"], headers or {}, key)
    candidates, feedback = content.get("candidates"), content.get("promptFeedback")
    blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if isinstance(candidates, list) and candidates:
        samples = tuple(_read_candidate(candidate, limit) for candidate in candidates)
    elif blocked:
        samples = (Sample("", "refused", f"the service blocked the prompt: {blocked}"),) * n
    else:
        raise failures.unanswered("has no candidates", key)
    made = tuple(sample for sample in samples if sample.status != "failed")
    if not made:
        raise failures.unanswered(samples[0].reason, key)
    usage = content.get("usageMetadata")
    # A reply that is all reasoning, or blocked, has no count of its own.
    if isinstance(usage, dict):
        usage = {"candidatesTokenCount": 0} | {k: v for k, v in usage.items() if v is not None}
    tokens_out = count(usage, "candidatesTokenCount", "thoughtsTokenCount")
    return ServiceAnswer(made, count(usage, "promptTokenCount"), tokens_out)


def _read_candidate(candidate: Any, limit: int) -> Sample:
    if not isinstance(candidate, dict):
        return failed(f"has a candidate that is a {type(candidate).__name__}")
    why, content = candidate.get("finishReason"), candidate.get("content")
    if isinstance(why, str) and why in REFUSALS:
        return Sample("", "refused", f"the service stopped the reply: {why}")
    if not isinstance(why, str | None) or why not in WHOLE:
        words = candidate.get("finishMessage")
        details = f": {words}" if isinstance(words, str) else ""
        return failed(f"ends with the finish reason {why}{details}")
    parts = content.get("parts") if isinstance(content, dict) else content
    if parts is not None and not isinstance(parts, list):
        return malformed("has a candidate without parts")
    joined = join_parts(parts)
    if joined is None:
        return malformed("has a part whose text is no string")
    return read_text(joined[0], why == "MAX_TOKENS", limit, joined[1])
