"""API keys: read from the environment, sent to the service, and never shown or stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from core_jax.models.chat_config import ChatConfig, is_loopback, is_vendor

VARIABLES = {"gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "openai": ("OPENAI_API_KEY",)}
# Shorter keys are placeholders for services that need none ("x", "EMPTY"); masking them would only
# damage messages.
SHORTEST_MASKED = 8
# Of keys at least this long a part is secret, too: services repeat them cut off.
SHORTEST_SECRET = 16
_PART = 8  # characters of such a key that are masked wherever they appear in a row
_PART_OF_REPLY = 16
_LONGEST_WORD = 12  # letters between signs or digits
_STARS = re.compile(r"[*•·…∙●xX#.]{3,}")  # how services mask the middle of a key


class Key:
    """A secret that prints, logs and tracebacks do not show."""

    __slots__ = ("variable", "_value")

    def __init__(self, variable: str, value: str):
        self.variable, self._value = variable, value

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The secret itself; for a request's header and nothing else."""
        return self._value

    def mask(self, text: str) -> str:
        """The text with the secret and all parts of it replaced by the variable's name.

        Call it before a text is cut: a part that is left of a cut key is a secret as well. Model
        replies are never masked (a short key could be a part of code); see `appears_in`.
        """
        if len(self._value) < SHORTEST_MASKED:
            return text
        spans = list(_occurrences(self._value, text))
        if len(self._value) >= SHORTEST_SECRET:
            for part in self._parts(_PART):
                spans += _occurrences(part, text)
            spans += self._starred(text)
        return _replace(text, spans, f"[{self.variable}]")

    def appears_in(self, reply: str) -> bool:
        """Whether a reply repeats the secret, or a long part of it."""
        long = len(self._value) >= SHORTEST_SECRET
        return long and any(part in reply for part in self._parts(_PART_OF_REPLY))

    def _parts(self, size: int) -> Iterator[str]:
        # Words ("required" in "sk-no-key-required") are no secrets; what is as long as a secret, or
        # has digits in it, is no word.
        words = re.sub(r"[A-Za-z0-9]+", _crossed_out_unless_word, self._value)
        for start in range(len(self._value) - size + 1):
            if not start or size > _PART or "*" in words[start : start + size]:
                yield self._value[start : start + size]

    def _starred(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a key stands whose middle the service has masked, such as sk-ab****yz."""
        key = self._value
        for stars in _STARS.finditer(text):
            before, after = text[: stars.start()][-len(key) :], text[stars.end() :][: len(key)]
            head = next((n for n in range(len(key), 2, -1) if before.endswith(key[:n])), 0)
            tail = next((n for n in range(len(key), 2, -1) if after.startswith(key[-n:])), 0)
            if head or tail:
                yield stars.start() - head, stars.end() + tail

    def __repr__(self) -> str:
        return f"Key({self.variable})"

    def __reduce__(self):
        raise TypeError(f"the key of {self.variable} must not be pickled")


def find_key(provider: str, chat: ChatConfig, base_url_trusted: bool = True) -> Key:
    """The key to send: the first that is set in the environment, or an empty one for none.

    Args:
        provider: "gemini" or "openai".
        chat: where the service is, and whether the key may be sent over plain http.
        base_url_trusted: whether `chat.base_url` was given by the user. Pass False where it
            was read from a run's folder, which may be somebody else's: a key is then sent to
            loopback and to the vendor only.

    Raises:
        ValueError: a required key is missing or cannot be sent, or would be sent where it is not
            safe.
    """
    variables, url = VARIABLES[provider], chat.base_url
    own_endpoint = bool(url) and (provider == "openai" or chat.send_key == "never")
    key = Key(variables[0], "") if chat.send_key == "never" else _read(variables)
    if not key and not own_endpoint:
        raise ValueError(
            f"--model {provider} needs an API key: set {' or '.join(variables)} in the environment"
        )
    if not key or not url or is_loopback(url):
        return key
    if not base_url_trusted and not is_vendor(provider, url):
        raise ValueError(
            f"this run's config.json sends {key.variable} to {url}: give --chat.base-url {url} to "
            f"agree, --chat.send-key never to send no key, or unset {key.variable}"
        )
    if url.startswith("http://") and chat.send_key != "always":
        raise ValueError(
            f"{key.variable} would be sent unencrypted to {url}: use https://, set --chat.send-key "
            f"never if the service needs no key, or --chat.send-key always if you trust the network"
        )
    return key


def _read(variables: tuple[str, ...]) -> Key:
    for variable in variables:
        value = os.environ.get(variable, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ValueError(f"{variable} holds characters that no API key has")
        return Key(variable, value)
    return Key(variables[0], "")


def _crossed_out_unless_word(run: re.Match[str]) -> str:
    is_word = re.fullmatch(r"[a-z]+|[A-Z][a-z]*|[A-Z]+", run[0])
    return run[0] if is_word and len(run[0]) <= _LONGEST_WORD else "*" * len(run[0])


def _occurrences(part: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def _replace(text: str, spans: list[tuple[int, int]], name: str) -> str:
    """The text with each union of overlapping spans replaced by a name."""
    pieces, end = [], 0
    for start, stop in sorted(spans):
        if start > end or not pieces:
            pieces += [text[end:start], name]
        end = max(end, stop)
    return "".join(pieces) + text[end:]
