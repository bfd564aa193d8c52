"""From a config to whoever writes the rewards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from core.models.base import ChatModel
from core.models.hosted import HostedModel
from core.models.keys import Key, find_key
from core.models.replay import ReplayModel
from core.models.reply_cache import ReplyCache
from core.models.retry import Patience
from core.models.service import Service

if TYPE_CHECKING:
    from core.config import Config


def make_chat_model(
    config: Config,
    folder: Path,
    client: httpx2.Client | None = None,
    patience: Patience | None = None,
) -> ChatModel:
    """The language model that a checked config names.

    Args:
        config: which, and how it is asked.
        folder: where a hosted model's replies are kept.
        client: sends a hosted model's requests; one is made if None.
        patience: how a hosted model waits between tries; how often comes from the config.

    Raises:
        ValueError: no recording of this task, or no key in the environment.
    """
    if config.model == "replay":
        return ReplayModel(config.task)
    key = chat_key(config)
    # Made before anything is written: without a key there is nothing to keep.
    service = _service(config, key, httpx2.Client() if client is None else client)
    cache = ReplyCache(folder / "replies.sqlite")
    patience = dataclasses.replace(patience or Patience(), retries=config.chat.retries)
    return HostedModel(service, cache, config.chat, config.max_cost, patience)


def chat_key(config: Config) -> Key | None:
    """The key of a config's language model, None if it has none.

    Raises:
        ValueError: it needs one, and the environment has none; or it has no recording of the task.
    """
    if config.model == "replay":
        ReplayModel(config.task)
        return None
    own_endpoint = config.model == "openai" and bool(config.chat.base_url)
    return find_key(config.model, required=not own_endpoint)


def _service(config: Config, key: Key, client: httpx2.Client) -> Service:
    if config.model == "gemini":
        from core.models.gemini import GeminiService  # Google's library takes a second to import

        return GeminiService(config.chat, key, client)
    from core.models.openai_compatible import OpenAIService

    return OpenAIService(config.chat, key, client)
