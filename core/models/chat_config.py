"""Settings and prices of a hosted language model.

Prices are USD per million (input, output) tokens, as their vendors published them in autumn 2026.
They are counted in full: a vendor's discount for a prompt that it has seen before is not taken off,
so a cost is never stated too low by it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from urllib.parse import urlsplit

from core_jax.prompts.message import Message, Picture

MODELS = ("replay", "gemini", "openai")
DEFAULT_NAMES = {"gemini": "gemini-3.8-flash", "openai": "gpt-4.1-mini"}
PRICES: dict[str, tuple[float, float]] = {
    "gemini-3.1-flash-lite": (0.25, 1.50),
    "gemini-3.8-flash": (0.75, 3.75),
    "gemini-4-argon": (4.00, 20.00),  # half of that until the end of November 2026
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1": (2.00, 8.00),
    "gpt-5-mini": (0.25, 2.00),
    "gpt-5.4-mini": (0.75, 4.50),
    "gpt-5.4": (2.50, 15.00),
}
# The most that a picture of up to LARGEST_PICTURE pixels a side is counted as: Gemini 3 at its
# highest resolution; of OpenAI's models gpt-4o-mini (8,500), most count some hundred.
LARGEST_PICTURE = 512
PICTURE_TOKENS = {"gemini": 2_304, "openai": 8_704}


@dataclasses.dataclass(frozen=True)
class ChatConfig:
    """The language model of `--model gemini` or `--model openai`.

    Keys come from the environment: GEMINI_API_KEY or GOOGLE_API_KEY; OPENAI_API_KEY, which an
    endpoint of one's own may not need.
    """

    name: str = ""
    """As the service spells it; empty: gemini-3.8-flash, or gpt-4.1-mini (the paper's)."""
    base_url: str = ""
    """Where the service is; empty: at its vendor. vLLM: http://127.0.0.1:8000/v1, Ollama:
    http://127.0.0.1:11434/v1, both by --model openai."""
    temperature: float = 1.0
    max_output_tokens: int = 16_384
    """Most tokens of one reply, what the model thinks before it writes included."""
    timeout: float = 300.0
    """Seconds that a service may stay silent."""
    retries: int = 5
    """Times that a request is repeated after a passing failure."""
    prices: tuple[float, float] | None = None
    """USD per million input and output tokens, for a model whose price is not built in or has
    changed; 0 0 for one's own."""


def model_name(provider: str, chat: ChatConfig) -> str:
    """The model asked, as the service spells it."""
    return chat.name or DEFAULT_NAMES[provider]


def price_of(name: str, chat: ChatConfig) -> tuple[float, float]:
    """USD per million input and output tokens.

    Raises:
        ValueError: nobody has said what this model costs.
    """
    prices = PRICES.get(name) if chat.prices is None else chat.prices
    if prices is None:
        raise ValueError(
            f"no price is known for the model {name!r}: give --chat.prices IN OUT, USD per million "
            f"input and output tokens (0 0 for a model of your own). Known: {', '.join(PRICES)}."
        )
    return prices


def cost(prices: tuple[float, float], tokens_in: int, tokens_out: int) -> float:
    """USD."""
    return (prices[0] * tokens_in + prices[1] * tokens_out) / 1e6


def most_tokens_in(provider: str, messages: Sequence[Message]) -> int:
    """An upper bound of a conversation's tokens: none is shorter than a byte, 64 a turn are more
    than any template puts around it, and a picture has a most of its own."""

    def most(part: str | Picture) -> int:
        return len(part.encode()) if isinstance(part, str) else PICTURE_TOKENS[provider]

    return sum(64 + sum(most(part) for part in m.parts) for m in messages)


def check_chat(provider: str, chat: ChatConfig, max_cost: float) -> None:
    """Raises a ValueError naming field, value and what is right."""
    if not (max_cost > 0 and math.isfinite(max_cost)):
        raise ValueError(f"max_cost must be a positive amount of USD, not {max_cost}")
    if chat.base_url:
        _check_base_url(chat.base_url)
        if not chat.name:
            raise ValueError("chat.base_url needs chat.name: which model to ask for there")
    for name, least in (("max_output_tokens", 1), ("retries", 0)):
        if getattr(chat, name) < least:
            raise ValueError(f"chat.{name} must be at least {least}, not {getattr(chat, name)}")
    if not (chat.timeout > 0 and math.isfinite(chat.timeout)):
        raise ValueError(f"chat.timeout must be a positive number of seconds, not {chat.timeout}")
    if not 0 <= chat.temperature <= 2:
        raise ValueError(f"chat.temperature must be in [0, 2], not {chat.temperature}")
    prices = price_of(model_name(provider, chat), chat)
    if not all(p >= 0 and math.isfinite(p) for p in prices):
        raise ValueError(f"chat.prices must not be negative, and are {prices}")


def _check_base_url(url: str) -> None:
    # The config is written into the run's folder; a key in it would be, too. So it is not repeated.
    if any(mark in url for mark in "@?#"):
        raise ValueError(
            "chat.base_url must not hold a user, a query or a fragment: a key belongs in the "
            "environment"
        )
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False  # brackets or a port that are none
    if not valid:
        raise ValueError(
            "chat.base_url must be http:// or https:// with a host, maybe a port and a path, "
            f"not {url!r}"
        )
