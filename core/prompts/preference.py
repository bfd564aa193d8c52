"""What a vision-language model is asked about clips, and how its replies are read; two styles.

`core` (Ni, Lu, Cai 2026): start and goal, some pictures of each clip, progress of every one, then a
choice and scores. `rating` (Luu et al. 2025): one picture, how good is it. Both ask twice: first
for a description, by pictures, then for a verdict on that description, by text alone. The texts
are this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from core_jax.prompts.message import Message, Picture
from core_jax.prompts.verdict import Verdict, read_verdict, verdict_schema

UNSURE = "unsure"
RATINGS = {
    2: ("bad", "good"),
    3: ("bad", "average", "good"),
    4: ("very bad", "bad", "good", "very good"),
    5: ("very bad", "bad", "average", "good", "very good"),
}

LOOKING = """\
You watch a robot at work and judge how far it has come with a task. You go only by what the \
pictures show."""

JUDGING = """\
You judge how far a robot has come with a task, by somebody's description of pictures of it. Your \
reply is read by a program: it is one JSON object and nothing else."""

PROGRESS = """\
Progress is a number from 0 to 1: 0 is what the start shows, 1 is what the goal shows. What counts \
is how near the state of the things that the task is about is to the goal; next, how near the \
robot is to being able to move them there. Movement that brings neither nearer counts nothing."""

_CORE_LOOK = """\
Look at clip A first. For each of its {n} pictures say briefly what has changed, what is left to \
do until the goal, and its progress. Do the same for clip B. Then say in which clip the last \
picture is nearer to the goal, and by how much.{last}"""

_CORE_JUDGE = """\
The task: {task}.
Two short clips, A and B, each seen in {n} pictures, were described like this:

<description>
{description}
</description>

{progress}

Which clip is better? It is the one whose last picture is nearer to the goal.{last}{unsure} Give \
the progress of the {n} pictures of each clip, in the order in which they are described, and how \
confident you are in your choice, from 0 (a guess) to 1 (certain). Reply with JSON of this form:
{{"reason": "one sentence", "scores_a": [{example}], "scores_b": [{example}], "choice": \
{choices}, "confidence": 0.0}}"""

_RATE_LOOK = """\
Describe what this picture shows, as far as it matters to the task: {task}. Then say what is left \
to do until the task is done."""

_RATE_JUDGE = """\
The task: {task}.
A picture was described like this:

<description>
{description}
</description>

How near to being done is the task? {scale} Say how confident you are, from 0 (a guess) to 1 \
(certain). Reply with JSON of this form:
{{"reason": "one sentence", "rating": {choices}, "confidence": 0.0}}"""

MAY_BE_UNSURE = ' If they are equally good, or the description does not tell, choose "unsure".'


def core_look(
    task: str,
    start: Picture,
    goal: Picture,
    a: Sequence[Picture],
    b: Sequence[Picture],
    last: tuple[int, int] | None = None,
) -> list[Message]:
    """Stage one of `core`.

    Args:
        task: the instruction.
        start, goal: what nothing done and all done look like.
        a, b: pictures of the clips, in the order in which they are shown.
        last: if that order is not the order of time: which pictures of A and B are the last.
    """
    parts: list[str | Picture] = [f"The task: {task}.\nThe start, before anything was done:"]
    parts += [start, "The goal, when the task is done:", goal, PROGRESS]
    for name, pictures in (("A", a), ("B", b)):
        for i, picture in enumerate(pictures, 1):
            parts += [f"Clip {name}, picture {i} of {len(pictures)}:", picture]
    if last:
        parts.append("The pictures of a clip are not in the order of time: judge each on its own.")
    return [
        Message("system", LOOKING),
        Message("user", (*parts, _CORE_LOOK.format(n=len(a), last=_last(last)))),
    ]


def core_judge(
    task: str, description: str, count: int, unsure: bool, last: tuple[int, int] | None = None
) -> list[Message]:
    """Stage two of `core`, by text alone; `count` pictures a clip, `unsure` may be chosen."""
    text = _CORE_JUDGE.format(
        task=task,
        n=count,
        description=description.strip(),
        progress=PROGRESS,
        last=_last(last),
        unsure=MAY_BE_UNSURE if unsure else "",
        example=", ".join(["0.0"] * count),
        choices=either(choices_of("AB", unsure)),
    )
    return [Message("system", JUDGING), Message("user", text)]


def core_schema(unsure: bool) -> dict:
    """JSON Schema of the verdict of `core`."""
    return verdict_schema("clip_verdict", "choice", choices_of("AB", unsure), _CORE_SCORES)


def core_read(text: str, count: int, unsure: bool) -> Verdict:
    """The verdict of `core`: choice A, B or unsure, and `count` scores of each clip."""
    return read_verdict(text, "choice", choices_of("AB", unsure), _CORE_SCORES, count)


def rate_look(task: str, picture: Picture) -> list[Message]:
    """Stage one of `rating`."""
    parts = ("The picture:", picture, _RATE_LOOK.format(task=task))
    return [Message("system", LOOKING), Message("user", parts)]


def rate_judge(task: str, description: str, classes: int) -> list[Message]:
    """Stage two of `rating`, by text alone; `classes` words to choose from."""
    words = RATINGS[classes]
    scale = f'From "{words[0]}", hardly begun or going wrong, to "{words[-1]}", done or nearly so.'
    text = _RATE_JUDGE.format(
        task=task, description=description.strip(), scale=scale, choices=either(words)
    )
    return [Message("system", JUDGING), Message("user", text)]


def rate_schema(classes: int) -> dict:
    """JSON Schema of the verdict of `rating`."""
    return verdict_schema("rating", "rating", RATINGS[classes])


def rate_read(text: str, classes: int) -> Verdict:
    """The verdict of `rating`: one of the words."""
    return read_verdict(text, "rating", RATINGS[classes])


def rating_words(classes: int | None) -> tuple[str, ...]:
    """The words for a number of classes, from the worst to the best.

    Raises:
        ValueError: there are no words for that number.
    """
    if classes not in RATINGS:
        raise ValueError(f"a rating has {min(RATINGS)} to {max(RATINGS)} classes, not {classes}")
    return RATINGS[classes]


def either(words: Sequence[str]) -> str:
    """The words as they stand in an example of JSON."""
    return " or ".join(f'"{word}"' for word in words)


_CORE_SCORES = ("scores_a", "scores_b")


def choices_of(two: str, unsure: bool) -> tuple[str, ...]:
    return (*two, UNSURE) if unsure else tuple(two)


def _last(last: tuple[int, int] | None) -> str:
    if last is None:
        return ""
    return f" The last in time are picture {last[0]} of A and picture {last[1]} of B."
