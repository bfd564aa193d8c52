"""What a language model is asked by Eureka (Ma et al., ICLR 2024): a first reward, then reflection.

The reward names the pieces of the state that it needs and returns components, whose training
curves go back with the task score: values at ten moments, maximum, mean, minimum. The history is
at most four turns: the question, the best reward of the last iteration, and what came of it. The
texts are this project's own. Bundled replies answer them exactly (`core/prompts/formal.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core_jax.prompts.formal import report, shown_code
from core_jax.prompts.message import Message
from core_jax.reward_models.formal import make_signature

SYSTEM = """\
You are an expert in reward design for reinforcement learning. You write a reward function in \
Python; a robot is then trained with it by soft actor-critic, and you are told how that went. The \
reward is the only thing that the learner knows about the task. A program reads your reply and \
uses the first fenced Python block in it.

The function must begin with
    {head}
You may leave out parameters that you do not need. It returns two things: the total reward, a \
float, and a dict from name to float with each component of it.

Write plain Python with NumPy as `np`: arithmetic, `if`, loops over constants, helper functions, \
`np.linalg.norm`, `np.exp`, `np.clip` and the like. There are no classes, files, random numbers, \
`try`, `while` or other imports, and nothing is remembered between calls. A component that you \
squash, with `np.exp` for example, should have its own temperature as a named constant.
"""

INITIAL = """\
The task: {instruction}. It is solved when {success}.

What the function can read, one environment step at a time:
{inputs}

Write a reward function that lets a robot that begins with random actions learn this task.
"""

FEEDBACK = """\
The policy was trained with this reward function for {steps} environment steps. Each component of \
the reward and the task score (the share of steps in which the task was solved) was recorded. \
Each line has its values at {points} evenly spaced moments of the training, then its maximum, mean \
and minimum.

{table}

Think about each component before you rewrite the function:
- If the task score is near zero all the time, the reward as a whole does not lead to a solution, \
and a different one is needed.
- If a component stays nearly the same, the policy cannot influence it as it is written: change \
its scale or its temperature, replace it, or leave it out.
- If one component is far larger than the rest, scale it down.
Write a short analysis of the components, then one complete, improved reward function in a fenced \
Python block, with the same parameters and the same two return values.
"""


def initial_messages(spec: Any) -> list[Message]:
    """The conversation that asks for first rewards.

    Args:
        spec: a task's; its fields become the parameters.
    """
    signature = make_signature(
        "eureka", spec.formal_fields, spec.formal_action_description, spec.target_description
    )
    user = INITIAL.format(
        instruction=spec.instruction,
        success=spec.success_description,
        inputs=signature.describe(),
    )
    return [Message("system", SYSTEM.format(head=signature.head)), Message("user", user)]


def feedback_messages(
    spec: Any, code: str, env_steps: int, statistics: Mapping[str, Sequence[float]]
) -> list[Message]:
    """The conversation that reflects on the best reward so far.

    Args:
        code: its source.
        env_steps: environment steps of its trial.
        statistics: name -> series over the trial: `score` first, then each component.
    """
    user = report(FEEDBACK, env_steps, statistics)
    return [*initial_messages(spec), shown_code(code), Message("user", user)]
