"""What a model says about clips, as JSON: its schema, and a reader that forgives the form.

A service that can is bound to the schema; of others a reply in words is read as well: JSON anywhere
in the text, in a fence or not, with trailing commas or Python's quotes, or else lines of
`name: value`. What the reply *says* is not guessed at: a missing choice, a score too many or out of
range make it unreadable.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_BRACES = 50  # of either kind that are looked at: a reply full of them shall not take minutes
_BROKEN = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)  # what parsers raise


class Unreadable(ValueError):
    """A reply that does not say what was asked for."""


class Verdict(NamedTuple):
    """One reply. `choice` is one of the words that were offered, in their spelling."""

    choice: str
    confidence: float
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
    fields = {"reason": {"type": "string", "description": "one sentence"}}
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
    fields = _fields(text, (name, "confidence", "reason", *scores))
    if name not in fields:
        raise Unreadable(f"no {name} in the reply")
    return Verdict(
        _choice(fields[name], name, choices),
        _unit(fields.get("confidence", 1.0), "confidence"),
        str(fields.get("reason", "")).strip(),
        tuple(_scores(fields.get(n), n, count) for n in scores),
    )


def _choice(value: Any, name: str, choices: Sequence[str]) -> str:
    said = str(value).strip().strip("\"'*`.").lower()
    said = re.sub(r"^(the )?(clip|picture|image|option)[\s_]*", "", said)
    known = {c.lower(): c for c in choices}
    if said in known:
        return known[said]
    raise Unreadable(f"{name} is {value!r}, not one of {', '.join(choices)}")


def _scores(value: Any, name: str, count: int) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise Unreadable(f"{name} is not a list of {count} scores")
    return tuple(_unit(x, name) for x in value)


def _unit(value: Any, name: str) -> float:
    text = str(value).strip()
    scale = 100.0 if text.endswith("%") else 1.0
    try:
        number = float(text.removesuffix("%")) / scale
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not 0.0 <= number <= 1.0:
        raise Unreadable(f"{name} has {value!r}, which is no number in [0, 1]")
    return number


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
    for n in names:
        line = rf"^[\s*\-\"']*{re.escape(n)}[\s*\"']*[:=]\s*(.+?)[\s,]*$"
        if hits := re.findall(line, text, re.IGNORECASE | re.MULTILINE):
            found[n] = _literal(hits[-1])
    return found


def _object(text: str) -> dict | None:
    for read in (json.loads, ast.literal_eval):
        for version in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
            try:
                found = read(version)
            except _BROKEN:
                continue
            return found if isinstance(found, dict) else None
    return None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip("* "))
    except _BROKEN:
        return text
