"""A model's judgement of clips, as JSON: its schema, and a reader that is tolerant of the form.

A service that can is bound to the schema; of others a reply in words is read as well: JSON anywhere
in the text, in a fence or not, with trailing commas or Python's quotes, or else lines of
`name: value`. Reasoning is not read. The content is not guessed: a missing choice, a score too many
or out of range make a reply unreadable. Only the confidence may be anything: without a number in
[0, 1] it is unknown.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from core_jax.prompts.thoughts import without_thoughts

_BRACES = 20  # of either kind that are looked at, which bounds the time that a reply can take
_LONGEST = 20_000  # characters of an object that Python's parser is given
_END = 100_000  # characters at a reply's end that are read; a verdict has some hundred
_BROKEN = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)  # what parsers raise


class Unreadable(ValueError):
    """A reply without the fields that were asked for."""


class Verdict(NamedTuple):
    """One reply. `choice` is one of the choices that were offered, in their spelling; `confidence`
    is None where the reply gives none in [0, 1]."""

    choice: str
    confidence: float | None
    reason: str
    scores: tuple[tuple[float, ...], ...] = ()


def verdict_schema(
    title: str, name: str, choices: Sequence[str], scores: Sequence[str] = ()
) -> dict[str, Any]:
    """JSON Schema of a verdict: a reason, lists of scores, a choice, a confidence.

    Args:
        title: of the schema.
        name: of the field that holds the choice.
        choices: what it may be.
        scores: names of fields that are lists of numbers.
    """
    # The choice comes after what it is based on: a model writes in this order.
    fields: dict[str, Any] = {"reason": {"type": "string", "description": "one sentence"}}
    fields |= {n: {"type": "array", "items": {"type": "number"}} for n in scores}
    fields[name] = {"type": "string", "enum": list(choices)}
    fields["confidence"] = {"type": "number", "description": "from 0 to 1"}
    return {
        "title": title,
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def read_verdict(
    text: str, name: str, choices: Sequence[str], scores: Sequence[str] = (), count: int = 0
) -> Verdict:
    """Reads a reply that was asked for by `verdict_schema`.

    Args:
        text: the reply.
        name, choices, scores: as there.
        count: length of each list of scores.

    Raises:
        Unreadable: saying what is missing or wrong.
    """
    fields = _fields(without_thoughts(text).text[-_END:], (name, "confidence", "reason", *scores))
    if name not in fields:
        raise Unreadable(f"no {name} in the reply")
    return Verdict(
        _choice(fields[name], name, choices),
        _confidence(fields.get("confidence")),
        _scalar(fields.get("reason", "")).strip(),
        tuple(_scores(fields.get(n), n, count) for n in scores),
    )


def ending_object(text: str) -> str | None:
    """The JSON object with which a reply ends, None if it does not end with one.

    Of a reply that was cut off nothing else is a verdict: what stands in its middle may be a draft
    that the model went on from.
    """
    text = without_thoughts(text).text[-_END:].rstrip().rstrip("`").rstrip()
    if not text.endswith("}"):
        return None
    starts = [m.start() for m in re.finditer(r"\{", text)][: -_BRACES - 1 : -1]
    return next((text[s:] for s in starts if _object(text[s:]) is not None), None)


def _choice(value: Any, name: str, choices: Sequence[str]) -> str:
    word = _scalar(value)[:100].strip().strip("\"'*`.").lower()
    word = re.sub(r"^(the )?(clip|picture|image|option)[\s_]*", "", word)
    known = {c.lower(): c for c in choices}
    if word in known:
        return known[word]
    raise Unreadable(f"{name} is {_shown(value)}, not one of {', '.join(choices)}")


def _scores(value: Any, name: str, count: int) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise Unreadable(f"{name} is not a list of {count} scores")
    return tuple(_unit(x, name) for x in value)


def _confidence(value: Any) -> float | None:
    try:
        return _unit(value, "confidence")
    except Unreadable:
        return None


def _unit(value: Any, name: str) -> float:
    text = _scalar(value)[:100].strip()
    scale = 100.0 if text.endswith("%") else 1.0
    try:
        number = float(text.removesuffix("%")) / scale
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not 0.0 <= number <= 1.0:
        raise Unreadable(f"{name} has {_shown(value)}, which is no number in [0, 1]")
    return number


def _scalar(value: Any) -> str:
    """A field as text; lists and objects, which may be nested deep, are none."""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _shown(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)[:100]
    return f"a {type(value).__name__}"


def _fields(text: str, names: Sequence[str]) -> dict[str, Any]:
    """The last JSON object in a text that has one of the names, or its `name: value` lines."""
    ends = [m.end() for m in re.finditer(r"\}", text)]
    for start in [m.start() for m in re.finditer(r"\{", text)][: -_BRACES - 1 : -1]:
        for end in [e for e in ends if e > start][:_BRACES]:
            found = _object(text[start:end])
            if found is not None:
                lower = {str(k).strip().lower(): v for k, v in found.items()}
                if any(n in lower for n in names):
                    return lower
                break
    found = {}
    for line in text.splitlines():
        for n in names:
            begins = re.match(rf"[\s*\-\"']*{re.escape(n)}[\s*\"']*[:=]", line, re.IGNORECASE)
            if begins and (value := line[begins.end() :].strip(" \t,")):
                found[n] = _literal(value)
    return found


def _object(text: str) -> dict | None:
    for read in (json.loads, ast.literal_eval):
        if read is not json.loads and len(text) > _LONGEST:
            return None
        for version in (text, re.sub(r",(\s{0,100}[}\]])", r"\1", text)):
            try:
                found = read(version)
            except _BROKEN:
                continue
            return found if isinstance(found, dict) else None
    return None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text[:_LONGEST].strip("* "))
    except _BROKEN:
        return text
