"""Turns of a conversation with a model: text and pictures."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Picture(NamedTuple):
    """A picture as it is sent."""

    png: bytes

    def digest(self) -> str:
        """SHA-256, the key under which the label store keeps it."""
        return hashlib.sha256(self.png).hexdigest()


class Message(NamedTuple):
    """One turn of a conversation: text, or text and pictures in their order."""

    role: Role
    content: str | tuple[str | Picture, ...]

    @property
    def parts(self) -> tuple[str | Picture, ...]:
        """The content as a tuple of texts and pictures."""
        return (self.content,) if isinstance(self.content, str) else self.content

    def record(self) -> list[Any]:
        """JSON-able: role and content, a picture as `{"png": digest}`."""
        if isinstance(self.content, str):
            return [self.role, self.content]
        shown = [p if isinstance(p, str) else {"png": p.digest()} for p in self.content]
        return [self.role, shown]
