"""What a vision-language model is asked by VLM-CaR (Venuto et al., ICML 2024), and how its replies
are read.

First the sub-tasks of a task, from pictures of its start and its goal, then one image program for
each of them. The texts are this project's own. Bundled replies answer them exactly
(`core_jax.models.replay`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from core_jax.prompts.message import Message, Picture

MOST_SUBTASKS = 6
_DECODER = json.JSONDecoder()

SYSTEM = """\
You look at pictures of a task and write small Python programs that tell from pictures what has \
been done. A reinforcement learner is rewarded whenever one of your programs says that its \
sub-task is completed; nobody else tells it what the task is. A program reads your replies, so \
keep to the format that is asked for.
"""

SUBTASKS = """\
Task: {instruction}. The first picture shows the task at a start, the second one when it is done. \
Layouts and colours may differ from episode to episode; the pictures show one example.{shown}

{pictures}

Split the task into 1 to {most} sub-tasks that must be completed one after the other, each of \
which can be recognised in a picture (or by comparing it with the first picture of its episode) \
the moment it is completed. The last one is completed when the task is. Reply with a short \
explanation and then one fenced JSON block: a list of strings, one sentence for each sub-task.
"""

PROGRAM = """\
Write the program for sub-task {number} of {count}: {subtask}

It is called with every picture of an episode in turn and must return 1.0 as soon as and as long \
as it sees that the sub-task is completed, else 0.0. Rules:
- Define one class with `__init__(self, first_frame)`, which gets the first picture of the \
episode, and `reward(self, frame)`, which gets the picture after each step.
- A picture is a NumPy array of unsigned bytes of shape ({height}, {width}, 3), RGB.
- Use plain Python, NumPy (`np`) and OpenCV (`cv2`): colour conversion, `inRange`, masks, \
morphology, `countNonZero`, `findContours`, `contourArea`, `boundingRect`, `moments`, slices, \
comparisons, loops over constants or contours. No files, randomness, `try`, `while` or other \
imports.
- The program is tried on trajectories of experts, all of which must complete it, and of random \
actions, which seldom may. Colours and places that change from episode to episode must not matter.

Explain in one or two sentences what changes in the picture, then give the whole program in one \
fenced Python block.
"""

REFUSED = """
Programs for it were refused:

{refusals}
{pictures}
Write the whole program anew, so that it has none of these problems, under the same rules.
"""


class Rejected(NamedTuple):
    """A program that was refused or not believed.

    Attributes:
        code: its text.
        problem: what is wrong with it.
        strip: pictures of a trajectory that shows it; None without.
        caption: what the strip shows.
    """

    code: str
    problem: str
    strip: bytes | None = None
    caption: str = ""


class Sight(NamedTuple):
    """The pictures of a task.

    Attributes:
        start, goal: PNGs.
        height, width: of what programs see, pixels.
        enlarged: times that the PNGs are larger.
    """

    start: bytes
    goal: bytes
    height: int
    width: int
    enlarged: int


def subtask_messages(instruction: str, sight: Sight) -> list[Message]:
    """The conversation that asks for the sub-tasks."""
    shown = ""
    if sight.enlarged > 1:
        shown = (
            f" Both are shown {sight.enlarged} times larger than the {sight.height} x "
            f"{sight.width} pixels that your programs will get."
        )
    text = SUBTASKS.format(instruction=instruction, shown=shown, pictures="\0", most=MOST_SUBTASKS)
    above, below = text.split("\0")
    user = (above, Picture(sight.start), Picture(sight.goal), below)
    return [Message("system", SYSTEM), Message("user", user)]


def program_messages(
    asked: Sequence[Message],
    reply: str,
    subtasks: Sequence[str],
    number: int,
    sight: Sight,
    rejected: Sequence[Rejected] = (),
) -> list[Message]:
    """The conversation that asks for the program of a sub-task.

    Args:
        asked: from `subtask_messages`.
        reply: the answer, from which the sub-tasks are.
        subtasks: all of them.
        number: which one, from 0.
        sight: the task's pictures.
        rejected: programs for it that were not accepted, the newest last.
    """
    text = PROGRAM.format(
        number=number + 1,
        count=len(subtasks),
        subtask=subtasks[number],
        height=sight.height,
        width=sight.width,
    )
    parts: tuple[Any, ...] = (text,)
    if rejected:
        parts += _refusals(rejected[-3:])
    content = parts if len(parts) > 1 else text
    return [*asked, Message("assistant", reply), Message("user", content)]


def _refusals(rejected: Sequence[Rejected]) -> tuple[Any, ...]:
    lines = [f"```python\n{r.code.strip()}\n```\n{r.problem}" for r in rejected]
    shown = [r for r in rejected if r.strip is not None][-1:]
    text = REFUSED.format(refusals="\n\n".join(lines), pictures="\0")
    above, below = text.split("\0")
    if not shown:
        return (above + below,)
    [one] = shown
    return (f"{above}\n{one.caption}\n", Picture(one.strip or b""), below)


def read_subtasks(reply: str) -> tuple[str, ...]:
    """The sub-tasks in a reply: the last JSON list of sentences.

    Raises:
        ValueError: there is no JSON list of 1 to 6 sentences in it.
    """
    found, at = None, reply.find("[")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(reply, at)
        except json.JSONDecodeError:
            end = at + 1
        else:
            texts = all(isinstance(x, str) and x.strip() for x in value)
            found = value if texts and 1 <= len(value) <= MOST_SUBTASKS else found
        at = reply.find("[", end)
    if found is not None:
        return tuple(" ".join(x.split()) for x in found)
    raise ValueError(
        f"the reply holds no JSON list of 1 to {MOST_SUBTASKS} sub-tasks, each a sentence"
    )
