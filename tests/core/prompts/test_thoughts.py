"""Reasoning inside replies: removed, and never taken for the answer."""

import json
import time

import pytest

from core_jax.prompts import rl_vlm_f
from core_jax.prompts.thoughts import without_thoughts
from core_jax.prompts.verdict import Unreadable, read_verdict


@pytest.mark.parametrize(
    ("reply", "text", "unfinished"),
    [
        ("an answer", "an answer", False),
        ("  two\n lines ", "  two\n lines ", False),
        ("<think>draft</think>\nanswer", "answer", False),
        ("<THINK>draft</Think>answer", "answer", False),
        ("<thinking>a</thinking>answer<think>b</think> end", "answer end", False),
        ("draft</think>answer", "answer", False),
        ("<think>a <think>b</think> c</think>answer", "answer", False),
        ("<think>a</think>b</think>answer", "answer", False),
        ("<think>draft", "", True),
        ("Sure. <think>draft", "Sure.", True),
        ("<think>a</think>answer<think>b", "answer", True),
        ("[THINK]draft[/THINK]answer", "answer", False),
        ("\u25c1think\u25b7draft\u25c1/think\u25b7answer", "answer", False),
        ("<|begin_of_thought|>a<|end_of_thought|>answer", "answer", False),
        (
            "<|channel|>analysis<|message|>draft<|end|><|start|>assistant"
            "<|channel|>final<|message|>answer<|return|>",
            "answer",
            False,
        ),
        ("<|channel|>final <|constrain|>json", "<|channel|>final <|constrain|>json", False),
        ("<|channel|>analysis<|message|>draft", "", True),
        ("<|channel|>commentary to=x<|message|>draft<|end|>", "", True),
        ("x < think > 3", "x < think > 3", False),
    ],
)
def test_the_answer_of_a_reply(reply, text, unfinished):
    assert without_thoughts(reply) == (text, unfinished)


@pytest.mark.parametrize(
    "reply",
    ["<think>" * 20_000, "<think></think>" * 20_000, "<|channel|>" * 20_000, "a" * 300_000,
     "<|channel|>" + "a" * 300_000],
)  # fmt: skip
def test_long_replies_take_no_time(reply):
    began = time.monotonic()
    without_thoughts(reply)
    assert time.monotonic() - began < 5


def verdict(choice, **more):
    return json.dumps({"choice": choice, "reason": "r", "confidence": 0.5, **more})


def test_a_verdict_is_not_read_from_a_thought():
    found = rl_vlm_f.read(f"<think>{verdict('1')}</think>{verdict('2')}", unsure=True)
    assert found.choice == "2"
    found = rl_vlm_f.read(f"<think>{verdict('1')}</think> choice: 2", unsure=True)
    assert found.choice == "2"
    for unfinished in ("<think>", "<thinking>", "<|channel|>analysis<|message|>"):
        with pytest.raises(Unreadable, match="no choice"):
            rl_vlm_f.read(unfinished + verdict("1"), unsure=True)


@pytest.mark.parametrize(
    "confidence", [None, 90, "high", -1, float("nan"), True, [0.5], {}, "", 10**400, "9" * 5_000]
)
def test_only_the_confidence_may_be_anything(confidence):
    found = read_verdict(verdict("A", confidence=confidence), "choice", ("A", "B"))
    assert found == ("A", None, "r", ())


def test_deep_and_long_replies_are_read_in_time():
    began = time.monotonic()
    for reply in (
        "[" * 200_000,
        '{"choice":' * 100_000,
        "choice: " + ", " * 200_000 + "x",
        "\n" * 200_000,
        "choice" + " " * 200_000,
        "{" * 1000 + "," * 100_000 + "}" * 1000,
        verdict([[[1]]]),
        verdict("A" * 100_000),
        '{"choice": "A", "reason": ' + "[" * 900 + "]" * 900 + "}",
    ):
        try:
            assert read_verdict(reply, "choice", ("A", "B")).choice == "A"
        except Unreadable as error:
            assert len(str(error)) < 300
    assert time.monotonic() - began < 10
