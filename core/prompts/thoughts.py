"""Reasoning that a model writes into its reply, before or between what it answers.

Services that know a model's format return its reasoning apart from the reply; others leave it in:
`<think>...</think>` (DeepSeek, Qwen), without the opening tag if the prompt's template writes that,
channels (gpt-oss), and some more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = r"think|thinking|thought|thoughts|reasoning|seed:think"
_OPEN = re.compile(
    rf"<(?:{_NAMES})>|\[think\]|<\|begin_of_thought\|>|\u25c1think\u25b7", re.IGNORECASE
)
_CLOSE = re.compile(
    rf"</(?:{_NAMES})>|\[/think\]|<\|end_of_thought\|>|\u25c1/think\u25b7", re.IGNORECASE
)
_CHANNEL = re.compile(r"<\|channel\|>([^<]{0,100})<\|message\|>")
_END = re.compile(r"<\|(?:end|return|start|call)\|>")


class Spoken(NamedTuple):
    """A reply without its reasoning."""

    text: str
    unfinished: bool  # the reply ends inside its reasoning


def without_thoughts(reply: str) -> Spoken:
    """The part of a reply that is meant as its answer.

    Reasoning is removed up to its closing tag, whatever stands in it; a closing tag without an
    opening one closes all before it. Reasoning that is never closed has no end: what follows its
    opening tag is no answer.
    """
    if _CHANNEL.search(reply):
        return _final_channel(reply)
    pieces, start, unfinished = [], 0, False
    while opening := _OPEN.search(reply, start):
        pieces.append(reply[start : opening.start()])
        closing = _CLOSE.search(reply, opening.end())
        if closing is None:
            unfinished = True
            break
        start = closing.end()
    if not unfinished:
        pieces.append(reply[start:])
    text = "".join(pieces)
    answer = _after_orphan(text)
    return Spoken(answer if answer == reply else answer.strip(), unfinished)


def _after_orphan(text: str) -> str:
    closing = list(_CLOSE.finditer(text))
    return text[closing[-1].end() :] if closing else text


def _final_channel(reply: str) -> Spoken:
    """The last message of the channel `final`; without one, what is in no channel."""
    channels = list(_CHANNEL.finditer(reply))
    finals = [c for c in channels if c[1].lower().split()[:1] == ["final"]]
    if finals:
        text = reply[finals[-1].end() :]
        end = _END.search(text)
        return Spoken((text[: end.start()] if end else text).strip(), False)
    return Spoken(reply[: channels[0].start()].strip(), True)
