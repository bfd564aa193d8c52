"""What RL-VLM-F (Wang et al., ICML 2024) asks about two pictures, in two stages.

First the pictures are described and compared, then a verdict is asked for on that description, by
text alone. The texts are this project's own.
"""

from __future__ import annotations

from core_jax.prompts.message import Message, Picture
from core_jax.prompts.preference import JUDGING, LOOKING, MAY_BE_UNSURE, choices_of, either
from core_jax.prompts.verdict import Verdict, read_verdict, verdict_schema

_LOOK = """\
Describe what picture 1 shows and what picture 2 shows, as far as it matters to the task: {task}. \
Then say how they differ, and what is left to do until the task is done in each."""

_JUDGE = """\
The task: {task}.
Two pictures, 1 and 2, were described like this:

<description>
{description}
</description>

In which picture is the task nearer to being done?{unsure} Say how confident you are, from 0 (a \
guess) to 1 (certain). Reply with JSON of this form:
{{"reason": "one sentence", "choice": {choices}, "confidence": 0.0}}"""


def look(task: str, first: Picture, second: Picture) -> list[Message]:
    """Stage one: both pictures, to be described."""
    parts = ("Picture 1:", first, "Picture 2:", second, _LOOK.format(task=task))
    return [Message("system", LOOKING), Message("user", parts)]


def judge(task: str, description: str, unsure: bool) -> list[Message]:
    """Stage two: which one is nearer to the goal, by the description alone."""
    text = _JUDGE.format(
        task=task,
        description=description.strip(),
        unsure=MAY_BE_UNSURE if unsure else "",
        choices=either(choices_of("12", unsure)),
    )
    return [Message("system", JUDGING), Message("user", text)]


def schema(unsure: bool) -> dict:
    """JSON Schema of the verdict."""
    return verdict_schema("picture_verdict", "choice", choices_of("12", unsure))


def read(text: str, unsure: bool) -> Verdict:
    """The verdict: choice 1, 2 or unsure."""
    return read_verdict(text, "choice", choices_of("12", unsure))
