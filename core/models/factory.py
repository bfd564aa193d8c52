"""From a config to whoever writes the rewards and whoever compares clips."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from core_jax import methods
from core_jax.models.base import ChatModel
from core_jax.models.budget import Budget
from core_jax.models.chat_config import ChatConfig
from core_jax.models.hosted import HostedModel
from core_jax.models.keys import Key, find_key
from core_jax.models.replay import ReplayModel
from core_jax.models.reply_cache import ReplyCache
from core_jax.models.retry import Patience
from core_jax.models.service import Service

if TYPE_CHECKING:
    from core_jax.runs.config import Config


class Books(NamedTuple):
    """What a run has paid for and may still pay; shared by all its hosted models."""

    cache: ReplyCache
    budget: Budget

    def spent(self) -> tuple[int, float]:
        """Tokens and USD of every answer in the run's folder, whichever process asked."""
        return self.cache.totals()


def open_books(config: Config, folder: Path) -> Books:
    """The books of a run that asks hosted models."""
    cache = ReplyCache(folder / "replies.sqlite")
    return Books(cache, Budget(config.max_cost, cache))


def make_chat_model(
    config: Config,
    folder: Path,
    client: httpx2.Client | None = None,
    patience: Patience | None = None,
    books: Books | None = None,
) -> ChatModel:
    """The language model that writes a checked config's formal rewards.

    Args:
        config: which, and how it is asked.
        folder: where a hosted model's replies are kept.
        client: sends a hosted model's requests; one is made if None.
        patience: how a hosted model waits between tries; how often comes from the config.
        books: of `folder`, if they are open already.

    Raises:
        ValueError: no recording of this task, or no key in the environment.
    """
    if config.model == "replay":
        return ReplayModel(config.task, methods.get(config.method).writer)
    return _hosted(config, config.model, config.chat, folder, client, patience, books)


def make_labeller(
    config: Config,
    folder: Path,
    client: httpx2.Client | None = None,
    patience: Patience | None = None,
    books: Books | None = None,
) -> HostedModel:
    """The vision-language model that a checked config's teacher asks; see `make_chat_model`."""
    return _hosted(config, *config.labeller, folder, client, patience, books)


def check_chat_model(config: Config) -> None:
    """Whether a run can start with its language model.

    Raises:
        ValueError: no recording of this task, or no key in the environment.
    """
    if config.model == "replay":
        ReplayModel(config.task, methods.get(config.method).writer)
    else:
        _key(config.model, config.chat)


def check_labeller(config: Config) -> None:
    """Whether a run can start with its vision-language model: raises a ValueError without a key."""
    _key(*config.labeller)


def _hosted(
    config: Config,
    provider: str,
    chat: ChatConfig,
    folder: Path,
    client: httpx2.Client | None,
    patience: Patience | None,
    books: Books | None,
) -> HostedModel:
    key = _key(provider, chat)
    # Made before anything is written: without a key there is nothing to keep.
    service = _service(provider, chat, key, httpx2.Client() if client is None else client)
    cache, budget = open_books(config, folder) if books is None else books
    patience = dataclasses.replace(patience or Patience(), retries=chat.retries)
    return HostedModel(service, cache, chat, budget, patience)


def _key(provider: str, chat: ChatConfig) -> Key:
    own_endpoint = provider == "openai" and bool(chat.base_url)
    return find_key(provider, required=not own_endpoint)


def _service(provider: str, chat: ChatConfig, key: Key, client: httpx2.Client) -> Service:
    if provider == "gemini":
        from core_jax.models.gemini import (
            GeminiService,  # Google's library takes a second to import
        )

        return GeminiService(chat, key, client)
    from core_jax.models.openai_compatible import OpenAIService

    return OpenAIService(chat, key, client)
