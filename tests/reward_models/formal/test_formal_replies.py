"""Which code of a reply is the answer. Shapes of replies that have one are in the corpus of
`test_formal_programs.py`."""

import time

import pytest

from core_jax.reward_models.formal import RewardError, compile_reward, extract_code

NEW = """\
import numpy as np

def compute_reward(observation, action, target_pos):
    reach = -float(np.linalg.norm(observation[:3] - target_pos))
    return reach, {"new": reach}
"""
OLD = NEW.replace('"new"', '"old"')
ECHO = "def compute_reward(observation, action, target_pos):\n    ...\n"
HELPER = "def far(a, b):\n    return float(np.linalg.norm(a - b))\n"
USER = """\
def compute_reward(observation, action, target_pos):
    d = far(observation[:3], target_pos)
    return -d, {"new": -d}
"""


def fence(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


@pytest.mark.parametrize("reply", [
    "", "I cannot help with that.", "```", fence("x = 1\n"),
    f"<think>{fence(NEW)}",  # a thought that was cut off
    f"<think>one</think> two <thinking>{fence(NEW)}",
    f"<|channel|>analysis<|message|>{fence(NEW)}",
    f"```python\n{NEW[: NEW.index('return')]}",  # cut off within the function
    fence(ECHO.replace("...", "pass")).replace("def", "ddef"),
])  # fmt: skip
def test_no_answer(reply):
    with pytest.raises(RewardError, match="no Python code"):
        extract_code(reply)


def test_a_function_that_was_cut_off_is_told():
    with pytest.raises(RewardError, match="cut off within the function"):
        extract_code(f"```python\n{NEW[: NEW.index('return')]}")


def test_wrong_code_is_handed_on_with_its_errors():
    code = extract_code(fence(NEW.replace("reach = -", "reach = = -")))
    with pytest.raises(RewardError, match="syntax error"):
        compile_reward(code)


def test_the_asked_name_is_preferred():
    other = NEW.replace("compute_reward", "score")
    text = f"{fence(other)}\n{fence(OLD)}"
    assert "def score" in extract_code(text, "score")
    assert "def compute_reward" in extract_code(text)


def test_only_what_is_needed_of_other_blocks_is_joined():
    draft = HELPER + "\n" + OLD + "\nimport os\n"
    code = extract_code(f"Helpers:\n{fence(draft)}\nFinal:\n{fence(USER)}")
    assert '"old"' not in code and "import" not in code and code.count("def ") == 2


@pytest.mark.parametrize("reply", [
    "```python\n" * 4_000,
    "```\n" * 10_000,
    "> " * 20_000,
    "<think>" * 10_000 + "</think>" * 10_000,
    "x = 1\n" * 20_000,
    "def f():\n" * 8_000,
    "<code>" * 10_000,
    "{" * 50_000,
    "```python\ndef f(:\n" * 2_000,
    f"```python\n{'x' * 100_000}",
])  # fmt: skip
def test_hostile_replies_take_no_time(reply):
    start = time.process_time()
    with pytest.raises(RewardError):
        compile_reward(extract_code(reply))
    assert time.process_time() - start < 2
