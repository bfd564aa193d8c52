"""What a person can reply to each kind of question, and the labels that the replies stand for."""

from __future__ import annotations

from typing import Any, NamedTuple

from core_jax.feedback.queries import Asks, PairLabel, SingleLabel
from core_jax.prompts.preference import RATINGS

UNSURE = "unsure"


class Choice(NamedTuple):
    """One reply, and how the page offers it."""

    choice: str  # as it is sent
    text: str
    keys: tuple[str, ...]  # names of the browser's key events


_UNSURE = Choice(UNSURE, "Can't tell", ("ArrowUp", "u"))
_PAIR = (
    Choice("a", "A is better", ("ArrowLeft", "a")),
    Choice("b", "B is better", ("ArrowRight", "b")),
    Choice("equal", "Equal", ("ArrowDown", "e")),
    _UNSURE,
)
_COMPLETION = (Choice("0", "Not done", ("1", "n")), Choice("1", "Done", ("2", "y")), _UNSURE)
# The digit keys are tenths; what is done has no digit left.
_PROGRESS = (
    *(Choice(str(i / 10), f"{10 * i}%", (str(i),)) for i in range(10)),
    Choice("1.0", "100%: done", ("d",)),
    _UNSURE,
)
_PREFERENCES = {"a": 0.0, "b": 1.0, "equal": 0.5, UNSURE: None}
_TITLES = {
    "pair": "Which clip does it better: {}?",
    "rating": "At the end of the clip, how good is it: {}?",
    "progress": "At the end of the clip, how far from start (0%) to goal (100%) is it: {}?",
    "completion": "At the end of the clip, is it done: {}?",
}


def title(asks: str, instruction: str) -> str:
    """The page's heading."""
    return _TITLES[asks].format(instruction)


def choices(asks: str, classes: int | None) -> tuple[Choice, ...]:
    """The replies to a question.

    Args:
        asks: "pair", "rating", "progress" or "completion".
        classes: of a rating; up to 9, a digit key each.

    Raises:
        ValueError: a person cannot be asked this.
    """
    if asks == "pair":
        return _PAIR
    if asks == "completion":
        return _COMPLETION
    if asks == "progress":
        return _PROGRESS
    if asks != "rating" or classes is None or not 2 <= classes <= 9:
        raise ValueError(f"a person cannot be asked for {asks!r} with {classes} classes")
    words = RATINGS.get(classes, tuple(f"class {i + 1} of {classes}" for i in range(classes)))
    return (*(Choice(str(i), w, (str(i + 1),)) for i, w in enumerate(words)), _UNSURE)


def label_of(asks: Asks, classes: int | None, choice: str, seconds: float) -> Any:
    """The label that a reply stands for.

    Raises:
        ValueError: it is not one of the choices.
    """
    valid = [c.choice for c in choices(asks, classes)]
    if choice not in valid:
        raise ValueError(f"no choice {choice!r}. Valid: {', '.join(valid)}.")
    if asks == "pair":
        return PairLabel(_PREFERENCES[choice], (), (), reason="", seconds=seconds)
    value = None if choice == UNSURE else float(choice)
    return SingleLabel(value, reason="", seconds=seconds)
