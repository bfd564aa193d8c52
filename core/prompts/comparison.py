"""What a vision-language model is asked about two pictures of one episode: which is further.

One request, bound to a JSON schema, with the choice that Large Reward Models make between an
earlier and a later picture (Wu et al. 2026). The text is this project's own.
"""

from __future__ import annotations

from core_jax.prompts.message import Message, Picture
from core_jax.prompts.preference import LOOKING, UNSURE, either
from core_jax.prompts.verdict import Verdict, read_verdict, verdict_schema

_ASK = """\
In which picture is the robot further with the task: {task}? The goal shows what it looks like \
when it is done. First compare both pictures with the goal in a sentence or two: what has been \
done in one and not in the other. Which of them was taken later says nothing.{unsure} Say how \
confident you are, from 0 (a guess) to 1 (certain). Reply with JSON of this form:
{{"reason": "one or two sentences", "further": {choices}, "confidence": 0.0}}"""

_MAY_BE_UNSURE = ' If there is no difference that matters, choose "unsure".'
_CHOICES = ("A", "B", UNSURE)
_ONLY_JSON = "Your reply is read by a program: it is one JSON object and nothing else."


def ask(task: str, goal: Picture, a: Picture, b: Picture, unsure: bool) -> list[Message]:
    """Asks which of two pictures shows more of the task done."""
    choices = _CHOICES[: 3 if unsure else 2]
    text = _ASK.format(task=task, unsure=_MAY_BE_UNSURE if unsure else "", choices=either(choices))
    parts = ("The goal, when the task is done:", goal, "Picture A:", a, "Picture B:", b, text)
    return [Message("system", f"{LOOKING} {_ONLY_JSON}"), Message("user", parts)]


def schema(unsure: bool) -> dict:
    """JSON Schema of the reply to `ask`."""
    return verdict_schema("comparison", "further", _CHOICES[: 3 if unsure else 2])


def read(text: str, unsure: bool) -> Verdict:
    """The reply to `ask`: `choice` is A, B or unsure."""
    return read_verdict(text, "further", _CHOICES[: 3 if unsure else 2])
