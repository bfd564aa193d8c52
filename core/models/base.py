"""The two outside voices, as protocols: a chat model that writes rewards, a teacher that judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

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


class Clip(NamedTuple):
    """H consecutive steps of one episode, on the host."""

    next_obs: np.ndarray  # [H, O]
    action: np.ndarray  # [H, A]
    target: np.ndarray  # [H, G]
    snapshot: np.ndarray  # [H, K] what pictures of the steps depend on
    dense: np.ndarray  # [H] ground truth; only scripted teachers look at it
    progress: np.ndarray  # [H] ground truth


class Question(NamedTuple):
    """Which of two clips is better?"""

    a: Clip
    b: Clip
    instruction: str
    seed: int
    round: int

    def key(self) -> str:
        """Content hash: the same clips, asked again, are the same question."""
        digest = hashlib.sha256(self.instruction.encode())
        for array in (*self.a, *self.b):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()


class Answer(NamedTuple):
    """A teacher's answer. `preference` is P(B better): 0, 1, 0.5 for equal, None to abstain."""

    preference: float | None
    scores_a: tuple[float, ...]  # completion in [0, 1] of each shown frame; empty if not given
    scores_b: tuple[float, ...]
    reason: str
    tokens: int = 0
    cost_usd: float = 0.0
    confidence: float | None = None  # in [0, 1]
    ratings: tuple[int, int] | None = None  # of A and of B, classes from 0
    seconds: float = 0.0  # from asking to answering


class Frame(NamedTuple):
    """One picture that a teacher is shown. `step` counts from the clip's start."""

    role: Literal["start", "goal", "a", "b"]
    step: int
    png: bytes


class Exchange(NamedTuple):
    """One prompt of a teacher's model and its reply, word for word."""

    stage: str
    model: str
    prompt: Any  # JSON-able; a picture is {"png": SHA-256}
    reply: str
    problem: str = ""
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class Teacher(Protocol):
    """Whoever compares clips."""

    name: str

    def ask(self, questions: Sequence[Question], context: Any = None) -> list[Answer]:
        """One answer per question, in order."""
        ...
