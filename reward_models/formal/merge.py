"""Join the two sides of a condition that is known only at run time.

Both sides are evaluated and joined with `jnp.where`. Whatever exists on one side only, or has
another shape there, becomes `Missing`: an error when used, not before.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.memory import Memory
from core_jax.reward_models.formal.values import (
    Missing,
    containers,
    describe,
    is_array,
    is_number,
    tidy,
    to_jax,
)

_BEFORE = "give it a value of the same kind before the `if`, or in both branches"
_ABSENT = Missing("absent")


def merge(condition: Any, yes: Any, no: Any, memory: Memory, what: str = "this value") -> Any:
    """`yes` where the scalar truth value `condition` holds, else `no`.

    Args:
        condition: traced 0-d bool.
        yes: value of the taken side: a number, array, string, None or container of such.
        no: value of the other side, of the same structure.
        memory: learns where the joined arrays lie.
        what: how to name the value in messages.

    Returns:
        The joined value, with `Missing` in the places where the sides do not fit.
    """
    if yes is no:
        return yes
    for side in (yes, no):
        if isinstance(side, Missing) and side is not _ABSENT:
            return side
    if yes is _ABSENT or no is _ABSENT:
        return Missing(f"{what} is set in only one branch of an `if`", _BEFORE)
    yes_numeric, no_numeric = (is_number(v) or is_array(v) for v in (yes, no))
    if yes_numeric and no_numeric:
        if np.shape(yes) != np.shape(no):
            sides = f"{describe(yes)} and {describe(no)}"
            return Missing(f"{what} differs between the branches of an `if`: {sides}", _BEFORE)
        if is_number(yes) and type(yes) is type(no) and yes == no:
            return yes
        joined = tidy(jnp.where(condition, to_jax(yes), to_jax(no)))
        return memory.joined(condition, joined, yes, no)
    if type(yes) is type(no):
        if isinstance(yes, list | tuple) and len(yes) == len(no):
            pairs = zip(yes, no, strict=True)
            joined = (merge(condition, a, b, memory, f"an item of {what}") for a, b in pairs)
            return type(yes)(joined)
        if isinstance(yes, dict):
            return _merge_dicts(condition, yes, no, memory, what)
        if isinstance(yes, str) and yes == no:
            return yes
    sides = f"{describe(yes)} and {describe(no)}"
    return Missing(f"{what} differs between the branches of an `if`: {sides}", _BEFORE)


def _merge_dicts(condition: Any, yes: dict, no: dict, memory: Memory, what: str) -> dict:
    keys = list(yes) + [key for key in no if key not in yes]
    return {
        key: merge(
            condition,
            yes.get(key, _ABSENT),
            no.get(key, _ABSENT),
            memory,
            f"the entry {key!r} of {what}",
        )
        for key in keys
    }


def merge_names(
    condition: Any, yes: dict[str, Any], no: dict[str, Any], memory: Memory
) -> dict[str, Any]:
    """Join two sets of local names."""
    names = list(yes) + [name for name in no if name not in yes]
    return {
        name: merge(condition, yes.get(name, _ABSENT), no.get(name, _ABSENT), memory, f"`{name}`")
        for name in names
    }


class Snapshot:
    """Contents of all lists and dicts reachable from `roots`, to run two branches from one start.

    Branches change containers in place. Between them `restore` brings the contents back, and
    `merge_into_place` finally writes the joined contents into the very same objects, so that
    aliases (a dict passed to a helper function) stay aliases.
    """

    def __init__(self, roots: list[Any], memory: Memory):
        self._memory = memory
        self._containers = list(containers(roots))
        self._contents = self.contents()

    def contents(self) -> list[list | dict]:
        return [container.copy() for container in self._containers]

    def restore(self, contents: list[list | dict] | None = None) -> None:
        contents = self._contents if contents is None else contents
        for container, content in zip(self._containers, contents, strict=True):
            replace(container, content)

    def merge_into_place(self, condition: Any, yes: list, no: list) -> None:
        for container, before, a, b in zip(self._containers, self._contents, yes, no, strict=True):
            if _same_items(a, b):
                replace(container, a)
            elif isinstance(container, dict):
                replace(container, _merge_dicts(condition, a, b, self._memory, "a dict"))
            elif len(a) == len(b):
                pairs = zip(a, b, strict=True)
                items = [merge(condition, x, y, self._memory, "a list item") for x, y in pairs]
                replace(container, items)
            else:
                reason = "a list grows in only one branch of an `if`"
                replace(container, [*before, Missing(reason, "append in both branches")])


def _same_items(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all(key in b and a[key] is b[key] for key in a)
    return all(x is y for x, y in zip(a, b, strict=True))


def replace(container: list | dict, content: Any) -> None:
    """Give a list or dict other contents, in place."""
    if isinstance(container, dict):
        items = dict(content)
        container.clear()
        container.update(items)
    else:
        container[:] = content


def first_missing(value: Any) -> Missing | None:
    """The first `Missing` in `value`, at any depth."""
    if isinstance(value, Missing):
        return value
    items = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        return next((found for item in items if (found := first_missing(item))), None)
    return None
