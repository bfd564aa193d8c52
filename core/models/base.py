"""A chat model, as a protocol: it completes conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from core_jax.prompts.message import Message

Schema = Mapping[str, Any]


class Reply(NamedTuple):
    """One sampled reply of a chat model. Tokens and cost are 0 for one that was paid for before;
    `problem` says why there is no text, or not all of it, and `status` which kind that is (see
    `service.Sample`)."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    problem: str = ""
    status: str = "ok"


class ChatModel(Protocol):
    """A language model. Implementations may be remote; the training never waits inside jit."""

    name: str

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """Up to `n` sampled replies to a conversation.

        Args:
            messages: at most four turns.
            n: replies wanted.
            attempt: how often this conversation was asked before in the same round.
            schema: JSON Schema of the replies, with a title; a service that cannot bind its model
                to one goes by the prompt alone.
        """
        ...
