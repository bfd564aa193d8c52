"""Settings and prices of a hosted language model.

Prices are USD per million (input, output) tokens, as their vendors published them in autumn 2026.
They are counted in full: a vendor's discount for cached prompts is not subtracted, so a cost is
never stated too low because of it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

from annotated_types import BaseMetadata, Ge, Gt, Le

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
# The most tokens of a picture of up to LARGEST_PICTURE pixels a side: Gemini 3 at its highest
# resolution; of OpenAI's models gpt-4o-mini (8,500), while most count some hundred.
LARGEST_PICTURE = 512
PICTURE_TOKENS = {"gemini": 2_304, "openai": 8_704}


# Where each provider's own service is; a key is sent there without asking for consent.
VENDORS = {
    "gemini": "https://generativelanguage.googleapis.com",
    "openai": "https://api.openai.com/v1",
}
Price = Annotated[float, Ge(0), Le(1e7)]


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
    send_key: Literal["https", "always", "never"] = "https"
    """When the API key is sent to base_url. https: over https, and to this machine; always: over
    plain http as well; never: not at all, for a service that needs none."""
    temperature: Annotated[float, Ge(0), Le(2)] = 1.0
    """Sampling temperature; 0 is the most likely reply."""
    max_output_tokens: Annotated[int, Ge(1), Le(10_000_000)] = 16_384
    """Most tokens of one reply, including the model's reasoning before it."""
    timeout: Annotated[float, Gt(0), Le(86_400)] = 300.0
    """Seconds from the start of a request until its whole answer must be there."""
    retries: Annotated[int, Ge(0), Le(1_000)] = 5
    """Number of repetitions of a request after a passing failure."""
    prices: tuple[Price, Price] | None = None
    """USD per million input and output tokens, for a model whose price is not built in or has
    changed; 0 0 for one's own."""


def model_name(provider: str, chat: ChatConfig) -> str:
    """The name of the model, as the service spells it."""
    return chat.name or DEFAULT_NAMES[provider]


def price_of(name: str, chat: ChatConfig) -> tuple[float, float]:
    """USD per million input and output tokens.

    Raises:
        ValueError: the price is neither built in nor given.
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
    """An upper bound of a conversation's tokens: no token is shorter than a byte, no template puts
    more than 64 around a turn, and a picture has a bound of its own."""

    def most(part: str | Picture) -> int:
        if isinstance(part, str):
            return len(part.encode(errors="surrogatepass"))
        return PICTURE_TOKENS[provider]

    return sum(64 + sum(most(part) for part in m.parts) for m in messages)


def check_chat(provider: str, chat: ChatConfig, max_cost: float) -> None:
    """Raises a ValueError naming field, value and what is right."""
    if not (max_cost > 0 and math.isfinite(max_cost)):
        raise ValueError(f"max_cost must be a positive amount of USD, not {max_cost}")
    if chat.name != "".join(chat.name.split()) or not chat.name.isprintable():
        raise ValueError(f"chat.name must be one word, not {chat.name!r}")
    if chat.base_url:
        _check_base_url(chat.base_url)
        if not chat.name:
            raise ValueError("chat.base_url needs chat.name: which model to ask for there")
    elif chat.send_key == "never":
        raise ValueError("chat.send_key must not be never without chat.base_url: vendors need keys")
    hints = get_type_hints(ChatConfig, include_extras=True)
    for name in ("temperature", "max_output_tokens", "timeout", "retries"):
        _check_bounds(name, getattr(chat, name), hints[name].__metadata__)
    for price in price_of(model_name(provider, chat), chat):
        _check_bounds("prices", price, Price.__metadata__)  # pyright: ignore


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, by its name or address."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_vendor(provider: str, url: str) -> bool:
    """Whether a URL is the provider's own service, over https."""
    vendor, parts = urlsplit(VENDORS[provider]), urlsplit(url)
    return (parts.scheme, parts.netloc) == (vendor.scheme, vendor.netloc)


def _check_bounds(name: str, value: Any, bounds: Sequence[BaseMetadata]) -> None:
    for bound in bounds:
        # Written so that NaN is out of all bounds.
        if isinstance(bound, Gt) and not value > bound.gt:  # type: ignore[operator]
            raise ValueError(f"chat.{name} must be greater than {bound.gt}, not {value}")
        if isinstance(bound, Ge) and not value >= bound.ge:  # type: ignore[operator]
            raise ValueError(f"chat.{name} must be at least {bound.ge}, not {value}")
        if isinstance(bound, Le) and not value <= bound.le:  # type: ignore[operator]
            raise ValueError(f"chat.{name} must be at most {bound.le}, not {value}")


def _check_base_url(url: str) -> None:
    # The config is written into the run's folder, where a key must not be: the value is not shown.
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
    if not valid or not url.isprintable() or " " in url:
        raise ValueError(
            "chat.base_url must be http:// or https:// with a host, maybe a port and a path, "
            f"not {url!r}"
        )
