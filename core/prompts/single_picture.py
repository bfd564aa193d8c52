"""What a vision-language model is asked about one picture: its progress, or is the task done.

Each takes one request, bound to a JSON schema, with the answers that Large Reward Models give (Wu
et al. 2026): eleven values from 0.0 to 1.0, and yes or no. Ratings are in `preference`. The texts
are this project's own.
"""

from __future__ import annotations

from core_jax.prompts.message import Message, Picture
from core_jax.prompts.preference import LOOKING, PROGRESS, UNSURE, either
from core_jax.prompts.verdict import Unreadable, Verdict, read_verdict, verdict_schema

_PROGRESS_ASK = """\
How far has the robot come with the task: {task}? The start, the goal and the picture to judge are \
shown above. First compare the picture with both in a sentence or two, then give its progress as \
one of 0.0, 0.1, 0.2 and so on up to 1.0.{unsure} Say how confident you are, from 0 (a guess) to 1 \
(certain). Reply with JSON of this form:
{{"reason": "one or two sentences", "progress": "0.0", "confidence": 0.0}}"""

_COMPLETION_ASK = """\
Is the task done in the picture: {task}? The goal shows what it looks like when it is. Go by the \
state of the things that the task is about, not by where the robot is. First say in a sentence or \
two what is different from the goal, if anything.{unsure} Say how confident you are, from 0 (a \
guess) to 1 (certain). Reply with JSON of this form:
{{"reason": "one or two sentences", "completed": {choices}, "confidence": 0.0}}"""

_MAY_BE_UNSURE = ' If the picture does not tell, choose "unsure".'

_YES_NO = ("yes", "no", UNSURE)
_ONLY_JSON = "Your reply is read by a program: it is one JSON object and nothing else."
_TENTHS = tuple(f"{i / 10:.1f}" for i in range(11))


def progress_ask(
    task: str, start: Picture, goal: Picture, picture: Picture, unsure: bool
) -> list[Message]:
    """Asks for the progress that a picture shows, between the start and the goal."""
    text = _PROGRESS_ASK.format(task=task, unsure=_MAY_BE_UNSURE if unsure else "")
    parts = ("The start, before anything was done:", start, "The goal, when the task is done:")
    parts += (goal, PROGRESS, "The picture:", picture, text)
    return [Message("system", f"{LOOKING} {_ONLY_JSON}"), Message("user", parts)]


def progress_schema(unsure: bool) -> dict:
    """JSON Schema of the reply to `progress_ask`."""
    return verdict_schema("progress", "progress", (*_TENTHS, *([UNSURE] if unsure else [])))


def progress_read(text: str, unsure: bool) -> Verdict:
    """The reply to `progress_ask`: `choice` is a number in [0, 1] as text, or unsure. Hundredths
    and percentages are read as well."""
    choices = (*_HUNDREDTHS, *([UNSURE] if unsure else []))
    try:
        found = read_verdict(text, "progress", choices)
    except Unreadable as error:
        if "not one of" not in str(error):
            raise
        given = str(error).partition(", not one of")[0]
        raise Unreadable(f"{given}, which is no number of hundredths from 0 to 1") from None
    return found._replace(choice=_HUNDREDTHS.get(found.choice, found.choice))


def completion_ask(task: str, goal: Picture, picture: Picture, unsure: bool) -> list[Message]:
    """Asks whether a picture shows the task done."""
    text = _COMPLETION_ASK.format(
        task=task,
        unsure=_MAY_BE_UNSURE if unsure else "",
        choices=either(_YES_NO[: 3 if unsure else 2]),
    )
    parts = ("The goal, when the task is done:", goal, "The picture:", picture, text)
    return [Message("system", f"{LOOKING} {_ONLY_JSON}"), Message("user", parts)]


def completion_schema(unsure: bool) -> dict:
    """JSON Schema of the reply to `completion_ask`."""
    return verdict_schema("completion", "completed", _YES_NO[: 3 if unsure else 2])


def completion_read(text: str, unsure: bool) -> Verdict:
    """The reply to `completion_ask`: `choice` is yes, no or unsure."""
    words = _YES_NO[: 3 if unsure else 2]
    found = read_verdict(text, "completed", (*words, "true", "false"))
    return found._replace(choice={"true": "yes", "false": "no"}.get(found.choice, found.choice))


def _spellings(hundredths: int) -> tuple[str, ...]:
    value = hundredths / 100
    tenth = (f"{value:.1f}",) if hundredths % 10 == 0 else ()
    return (f"{value:g}", *tenth, f"{value:.2f}", f"{hundredths}%")


_HUNDREDTHS = {text: f"{i / 100:g}" for i in range(101) for text in _spellings(i)}
