"""Text made of numbers and other text: `text % values`."""

from __future__ import annotations

import re
from typing import Any

from core_jax.reward_models.formal.values import ValueProblem, is_number

_PERCENT = re.compile(r"%(0?\d?\d?(?:\.\d)?[disfeg]|%)")


def percent(text: str, values: Any) -> str:
    """`text % values`; a number of the state is shown as "...".

    Raises:
        ValueProblem: another format than %d, %s, %f, %e or %g with a small width.
    """
    values = values if isinstance(values, tuple) else (values,)
    places = [place for place in _PERCENT.findall(text) if place != "%"]
    if "%" in _PERCENT.sub("", text) or len(places) != len(values):
        raise ValueProblem("this text cannot be formatted", "use an f-string, or a fixed name")
    shown = [str(v) if isinstance(v, str) else v if is_number(v) else "..." for v in values]
    strings = ("%s" if isinstance(v, str) else f"%{p}" for v, p in zip(shown, places, strict=True))
    forms = iter(strings)
    form = _PERCENT.sub(lambda place: "%%" if place[1] == "%" else next(forms), text)
    return form % tuple(shown)
