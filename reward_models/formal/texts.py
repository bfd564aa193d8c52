"""Texts made of constants; of numbers of the state they are a `Text`, which is not known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from core_jax.reward_models.formal.values import (
    PythonRaises,
    Text,
    ValueProblem,
    holds_traced,
    is_number,
)

_PERCENT = re.compile(r"%(0?\d?\d?(?:\.\d)?[disfeg]|%)")


def joined_text(parts: tuple) -> str | Text:
    """The parts of an f-string as one text."""
    if any(isinstance(part, Text) for part in parts):
        return Text()
    return "".join(str(part) for part in parts)


def formatted(value: Any, form: Any, conversion: int = -1) -> str | Text:
    """`format(value, form)` of a string, number or None.

    Raises:
        ValueProblem: a format that is not for such a value, or too wide.
    """
    if holds_traced(value) or isinstance(value, Text | np.ndarray) or isinstance(form, Text):
        return Text()
    if isinstance(value, np.floating) and conversion in (ord("r"), ord("a")):
        return Text()  # whether it was a number of Python or of NumPy, they look different
    if not (is_number(value) or isinstance(value, str) or value is None):
        return Text()
    if any(int(width) > 99 for width in re.findall(r"\d+", form)):
        raise ValueProblem("this text is too wide", "use a width below 100")
    value = float(value) if isinstance(value, np.floating) else value
    value = repr(value) if conversion in (ord("r"), ord("a")) else value
    try:
        return format(str(value) if conversion == ord("s") or value is None else value, form)
    except ValueError as error:
        raise ValueProblem(f"this text cannot be formatted: {error}", "use `:.2f`") from None


def percent(text: str, values: Any) -> str | Text:
    """`text % values`.

    Raises:
        ValueProblem: another format than %d, %s, %f, %e or %g with a small width.
    """
    values = values if isinstance(values, tuple) else (values,)
    places = [place for place in _PERCENT.findall(text) if place != "%"]
    if "%" in _PERCENT.sub("", text) or len(places) != len(values):
        raise ValueProblem("this text cannot be formatted", "use an f-string, or a fixed name")
    if not all(isinstance(v, str) or is_number(v) for v in values):
        return Text()
    return text % values


_FIELD = re.compile(r"\{(\d*|[A-Za-z_]\w*)(?::([^{}]*))?\}")


def braces(text: str, args: tuple, kwargs: dict) -> str | Text:
    """`text.format(*args, **kwargs)` with plain fields.

    Raises:
        ValueProblem: a field that is more than a name or number with a format.
    """
    rest = _FIELD.sub("", text.replace("{{", "").replace("}}", ""))
    if "{" in rest or "}" in rest:
        raise ValueProblem("this text cannot be formatted", "use an f-string")
    count, parts, end, opaque = 0, [], 0, False
    marked = text.replace("{{", "\0\0").replace("}}", "\1\1")
    for field in _FIELD.finditer(marked):
        name = field[1]
        if not name:
            name, count = str(count), count + 1
        known = kwargs.get(name) if not name.isdigit() else (
            args[int(name)] if int(name) < len(args) else None)  # fmt: skip
        if name not in kwargs and not (name.isdigit() and int(name) < len(args)):
            raise PythonRaises(f"this text has no value for {{{name}}}", "give one for each field")
        shown = formatted(known, field[2] or "")
        opaque |= isinstance(shown, Text)
        parts += [marked[end : field.start()], str(shown)]
        end = field.end()
    made = "".join([*parts, marked[end:]])
    return Text() if opaque else made.replace("\0\0", "{").replace("\1\1", "}")
