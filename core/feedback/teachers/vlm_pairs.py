"""How a vision-language model is asked about a pair: three styles, with checks of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.feedback.teachers.vlm_requests import Requests
from core_jax.feedback.teachers.vlm_singles import rate_picture
from core_jax.prompts import preference as prompts
from core_jax.prompts import rl_vlm_f
from core_jax.prompts.message import Picture

Sides = tuple[list[bytes], list[bytes]]  # PNGs of A and of B, in the order of time


class Opinion(NamedTuple):
    """One answer of the model, as P(B better); None: unsure."""

    preference: float | None
    scores: tuple[tuple[float, ...], tuple[float, ...]]
    confidence: float | None
    reason: str
    ratings: tuple[int, int] | None = None


class PairQuestion(NamedTuple):
    """What is asked about one pair."""

    key: str
    task: str
    sides: Sides
    ends: tuple[Picture, Picture] | None  # the task's start and goal, for `core`
    swapped: bool = False  # whether the sides have been exchanged

    def stage(self, name: str) -> str:
        """The name of a request."""
        return f"{name}, swapped" if self.swapped else name

    def swap(self) -> PairQuestion:
        """The same pair in the other order."""
        return self._replace(sides=(self.sides[1], self.sides[0]), swapped=True)


def compare(requests: Requests, config: VLMConfig, style: str, question: PairQuestion) -> Opinion:
    """The model's answer, after the checks that the config asks for.

    Raises:
        NoVerdict: nothing that can be used.
        ChatError: no reply.
    """
    found = check_confidence(config, _STYLES[style](requests, config, question))
    if not config.both_orders or found.preference is None:
        return found
    back = check_confidence(config, _STYLES[style](requests, config, question.swap()))
    scores = (back.scores[1], back.scores[0])
    if back.preference is None:
        return back._replace(scores=scores)
    if found.preference != 1.0 - back.preference:
        place = "first" if found.preference == 0.0 else "second"
        reason = f"prefers the clip that is shown {place}, whichever that is"
        return found._replace(preference=None, reason=reason)
    return found._replace(
        scores=(_mean(found.scores[0], scores[0]), _mean(found.scores[1], scores[1])),
        confidence=_least(found.confidence, back.confidence),
    )


def check_confidence(config: VLMConfig, found: Opinion) -> Opinion:
    """The answer, or an abstention if its confidence is too low."""
    least, given = config.min_confidence, found.confidence
    if found.preference is None or not least or (given is not None and given >= least):
        return found
    what = "no confidence given" if given is None else f"confidence {given:g} is below {least:g}"
    return found._replace(preference=None, reason=f"{what}: {found.reason}")


def _core(requests: Requests, config: VLMConfig, question: PairQuestion) -> Opinion:
    key, task, sides = question.key, question.task, question.sides
    count, unsure = len(sides[0]), config.abstain
    orders, last = [np.arange(count)] * 2, None
    if config.shuffle:
        rng = np.random.default_rng([int(key[:12], 16), question.swapped])
        orders = [rng.permutation(count) for _ in sides]
        last = (int(np.argmax(orders[0])) + 1, int(np.argmax(orders[1])) + 1)
    a, b = ([Picture(s[i]) for i in o] for s, o in zip(sides, orders, strict=True))
    if question.ends is None:
        raise ValueError("style 'core' needs pictures of the task's start and goal")
    start, goal = question.ends
    look = prompts.core_look(task, start, goal, a, b, last)
    description = requests.describe(key, question.stage("description"), look)
    verdict = requests.read(
        key,
        question.stage("verdict"),
        prompts.core_judge(task, description, count, unsure, last),
        lambda text: prompts.core_read(text, count, unsure),
        prompts.core_schema(unsure),
    )
    in_time = [
        tuple(s[i] for i in np.argsort(o)) for s, o in zip(verdict.scores, orders, strict=True)
    ]
    chosen = {"A": 0.0, "B": 1.0}.get(verdict.choice)
    return Opinion(chosen, (in_time[0], in_time[1]), verdict.confidence, verdict.reason)


def _rl_vlm_f(requests: Requests, config: VLMConfig, question: PairQuestion) -> Opinion:
    key, task, unsure = question.key, question.task, config.abstain
    first, second = (Picture(pictures[-1]) for pictures in question.sides)
    look = rl_vlm_f.look(task, first, second)
    description = requests.describe(key, question.stage("description"), look)
    verdict = requests.read(
        key,
        question.stage("verdict"),
        rl_vlm_f.judge(task, description, unsure),
        lambda text: rl_vlm_f.read(text, unsure),
        rl_vlm_f.schema(unsure),
    )
    chosen = {"1": 0.0, "2": 1.0}.get(verdict.choice)
    return Opinion(chosen, ((), ()), verdict.confidence, verdict.reason)


def _rating(requests: Requests, config: VLMConfig, question: PairQuestion) -> Opinion:
    words = prompts.RATINGS[config.ratings]
    first, second = (
        rate_picture(
            requests, question.key, question.task, pictures[-1], config.ratings, f" of {side}"
        )
        for side, pictures in zip("ab", question.sides, strict=True)
    )
    a, b = words.index(first.choice), words.index(second.choice)
    chosen = None if a == b else float(b > a)
    reason = f"A is {words[a]}: {first.reason} B is {words[b]}: {second.reason}"
    confidence = _least(first.confidence, second.confidence)
    return Opinion(chosen, ((), ()), confidence, reason, (a, b))


_STYLES: dict[str, Callable[[Requests, VLMConfig, PairQuestion], Opinion]] = {
    "core": _core,
    "rl_vlm_f": _rl_vlm_f,
    "rating": _rating,
}


def _mean(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(x) for x in np.mean((first, second), axis=0))


def _least(*given: float | None) -> float | None:
    return min((c for c in given if c is not None), default=None)
