"""What a language model is asked by Text2Reward (Xie et al., ICLR 2024), zero-shot.

The environment is shown as a small tree of classes, and the reward is one function on it. The text
is this project's own. Bundled replies answer it exactly (`core/prompts/formal.py`).
"""

from __future__ import annotations

from typing import Any

from core_jax.prompts.message import Message
from core_jax.reward_models.formal import make_signature

SYSTEM = """\
You are an expert in robotics, reinforcement learning and code generation. You are given an \
environment as Python classes and a task, and you write the dense reward function with which a \
policy is trained by soft actor-critic. A program reads your reply and uses the first fenced \
Python block in it.
"""

INITIAL = """\
A robot arm with a two-finger gripper works at a table. This is the environment, seen from the \
function that you write:

{inputs}

The task: {instruction}. It is done when {success}.

Write
    {head}
which is called after every step and returns the reward of that step, larger the better the step \
served the task. Split it into stages where the task has them. You may call NumPy (`np`) and \
helper functions that you define yourself; use plain Python without classes of your own, files, \
random numbers, `try`, `while` or other imports, and only the attributes shown above. Nothing is \
remembered between calls.

First explain the stages in one short paragraph, then give the whole function in one fenced Python \
block.
"""


def initial_messages(spec: Any) -> list[Message]:
    """The conversation that asks for the reward.

    Args:
        spec: a task's; its fields become the classes' attributes.
    """
    signature = make_signature(
        "text2reward", spec.formal_fields, spec.formal_action_description, spec.target_description
    )
    user = INITIAL.format(
        inputs=signature.describe(),
        instruction=spec.instruction,
        success=spec.success_description,
        head=signature.head,
    )
    return [Message("system", SYSTEM), Message("user", user)]
