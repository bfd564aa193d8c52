"""What a language model is asked when it writes or improves a formal reward.

CoRe section on the formal reward module: the signature `(observation, action, target_pos)`, a
total in [-1, 1] that is the sum of named components, feedback by component statistics (as in
Eureka, Ma et al. 2024) and a history of at most four turns. The texts are this project's own.

A recorded reply belongs to the exact text it answered. Whoever edits a template below makes the
bundled replies stale; the test that compares prompt hashes says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core_jax.prompts.message import Message

_REFUSALS_SHOWN = 3

SYSTEM = """\
You write reward functions for robot learning. A reinforcement learner (soft actor-critic) \
maximises the reward you write; nobody else tells it what the task is. Your reply is read by a \
program: the first fenced Python block in it is taken as the reward.

Rules for the code:
- Define one function `compute_reward(observation, action, target_pos)` that returns \
`(total, components)`: `total` is a scalar in [-1, 1], `components` is a dict from name to scalar, \
and the components sum to `total`.
- `observation`, `action` and `target_pos` are NumPy float32 arrays, laid out as described below. \
There are no other inputs and nothing is remembered between calls.
- Use plain Python and NumPy (`np`): arithmetic, comparisons, `if`, loops over constants, helper \
functions, `np.linalg.norm`, `np.exp`, `np.clip` and the like. No classes, files, randomness, \
`try`, `while` or other imports.
- Bring distances to a common scale, for example with `np.exp(-distance / temperature)`, and give \
every temperature a name.
"""

INITIAL = """\
Task: {instruction}.
The task counts as done when: {success}.

{view}

Write a reward under which a learner that starts from random actions discovers this task: it must \
guide every stage, from the start to the goal, and be largest when the task is done.
"""

FEEDBACK = """\
A policy was trained with the reward above for {steps} environment steps. Below, each line is one \
quantity at {points} evenly spaced moments of that training (mean over the steps around that \
moment), then its maximum, mean and minimum.

{table}

Improve the reward. Some advice:
- A score that stays near zero means that the learner never finds the goal: rewrite the reward.
- A component that hardly changes gives no guidance: change its scale or temperature, rewrite it \
or drop it.
- A component that is much larger than the others drowns them: rebalance.
First say in a few sentences what the numbers tell you. Then give the whole new function in one \
fenced Python block, under the same rules as before.
"""

REFUSED = """
Replies to this were refused by the program that reads them:

{refusals}

Write the whole function anew, so that it has none of these problems, under the same rules.
"""


class Refusal(NamedTuple):
    """A reply that is no reward: its code, and what is wrong with it."""

    code: str
    problem: str


def with_refusals(messages: Sequence[Message], refusals: Sequence[Refusal]) -> list[Message]:
    """The same question, asked again with what was refused and why; the turns stay four.

    Args:
        messages: the question as it was first asked.
        refusals: of the replies so far; of several with one problem only the first is shown, and
            three at most.
    """
    if not refusals:
        return list(messages)
    distinct: dict[str, Refusal] = {}
    for refusal in refusals:
        distinct.setdefault(refusal.problem, refusal)
    told = list(distinct.values())[:_REFUSALS_SHOWN]
    shown = "\n\n".join(f"```python\n{r.code.strip()}\n```\n{r.problem}" for r in told)
    *before, last = messages
    assert isinstance(last.content, str), "questions about rewards have no pictures"
    return [*before, last._replace(content=last.content + REFUSED.format(refusals=shown))]


def task_view(spec: Any) -> str:
    """The inputs of a formal reward, described field by field.

    Args:
        spec: a task's spec; reads `formal_fields`, `formal_action_description` and
            `target_description`.
    """
    lines = ["The inputs:"]
    for field in spec.formal_fields:
        slot = str(field.start) if field.stop - field.start == 1 else f"{field.start}:{field.stop}"
        unit = "" if field.unit == "1" else f" [{field.unit}]"
        lines.append(f"- observation[{slot}] {field.name}{unit}: {field.description}")
    lines.append(f"- action: {spec.formal_action_description}")
    lines.append(f"- target_pos: {spec.target_description}")
    return "\n".join(lines)


def initial_messages(spec: Any) -> list[Message]:
    """The conversation that asks for a first reward."""
    user = INITIAL.format(
        instruction=spec.instruction, success=spec.success_description, view=task_view(spec)
    )
    return [Message("system", SYSTEM), Message("user", user)]


def feedback_messages(
    spec: Any, code: str, env_steps: int, statistics: Mapping[str, Sequence[float]]
) -> list[Message]:
    """The four-turn conversation that asks for a better reward than `code`.

    Args:
        code: the source of the reward in use.
        env_steps: environment steps trained with it.
        statistics: name -> series over training: `score` first, then each component.
    """
    user = report(FEEDBACK, env_steps, statistics)
    return [*initial_messages(spec), shown_code(code), Message("user", user)]


def shown_code(code: str) -> Message:
    """The turn of the model that wrote `code`."""
    return Message("assistant", f"```python\n{code.strip()}\n```")


def report(template: str, env_steps: int, statistics: Mapping[str, Sequence[float]]) -> str:
    """A feedback text: `template` with {steps}, {points} and the {table} of statistics."""
    points = max((len(v) for v in _thin(statistics).values()), default=0)
    return template.format(steps=env_steps, points=points, table=statistics_table(statistics))


def statistics_table(statistics: Mapping[str, Sequence[float]], points: int = 10) -> str:
    """One line per series: its values at `points` even moments, max, mean and min."""
    lines = []
    for name, values in _thin(statistics, points).items():
        full = np.asarray(statistics[name], np.float64)
        shown = ", ".join(f"{v:.3f}" for v in values)
        lines.append(
            f"{name}: [{shown}], max {full.max():.3f}, mean {full.mean():.3f}, min {full.min():.3f}"
        )
    return "\n".join(lines)


def _thin(statistics: Mapping[str, Sequence[float]], points: int = 10) -> dict[str, list[float]]:
    thinned = {}
    for name, values in statistics.items():
        values = list(values)
        index = np.unique(np.linspace(0, len(values) - 1, min(points, len(values))).round())
        thinned[name] = [values[int(i)] for i in index]
    return thinned
