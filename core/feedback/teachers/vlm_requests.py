"""Requests to a vision-language model: repeated while a reply cannot be read, and all noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from core_jax.feedback.labels.records import Exchange, Frame
from core_jax.models.base import ChatModel, Schema
from core_jax.prompts.message import Message
from core_jax.prompts.verdict import Unreadable, ending_object

T = TypeVar("T")


class Labeller(ChatModel, Protocol):
    """A chat model that several threads may ask at once, and that can be stopped."""

    def stop(self) -> None:
        """Stops sending requests; those under way may finish."""
        ...


class Journal(Protocol):
    """Where a teacher notes what it shows and reads; `core_jax.feedback.labels.LabelStore` is
    one."""

    def show(self, key: str, teacher: str, frames: Sequence[Frame]) -> None: ...

    def exchange(self, key: str, teacher: str, exchange: Exchange) -> None: ...

    def exchanges(self, key: str, teacher: str) -> list[Exchange]: ...


class NoVerdict(Exception):
    """The model has replied, but with nothing that can be used."""


class Requests(NamedTuple):
    """How one teacher's model is asked, and where that is noted."""

    model: Labeller
    journal: Journal
    teacher: str  # name under which exchanges are kept
    attempts: int  # requests for a reply that can be read

    def describe(self, key: str, stage: str, messages: Sequence[Message]) -> str:
        """A description of pictures, as text."""

        def read(text: str) -> str:
            if not text.strip():
                raise Unreadable("the description is empty")
            return text

        return self.read(key, stage, messages, read)

    def read(
        self,
        key: str,
        stage: str,
        messages: Sequence[Message],
        read: Callable[[str], T],
        schema: Schema | None = None,
    ) -> T:
        """What a reply says.

        Args:
            key: of the question.
            stage: name of the request, under which it is noted.
            messages: the conversation.
            read: makes sense of a reply's text or raises `Unreadable`.
            schema: JSON Schema of the reply.

        Raises:
            NoVerdict: a refusal, or nothing readable in all attempts.
            ChatError: no reply.
        """
        problem = ""
        for attempt in range(self.attempts):
            began = time.monotonic()
            [reply] = self.model.complete(messages, 1, attempt, schema)
            seconds, value, problem = time.monotonic() - began, None, ""
            text: str | None = reply.text
            if reply.status == "cut":
                text = None if schema is None else ending_object(reply.text)
            if reply.status not in ("ok", "cut") or text is None:
                problem = reply.problem
            else:
                try:
                    value = read(text)
                except Unreadable as error:
                    problem = f"{reply.problem}; {error}" if reply.problem else str(error)
            again = f", attempt {attempt + 1}" if attempt else ""
            exchange = Exchange(
                stage + again,
                self.model.name,
                [m.record() for m in messages],
                reply.text,
                problem or reply.problem,
                reply.tokens_in + reply.tokens_out,
                reply.cost_usd,
                seconds,
            )
            self.journal.exchange(key, self.teacher, exchange)
            if value is not None:
                return value
            if reply.status == "refused":
                break
        raise NoVerdict(f"{stage}: {problem}")
