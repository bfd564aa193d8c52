"""What VLM-CaR asks, and what it reads in replies."""

import pytest

from core_jax.models.replay import transcript
from core_jax.prompts import vlm_car as prompts
from core_jax.prompts.message import Picture

SIGHT = prompts.Sight(b"start", b"goal", 48, 88, 2)


def test_sub_tasks_are_asked_for_with_both_pictures():
    system, user = prompts.subtask_messages("open the door", SIGHT)
    assert [p for p in user.parts if isinstance(p, Picture)] == [
        Picture(b"start"),
        Picture(b"goal"),
    ]
    text = transcript(user)
    assert "Task: open the door." in text and "2 times larger than the 48 x 88 pixels" in text
    assert text.count("[picture]") == 2 and system.role == "system"


def test_a_program_is_asked_for_in_four_turns_and_again_with_the_strip():
    asked = prompts.subtask_messages("open the door", SIGHT)
    ask = lambda rejected=(): prompts.program_messages(
        asked, "the list", ["find it", "open it"], 1, SIGHT, rejected
    )
    first = ask()
    assert [m.role for m in first] == ["system", "user", "assistant", "user"]
    assert "sub-task 2 of 2: open it" in first[-1].content and "(48, 88, 3)" in first[-1].content
    old = prompts.Rejected("class A:\n    pass", "it misses 3", b"old", "An old one.")
    new = prompts.Rejected("class B:\n    pass", "it fires early", b"new", "A new one.")
    again = ask([old, new])
    text = transcript(again[-1])
    assert text.startswith(first[-1].content)
    assert "class A" in text and "it misses 3" in text and "it fires early" in text
    # The newest strip alone is shown.
    assert [p for p in again[-1].parts if isinstance(p, Picture)] == [Picture(b"new")]
    assert "A new one." in text and "An old one." not in text
    assert len(transcript(ask([old] * 9)[-1]).split("class A")) == 1 + 3


@pytest.mark.parametrize(
    "reply",
    [
        'Fine.\n```json\n["take  it", "open it"]\n```\n',
        '["take it", "open it"]',
        '```\n["take it", "open it"]\n```',
        '```python\nx = [1]\n```\nThe list:\n```json\n["take it", "open it"]\n```',
    ],
)
def test_sub_tasks_are_read(reply):
    assert prompts.read_subtasks(reply) == ("take it", "open it")


@pytest.mark.parametrize(
    "reply",
    ["no list", "[]", "[1, 2]", '["a", ""]', '["a", ["b"]]', "[" + '"x",' * 7 + '"x"]', "]["],
)
def test_what_is_no_list_of_sub_tasks_is_refused(reply):
    with pytest.raises(ValueError, match="no JSON list of 1 to 6 sub-tasks"):
        prompts.read_subtasks(reply)
