"""Makes the language models that a run asks, from their settings."""

from __future__ import annotations

import dataclasses

import httpx2

from core_jax.models.base import ChatModel
from core_jax.models.chat_config import VENDORS, ChatConfig
from core_jax.models.hosted import HostedModel
from core_jax.models.http import HttpClient, make_client
from core_jax.models.keys import Key, find_key
from core_jax.models.ledger import UsageLedger
from core_jax.models.replay import ConversationReplay, ReplayModel
from core_jax.models.retry import RetryPolicy
from core_jax.models.service import Service


def make_chat_model(
    provider: str,
    chat: ChatConfig,
    *,
    task: str,
    writer: str,
    ledger: UsageLedger | None = None,
    policy: RetryPolicy | None = None,
    transport: httpx2.BaseTransport | None = None,
    base_url_trusted: bool = True,
) -> ChatModel:
    """The language model that writes formal rewards.

    Args:
        provider: "replay", "gemini" or "openai".
        chat: how a hosted model is asked; checked before (`check_chat`).
        task: whose recorded replies are used, by "replay".
        writer: to whose prompts they answer: "core", "eureka", "text2reward" or "vlm_car".
        ledger: keeps a hosted model's replies and costs; "replay" needs none.
        policy: how long a hosted model waits between tries; how often comes from `chat`.
        transport: in place of the network, for tests.
        base_url_trusted: False if `chat.base_url` was read from a run's folder and not given by
            the user: the key is then sent to loopback and the vendor only.

    Raises:
        ValueError: no recording of this task; no key in the environment, or one that must not be
            sent; a proxy or certificate setting of the environment that cannot be used.
    """
    if provider == "replay":
        return _replay(task, writer)
    if ledger is None:
        raise ValueError(f"the model {provider!r} needs a ledger for what it costs")
    return make_labeller(
        provider,
        chat,
        ledger=ledger,
        policy=policy,
        transport=transport,
        base_url_trusted=base_url_trusted,
    )


def make_labeller(
    provider: str,
    chat: ChatConfig,
    *,
    ledger: UsageLedger,
    policy: RetryPolicy | None = None,
    transport: httpx2.BaseTransport | None = None,
    base_url_trusted: bool = True,
) -> HostedModel:
    """The vision-language model that a teacher asks; see `make_chat_model`."""
    key = find_key(provider, chat, base_url_trusted)
    service = _service(provider, chat, key, _client(provider, chat, key, transport))
    policy = dataclasses.replace(policy or RetryPolicy(), retries=chat.retries)
    return HostedModel(service, chat, ledger, policy)


def check_chat_model(
    provider: str, chat: ChatConfig, *, task: str, writer: str, base_url_trusted: bool = True
) -> None:
    """Checks that `make_chat_model` would succeed, without writing or sending anything.

    Raises:
        ValueError: as there.
    """
    if provider == "replay":
        _replay(task, writer)
    else:
        check_labeller(provider, chat, base_url_trusted=base_url_trusted)


def check_labeller(provider: str, chat: ChatConfig, *, base_url_trusted: bool = True) -> None:
    """Checks that `make_labeller` would succeed, without writing or sending anything.

    Raises:
        ValueError: as `make_chat_model`.
    """
    key = find_key(provider, chat, base_url_trusted)
    _client(provider, chat, key, None).close()


def _replay(task: str, writer: str) -> ChatModel:
    return (ConversationReplay if writer == "vlm_car" else ReplayModel)(task, writer)


def _client(
    provider: str, chat: ChatConfig, key: Key, transport: httpx2.BaseTransport | None
) -> HttpClient:
    if transport is not None:
        return HttpClient(chat.timeout, key, transport=transport)
    return make_client(chat.base_url or VENDORS[provider], chat.timeout, key)


def _service(provider: str, chat: ChatConfig, key: Key, client: HttpClient) -> Service:
    if provider == "gemini":
        # Imported here: Google's library takes a second.
        from core_jax.models.gemini import GeminiService

        return GeminiService(chat, key, client)
    from core_jax.models.openai_compatible import OpenAIService

    return OpenAIService(chat, key, client)
