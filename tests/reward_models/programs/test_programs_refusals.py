"""What image programs may not do: refused with the place, the reason and what to write instead."""

from pathlib import Path

import pytest

from core_jax.reward_models.programs import RewardError, compile_program
from core_jax.reward_models.programs.__main__ import main

HEAD = "import cv2\nimport numpy as np\n"
CASES = [
    ("import os\ndef reward(image):\n    return os.getcwd()", 3, "`os` cannot be imported"),
    ("def reward(image):\n    return eval('1')", 4, "the name `eval` is unknown"),
    ("def reward(image):\n    return open('/etc/passwd')", 4, "the name `open` is unknown"),
    ("def reward(image):\n    return image.__class__", 4, "starts with two underscores"),
    ("def reward(image):\n    return cv2.imread('secret.png').sum()", 4, "anything but the frame"),
    ("def reward(image):\n    return cv2.VideoCapture(0)", 4, "`cv2.VideoCapture`"),
    ("def reward(image):\n    return np.random.rand()", 4, "`np.random`|`numpy.random`"),
    ("def reward(image):\n    return np.load('x.npy')", 4, "`numpy.load` is not available"),
    ("def reward(image):\n    return len(np.unique(image))", 4, "np.unique"),
    ("def reward(image):\n    return image[image > 3] / image[image > 5]", 4, "two masks"),
    ("def reward(image):\n    return image", 4, "the reward is an array"),
    ("def reward(image):\n    if image[0, 0]:\n        return 1\n    return 0", 4, "ambiguous"),
    ("def reward(image):\n    return image[70, 0, 0]", 4, "index 70 is out of range for 16"),
    ("def reward(image):\n    x, y = True\n    return x", 4, "cannot be unpacked into 2 names"),
    ("def f(a, b):\n    return a\ndef reward(image):\n    return f(1)", 6, "called without `b`"),
    ("def reward(image):\n    return find_it(image)", 4, "the name `find_it` is unknown"),
    ("x = []\ndef reward(image):\n    x.append(1)\n    return 0", 4, "outside of the class"),
    ("def reward(image):\n    return reward(image)", 4, "nested too deeply"),
    ("def reward(image):\n    t = 0\n    for y in range(9000):\n        t += y\n    return t", 5,
     "the loop runs 9000 times"),
    ("def reward(image, goal):\n    return 0", 3, "one of these must be the picture"),
    ("def reward(image):\n    return cv2.Canny(image, 1, 2).sum()", 4, "`cv2.Canny`"),
    ("def reward(image):\n    return cv2.countNonZero(image)", 4, "one channel"),
    ("def reward(image):\n    cv2.circle(image, (3, 3), 2, 9)\n    return 0", 4, "cv2.circle"),
    ("def reward(image):\n    return image.sum() - image[:4].sum()", 4, "wraps around below zero"),
    ("class A(Base):\n    def reward(self, image):\n        return 0", 3, "base class"),
    ("def reward(image):\n    a = image[:3]\n    image[0] = 0\n    return a.sum()", 5, "slice"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "line", "message"), CASES)
def test_a_refusal_has_a_place_and_a_reason(body: str, line: int, message: str) -> None:
    with pytest.raises(RewardError, match=message) as caught:
        compile_program(HEAD + body + "\n", 16, 16)
    assert caught.value.diagnostics[0].line == line


def test_a_source_without_a_program_says_what_to_define() -> None:
    with pytest.raises(RewardError, match="def reward\\(image\\)"):
        compile_program("x = 1\n", 16, 16)


@pytest.mark.parametrize("size", [(0, 4), (1024, 1024)])
def test_pictures_of_no_or_too_large_a_size_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="pixels can be"):
        compile_program("def reward(image):\n    return 0\n", *size)


def test_the_command_tells_what_is_kept_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("def reward(prev_image, image):\n    return image[0, 0, 0]\n")
    bad.write_text("def reward(image):\n    return unknown\n")
    assert main(good, 8, 8) == 0
    assert "reward: accepted; keeps 193 bytes" in capsys.readouterr().out
    assert main(bad, 8, 8) == 1
    assert "line 2, column 12: the name `unknown` is unknown" in capsys.readouterr().err
