"""Any chat model that sees pictures, behind the interface of a large reward model.

Progress and completion are the questions of `core_jax.prompts.single_picture`, comparison has its
own. Replies are bound to a JSON schema where the service can do that. A comparison can be asked in
both orders, of which one alone is no answer; frames of a batch can be asked in random order, so
that a service's state, if it has any, cannot see time pass.
"""

from __future__ import annotations

import concurrent.futures
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core_jax.models.base import ChatModel
from core_jax.models.failures import ChatError
from core_jax.prompts import comparison, single_picture
from core_jax.prompts.message import Message, Picture
from core_jax.prompts.preference import UNSURE
from core_jax.prompts.verdict import Unreadable, Verdict, ending_object
from core_jax.reward_models.large_reward.judge import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judgements,
)

_ATTEMPTS = 3  # requests for a reply that can be read
_Answer = tuple[float, float, int]
_NONE: _Answer = (math.nan, math.nan, FAILED)


class ChatJudge:
    """Asks a chat model about pictures.

    Args:
        model: is asked by several threads at once.
        to_png: a picture uint8 [H, W, 3] as PNG.
        size: height and width of the pictures.
        concurrency: requests under way together.
        unsure: whether the model may say that it is unsure, which is an abstention.
        both_orders: ask every comparison in both orders; contradicting answers are an abstention.
        shuffle: ask the frames of a batch in random order.
        seed: of that order.
    """

    sees = True

    def __init__(
        self,
        model: ChatModel,
        to_png: Callable[[np.ndarray], bytes],
        size: int = 224,
        concurrency: int = 8,
        unsure: bool = True,
        both_orders: bool = False,
        shuffle: bool = False,
        seed: int = 0,
    ):
        self.name, self.size = model.name, size
        self._model, self._to_png, self._unsure = model, to_png, unsure
        self._both_orders, self._shuffle, self._seed = both_orders, shuffle, seed
        self._pool = concurrent.futures.ThreadPoolExecutor(concurrency, "judge")

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """How far each frame is; see `Judge`. It needs start and goal."""
        shown, starts, goals = (self._shown(x) for x in (frames, start, goal))

        def one(i: int) -> _Answer:
            ask = single_picture.progress_ask(
                instruction, starts[i], goals[i], shown[i], self._unsure
            )
            read = lambda text: single_picture.progress_read(text, self._unsure)
            schema = single_picture.progress_schema(self._unsure)
            return self._value(ask, read, schema, float)

        return self._all(one, len(shown))

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Whether each frame shows the finished task; see `Judge`. It needs the goal."""
        del start
        shown, goals = self._shown(frames), self._shown(goal)

        def one(i: int) -> _Answer:
            ask = single_picture.completion_ask(instruction, goals[i], shown[i], self._unsure)
            read = lambda text: single_picture.completion_read(text, self._unsure)
            schema = single_picture.completion_schema(self._unsure)
            return self._value(ask, read, schema, lambda word: float(word == "yes"))

        return self._all(one, len(shown))

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Which of two frames is further; see `Judge`. It needs the goal."""
        del start
        first, second, goals = (self._shown(x) for x in (a, b, goal))

        def once(x: Picture, y: Picture, i: int) -> _Answer:
            ask = comparison.ask(instruction, goals[i], x, y, self._unsure)
            read = lambda text: comparison.read(text, self._unsure)
            schema = comparison.schema(self._unsure)
            return self._value(ask, read, schema, lambda word: 1.0 if word == "B" else -1.0)

        def one(i: int) -> _Answer:
            value, confidence, status = once(first[i], second[i], i)
            if not self._both_orders or status != ANSWERED:
                return value, confidence, status
            back, again, other = once(second[i], first[i], i)
            if other != ANSWERED:
                return math.nan, math.nan, other
            if value != -back:
                return math.nan, 0.0, ABSTAINED
            return value, min(confidence, again), ANSWERED

        return self._all(one, len(first))

    def _all(self, one: Callable[[int], _Answer], count: int) -> Judgements:
        order = np.arange(count)
        if self._shuffle:
            order = np.random.default_rng(self._seed).permutation(count)
        found: dict[int, _Answer] = dict(
            zip(order.tolist(), self._pool.map(one, order.tolist()), strict=True)
        )
        rows = np.array([found[i] for i in range(count)], np.float64).reshape(count, 3)
        return Judgements(
            rows[:, 0].astype(np.float32), rows[:, 1].astype(np.float32), rows[:, 2].astype(np.int8)
        )

    def _value(
        self,
        messages: Sequence[Message],
        read: Callable[[str], Verdict],
        schema: dict[str, Any],
        value_of: Callable[[str], float],
    ) -> _Answer:
        """The answer of one conversation; failed if there is no reply, or none that can be read."""
        for attempt in range(_ATTEMPTS):
            try:
                [reply] = self._model.complete(messages, 1, attempt, schema)
            except ChatError:
                return _NONE
            text: str | None = reply.text
            if reply.status == "refused":
                return _NONE
            if reply.status == "cut":
                text = ending_object(reply.text)
            if reply.status not in ("ok", "cut") or text is None:
                continue
            try:
                verdict = read(text)
            except Unreadable:
                continue
            confidence = math.nan if verdict.confidence is None else verdict.confidence
            if verdict.choice == UNSURE:
                return math.nan, confidence, ABSTAINED
            return value_of(verdict.choice), confidence, ANSWERED
        return _NONE

    def _shown(self, frames: Frames | None) -> list[Picture]:
        if frames is None or frames.pictures is None:
            raise ValueError("a chat model is shown the frame, the start and the goal as pictures")
        known: dict[int, Picture] = {}
        found = []
        for picture in frames.pictures:
            key = hash(picture.tobytes())
            if key not in known:
                known[key] = Picture(self._to_png(picture))
            found.append(known[key])
        return found
