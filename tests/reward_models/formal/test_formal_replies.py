"""Which code of a reply is the answer: shapes of replies as models send them."""

import json
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
BODY = NEW.split("\n", 2)[2]
HELPER = "def far(a, b):\n    return float(np.linalg.norm(a - b))\n"
USER = """\
def compute_reward(observation, action, target_pos):
    d = far(observation[:3], target_pos)
    return -d, {"new": -d}
"""


def fence(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


EXAMPLE = "print(compute_reward(np.zeros(39), np.zeros(2), None))\n"
INDENTED = "".join(f"    {line}\n" for line in NEW.rstrip("\n").split("\n"))
CUT = NEW + "\nexample = np.array([[0.1, 0.2, 0.3],\n    [0.4, 0.5"
RIGHT = {
    "one block": fence(NEW),
    "prose around it": f"Sure, here it is.\n\n{fence(NEW)}\nThis rewards reaching.",
    "no language": fence(NEW, ""),
    "py": fence(NEW, "py"),
    "Python in capitals": fence(NEW, "Python"),
    "tildes": f"~~~python\n{NEW}~~~\n",
    "four backticks": f"````python\n{NEW}````\n",
    "bare": NEW,
    "bare with prose": f"Here is the reward:\n\n{NEW}\nI hope that this helps!\nLet me know.",
    "bare with a list below": f"{NEW}\n1. It reaches.\n2. It pushes.",
    "think": f"<think>\nDraft:\n{fence(OLD)}\n</think>\n{fence(NEW)}",
    "think after a thought without an opening": f"Draft {fence(OLD)}</think>{fence(NEW)}",
    "thinking": f"<thinking>{fence(OLD)}</thinking>\n{fence(NEW)}",
    "two thoughts": f"<think>{fence(OLD)}</think>{fence(NEW)}<think>{fence(OLD)}</think>",
    "a thought in a thought": f"<think><think>a</think>{fence(OLD)}</think>{fence(NEW)}",
    "reasoning tag": f"<reasoning>{fence(OLD)}</reasoning>{fence(NEW)}",
    "channels": f"<|channel|>analysis<|message|>{fence(OLD)}<|end|><|start|>assistant"
                f"<|channel|>final<|message|>{fence(NEW)}<|return|>",
    "draft, then final": f"Draft:\n{fence(OLD)}\nFinal version:\n{fence(NEW)}",
    "a quoted bad example": f"Do not do this:\n{fence(OLD)}\nInstead:\n{fence(NEW)}",
    "the old one repeated below":
        f"Here it is:\n{fence(NEW)}\nThe previous version was:\n{fence(OLD)}",
    "the old one repeated above": f"Your current function:\n{fence(OLD)}\nImproved:\n{fence(NEW)}",
    "an echoed signature below": f"{fence(NEW)}\nIts signature is\n{fence(ECHO)}",
    "an echoed signature above": f"{fence(ECHO)}\n{fence(NEW)}",
    "an example call below": f"{fence(NEW)}\nUsage:\n{fence(EXAMPLE)}",
    "an example call in the block": fence(NEW + "\n" + EXAMPLE),
    "an example with wrong shapes": fence(NEW + "\nr, _ = compute_reward([0.1], [0.2], [0.3])\n"),
    "if main": fence(NEW + "\nif __name__ == '__main__':\n    import sys\n    sys.exit(0)\n"),
    "a helper in its own block": f"{fence(HELPER)}\nand\n{fence(USER)}",
    "a helper below": f"{fence('import numpy as np' + chr(10) + USER)}\nwith\n{fence(HELPER)}",
    "constants in their own block": f"{fence('SCALE = 1.0' + chr(10))}\n"
                                    f"{fence(NEW.replace('= -float', '= -SCALE * float'))}",
    "a shell block first": f"{fence('pip install numpy' + chr(10), 'bash')}\n{fence(NEW)}",
    "json first": f"{fence('{}' + chr(10), 'json')}\n{fence(NEW)}",
    "closing fence on the last line": f"```python\n{NEW.rstrip()}```\nDone.",
    "fence in mid-line": f"The code: ```python\n{NEW}```",
    "windows lines": fence(NEW).replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + NEW,
    "no-break spaces": fence(NEW.replace("    ", "\u00a0\u00a0\u00a0\u00a0")),
    "zero-width spaces": fence(NEW.replace("def ", "\u200bdef ")),
    "im_end": fence(NEW) + "<|im_end|>",
    "eot": f"{NEW.rstrip()}<|eot_id|>",
    "code tags": f"<code>\n{NEW}</code>",
    "pre and code tags": f"<pre><code>{NEW}</code></pre>",
    "answer tags": f"<answer>\n{fence(NEW)}</answer>",
    "a block quote": "".join(f"> {line}\n" for line in fence(NEW).rstrip("\n").split("\n")),
    "a quoted block in a fence": fence("".join(f"> {x}\n" for x in NEW.rstrip().split("\n"))),
    "a list item": "1. The reward:\n" + "".join(
        f"   {line}\n" for line in fence(NEW).rstrip("\n").split("\n")),
    "json": json.dumps({"thoughts": "reach", "code": NEW}),
    "json with a fence": json.dumps({"code": fence(NEW)}),
    "json in a block": f"```json\n{json.dumps({'code': NEW})}\n```",
    "a diff": fence("".join(f"-{x}\n" for x in OLD.rstrip().split("\n"))
                    + "".join(f"+{x}\n" for x in NEW.rstrip().split("\n")), "diff"),
    "indented": f"Reward:\n{fence(INDENTED)}",
    "doctest prompts": fence("".join(
        (">>> " if x and not x.startswith(" ") else "... ") + x + "\n" for x in NEW.split("\n"))),
    "unclosed": f"Sure:\n```python\n{NEW}",
    "cut off in an example": f"```python\n{CUT}",
    "a new fence without closing the first": f"```python\n{OLD[:80]}\n```python\n{NEW}```",
    "a markdown block around": f"````markdown\n# Reward\n{fence(NEW)}````\n",
    "text with def in prose": f"The def of reach is simple.\n{fence(NEW)}",
    "reward_function": fence(NEW.replace("compute_reward", "reward_function")),
    "a later helper of three": fence(NEW + "\ndef mix(a, b, c):\n    return a, {'old': b}\n"),
}  # fmt: skip


@pytest.mark.parametrize("shape", RIGHT)
def test_the_answer_is_found(shape):
    reward = compile_reward(extract_code(RIGHT[shape]))
    assert reward.component_names == ("new",)


def test_there_are_many_shapes():
    assert len(RIGHT) >= 43 and len(set(RIGHT.values())) == len(RIGHT)


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
