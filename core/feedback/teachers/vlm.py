"""A vision-language model as a teacher: it is shown pictures of clips and answers in words.

Replies that cannot be read, refusals and self-contradiction become abstentions with their reason,
one question at a time. Only a service that does not reply at all is an error, and leaves the
question open.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from core_jax.feedback.labels.records import Frame
from core_jax.feedback.queries import (
    NO_REPLY,
    Label,
    Pair,
    PairLabel,
    Query,
    Single,
    SingleLabel,
)
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.feedback.teachers.vlm_pairs import Opinion, PairQuestion, compare
from core_jax.feedback.teachers.vlm_requests import Journal, Labeller, NoVerdict, Requests
from core_jax.feedback.teachers.vlm_singles import judge_picture
from core_jax.prompts.message import Picture
from core_jax.reward_models.preference import shown_frames


class Pictures(Protocol):
    """Renders pictures of a task, as PNG; `core_jax.visual.frames.FrameRenderer` is one."""

    @property
    def start(self) -> bytes: ...

    @property
    def goal(self) -> bytes: ...

    def png(self, snapshots: np.ndarray) -> list[bytes]: ...


class VLMTeacher:
    """Implements `BackgroundTeacher` by a hosted model; several threads may ask at once.

    Args:
        config: how it asks.
        model: the model that is asked.
        pictures: renders snapshots.
        journal: keeps pictures, before they are sent, and every exchange.
        frames_shown: pictures of a clip, for the style `core`.
    """

    answers = frozenset({"pair", "rating", "progress", "completion"})

    def __init__(
        self,
        config: VLMConfig,
        model: Labeller,
        pictures: Pictures,
        journal: Journal,
        frames_shown: int = 3,
    ):
        self.config, self.model = config, model
        self.name = f"vlm-{config.question} {model.name}"
        self._pictures, self._journal, self._shown = pictures, journal, frames_shown
        self._requests = Requests(model, journal, self.name, config.attempts)

    def prepare(self) -> None:
        """Compiles the renderer, before it is needed."""
        self._pictures.start  # noqa: B018

    def stop(self) -> None:
        """Stops sending requests; those under way may finish."""
        self.model.stop()

    def ask(self, queries: Sequence[Query], context: Any = None) -> list[Label]:
        """One label per query, in order; `context` is not read.

        Raises:
            ChatError: the service does not answer, or the budget is used up.
            ValueError: a query that this teacher cannot answer.
        """
        return [self._label(query) for query in queries]

    def _label(self, query: Query) -> Label:
        began, key = time.monotonic(), query.key()
        if isinstance(query, Pair):
            label = self._pair(key, query)
        elif isinstance(query, Single):
            label = self._single(key, query)
        else:
            raise ValueError(f"{self.name} cannot answer {query.asks!r}")
        exchanges = self._journal.exchanges(key, self.name)
        return label._replace(
            tokens=sum(e.tokens for e in exchanges),
            cost_usd=sum(e.cost_usd for e in exchanges),
            seconds=time.monotonic() - began,
        )

    def _pair(self, key: str, query: Pair) -> PairLabel:
        length, style = len(query.a.dense), self.config.question
        if style == "core" and length == 1:
            style = "rl_vlm_f"  # nothing changes between the pictures of a clip of one step
        steps = shown_frames(length, self._shown) if style == "core" else np.array([length - 1])
        taken = self._pictures.png(
            np.concatenate([clip.snapshot[steps] for clip in (query.a, query.b)])
        )
        sides = taken[: len(steps)], taken[len(steps) :]
        frames = [
            Frame(role, int(step), png)
            for role, pictures in zip(("a", "b"), sides, strict=True)
            for step, png in zip(steps, pictures, strict=True)
        ]
        ends = None
        if style == "core":
            ends = (Picture(self._pictures.start), Picture(self._pictures.goal))
            frames += [Frame("start", 0, ends[0].png), Frame("goal", 0, ends[1].png)]
        self._journal.show(key, self.name, frames)
        question = PairQuestion(key, query.instruction, sides, ends)
        try:
            found = compare(self._requests, self.config, style, question)
        except NoVerdict as problem:
            found = Opinion(None, ((), ()), None, f"{NO_REPLY}: {problem}")
        return PairLabel(
            found.preference,
            *found.scores,
            reason=found.reason,
            confidence=found.confidence,
            ratings=found.ratings,
        )

    def _single(self, key: str, query: Single) -> SingleLabel:
        last = len(query.clip.dense) - 1
        [png] = self._pictures.png(query.clip.snapshot[-1:])
        ends = (Picture(self._pictures.start), Picture(self._pictures.goal))
        shown = {"rating": (), "completion": ("goal",), "progress": ("start", "goal")}[query.asks]
        named = {"start": ends[0].png, "goal": ends[1].png}
        frames = [Frame("clip", last, png), *(Frame(role, 0, named[role]) for role in shown)]
        self._journal.show(key, self.name, frames)
        try:
            return judge_picture(self._requests, self.config, key, query, png, ends)
        except NoVerdict as problem:
            return SingleLabel(None, f"{NO_REPLY}: {problem}")
