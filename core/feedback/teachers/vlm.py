"""A vision-language model as a teacher: shown pictures of two clips, it says which is better.

Whatever goes wrong with one question is its own business: replies that cannot be read, refusals and
disagreement with itself become abstentions with their reason. Only a service that does not answer
at all is an error, and leaves the question open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from core_jax.feedback.labels.records import Exchange, Frame
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.models.base import Schema
from core_jax.models.hosted import HostedModel
from core_jax.prompts import preference as prompts
from core_jax.prompts.message import Message, Picture
from core_jax.prompts.verdict import Unreadable
from core_jax.reward_models.preference import shown_frames

T = TypeVar("T")


class Journal(Protocol):
    """Where a teacher notes what it shows and hears; `core_jax.feedback.labels.LabelStore` is
    one."""

    def show(self, key: str, teacher: str, frames: Sequence[Frame]) -> None: ...

    def exchange(self, key: str, teacher: str, said: Exchange) -> None: ...

    def exchanges(self, key: str, teacher: str) -> list[Exchange]: ...


class Studio(Protocol):
    """Makes pictures; `core_jax.visual.studio.Studio` is one."""

    start: bytes
    goal: bytes

    def take(self, snapshots: np.ndarray) -> list[bytes]: ...


class _Opinion(NamedTuple):
    """One answer of the model, as P(B better); None: unsure."""

    preference: float | None
    scores: tuple[tuple[float, ...], tuple[float, ...]]
    confidence: float | None
    reason: str
    ratings: tuple[int, int] | None = None


class _NoVerdict(Exception):
    """The model has replied, but with nothing that can be used."""


class VLMTeacher:
    """Implements `Teacher` by a hosted model; several threads may ask at once.

    Args:
        config: how it asks.
        model: whom.
        studio: makes the pictures.
        journal: notes pictures, before they are sent, and what was said.
        frames_shown: pictures of a clip, for the style `core`.
    """

    def __init__(
        self,
        config: VLMConfig,
        model: HostedModel,
        studio: Studio,
        journal: Journal,
        frames_shown: int = 3,
    ):
        self.config, self.model = config, model
        self.name = f"vlm-{config.question} {model.name}"
        self._studio, self._journal, self._shown = studio, journal, frames_shown

    def prepare(self) -> None:
        """Compiles what makes the pictures, before it is needed."""
        self._studio.start  # noqa: B018

    def stop(self) -> None:
        """Sends nothing more; what is under way is let finish."""
        self.model.stop()

    def ask(self, questions: Sequence[Pair], context: Any = None) -> list[PairLabel]:
        """One answer per question, in order; `context` is not looked at.

        Raises:
            ChatError: the service does not answer, or the budget is used up.
        """
        return [self._answer(question) for question in questions]

    def _answer(self, question: Pair) -> PairLabel:
        began, key = time.monotonic(), question.key()
        steps = shown_frames(len(question.a.dense), self._shown)
        if self.config.question != "core":
            steps = steps[-1:]
        shots = self._studio.take(
            np.concatenate([clip.snapshot[steps] for clip in (question.a, question.b)])
        )
        sides = shots[: len(steps)], shots[len(steps) :]
        self._note_frames(key, steps, sides)
        try:
            opinion = self._opinion(key, question.instruction, sides)
        except _NoVerdict as problem:
            opinion = _Opinion(None, ((), ()), None, f"no usable reply: {problem}")
        said = self._journal.exchanges(key, self.name)
        return PairLabel(
            opinion.preference,
            *opinion.scores,
            reason=opinion.reason,
            tokens=sum(s.tokens for s in said),
            cost_usd=sum(s.cost_usd for s in said),
            confidence=opinion.confidence,
            ratings=opinion.ratings,
            seconds=time.monotonic() - began,
        )

    def _note_frames(
        self, key: str, steps: np.ndarray, sides: tuple[list[bytes], list[bytes]]
    ) -> None:
        frames = [
            Frame(role, int(step), png)
            for role, shots in zip(("a", "b"), sides, strict=True)
            for step, png in zip(steps, shots, strict=True)
        ]
        if self.config.question == "core":
            frames += [Frame("start", 0, self._studio.start), Frame("goal", 0, self._studio.goal)]
        self._journal.show(key, self.name, frames)

    def _opinion(self, key: str, task: str, sides: tuple[list[bytes], list[bytes]]) -> _Opinion:
        """The model's opinion, after all checks that were asked for."""
        ask = {"core": self._core, "rl_vlm_f": self._rl_vlm_f, "rating": self._rating}
        found = self._sure(ask[self.config.question](key, task, sides, ""))
        if not self.config.both_orders or found.preference is None:
            return found
        back = self._sure(ask[self.config.question](key, task, sides[::-1], ", swapped"))
        if back.preference is None:
            return back._replace(scores=back.scores[::-1])
        if found.preference != 1.0 - back.preference:
            place = "first" if found.preference == 0.0 else "second"
            reason = f"prefers the clip that is shown {place}, whichever that is"
            return found._replace(preference=None, reason=reason)
        both = zip(found.scores, back.scores[::-1], strict=True)
        return found._replace(
            scores=tuple(tuple(float(x) for x in np.mean(pair, axis=0)) for pair in both),
            confidence=_least(found.confidence, back.confidence),
        )

    def _sure(self, found: _Opinion) -> _Opinion:
        least, given = self.config.min_confidence, found.confidence
        if found.preference is None or not least or (given is not None and given >= least):
            return found
        what = (
            "no confidence given" if given is None else f"confidence {given:g} is below {least:g}"
        )
        return found._replace(preference=None, reason=f"{what}: {found.reason}")

    def _core(self, key: str, task: str, sides: Sequence[list[bytes]], which: str) -> _Opinion:
        count, unsure = len(sides[0]), self.config.abstain
        orders, last = [np.arange(count)] * 2, None
        if self.config.shuffle:
            rng = np.random.default_rng([int(key[:12], 16), bool(which)])
            orders = [rng.permutation(count) for _ in sides]
            last = tuple(int(np.argmax(order)) + 1 for order in orders)
        shown = [[Picture(s[i]) for i in o] for s, o in zip(sides, orders, strict=True)]
        ends = Picture(self._studio.start), Picture(self._studio.goal)
        description = self._describe(
            key, f"description{which}", prompts.core_look(task, *ends, *shown, last)
        )
        verdict = self._hear(
            key,
            f"verdict{which}",
            prompts.core_judge(task, description, count, unsure, last),
            lambda text: prompts.core_read(text, count, unsure),
            prompts.core_schema(unsure),
        )
        scores = tuple(
            tuple(s[i] for i in np.argsort(o)) for s, o in zip(verdict.scores, orders, strict=True)
        )
        chosen = {"A": 0.0, "B": 1.0}.get(verdict.choice)
        return _Opinion(chosen, scores, verdict.confidence, verdict.reason)

    def _rl_vlm_f(self, key: str, task: str, sides: Sequence[list[bytes]], which: str) -> _Opinion:
        unsure = self.config.abstain
        shown = [Picture(shots[-1]) for shots in sides]
        description = self._describe(key, f"description{which}", prompts.one_look(task, *shown))
        verdict = self._hear(
            key,
            f"verdict{which}",
            prompts.one_judge(task, description, unsure),
            lambda text: prompts.one_read(text, unsure),
            prompts.one_schema(unsure),
        )
        chosen = {"1": 0.0, "2": 1.0}.get(verdict.choice)
        return _Opinion(chosen, ((), ()), verdict.confidence, verdict.reason)

    def _rating(self, key: str, task: str, sides: Sequence[list[bytes]], which: str) -> _Opinion:
        classes, words = self.config.ratings, prompts.RATINGS[self.config.ratings]
        verdicts = []
        for name, shots in zip("ab", sides, strict=True):
            description = self._describe(
                key, f"description of {name}", prompts.rate_look(task, Picture(shots[-1]))
            )
            verdicts.append(
                self._hear(
                    key,
                    f"rating of {name}",
                    prompts.rate_judge(task, description, classes),
                    lambda text: prompts.rate_read(text, classes),
                    prompts.rate_schema(classes),
                )
            )
        a, b = ratings = tuple(words.index(v.choice) for v in verdicts)
        chosen = None if a == b else float(b > a)
        reason = f"A is {words[a]}: {verdicts[0].reason} B is {words[b]}: {verdicts[1].reason}"
        confidence = _least(*(v.confidence for v in verdicts))
        return _Opinion(chosen, ((), ()), confidence, reason, ratings)

    def _describe(self, key: str, stage: str, messages: Sequence[Message]) -> str:
        def read(text: str) -> str:
            if not text.strip():
                raise Unreadable("the description is empty")
            return text

        return self._hear(key, stage, messages, read)

    def _hear(
        self,
        key: str,
        stage: str,
        messages: Sequence[Message],
        read: Callable[[str], T],
        schema: Schema | None = None,
    ) -> T:
        """What a reply says, asked for again while it cannot be read.

        Raises:
            _NoVerdict: a refusal, or nothing readable in all attempts.
            ChatError: no answer.
        """
        problem = ""
        for attempt in range(self.config.attempts):
            began = time.monotonic()
            [reply] = self.model.complete(messages, 1, attempt, schema)
            seconds, value, problem = time.monotonic() - began, None, ""
            if reply.status not in ("ok", "cut") or (reply.status == "cut" and schema is None):
                problem = reply.problem
            else:
                try:
                    value = read(reply.text)
                except Unreadable as error:
                    problem = f"{reply.problem}; {error}" if reply.problem else str(error)
            again = f", attempt {attempt + 1}" if attempt else ""
            said = Exchange(
                stage + again,
                self.model.name,
                [m.record() for m in messages],
                reply.text,
                problem or reply.problem,
                reply.tokens_in + reply.tokens_out,
                reply.cost_usd,
                seconds,
            )
            self._journal.exchange(key, self.name, said)
            if value is not None:
                return value
            if reply.status == "refused":
                break
        raise _NoVerdict(f"{stage}: {problem}")


def _least(*given: float | None) -> float | None:
    return min((c for c in given if c is not None), default=None)
