"""Join the sides of a condition that is known only at run time.

All sides are evaluated and joined with `jnp.where`. Lists and dicts made on both sides become one
whose size may depend on the state; what does not fit otherwise becomes a `Choice` (`choices.py`).
A name that exists on one side only becomes `Missing`: an error when it is used, not before.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import (
    MAX_OPTIONS,
    Choice,
    Kept,
    Varied,
    content_of,
    negation,
)
from core_jax.reward_models.formal.conversions import tidy, to_jax
from core_jax.reward_models.formal.memory import Memory
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Missing,
    Record,
    Unset,
    ValueProblem,
    containers,
    is_array,
    is_number,
)

_BEFORE = "give it a value of the same kind before the `if`, or in both branches"
_ABSENT = Missing("absent")


class Merger:
    """Joins what two sides of one condition made.

    Args:
        condition: traced 0-d bool.
        memory: learns where the joined arrays lie.
        old: ids of the lists and dicts that were there before the sides ran; these are the same
            object on both sides and are joined in place, so a reference to one stays one.
    """

    def __init__(self, condition: Any, memory: Memory, old: set[int]):
        self.condition, self.memory, self.old = condition, memory, old
        self._made: dict[tuple[int, int], Any] = {}
        self._partners: dict[int, int] = {}
        self._alive: list = []  # so that ids stay

    def merge(self, yes: Any, no: Any, what: str = "this value") -> Any:
        """`yes` where the condition holds, else `no`."""
        if yes is no:
            return yes
        for side in (yes, no):
            if isinstance(side, Missing) and side is not _ABSENT and not isinstance(side, Unset):
                return side
        unset = Unset(f"{what} is set in only one branch of an `if`", _BEFORE)
        yes, no = (unset if side is _ABSENT else side for side in (yes, no))
        if isinstance(yes, Unset) and isinstance(no, Unset):
            return yes
        if self._fit(yes, no):
            return self._joined(yes, no, what)
        return self._choice(yes, no, what)

    def _fit(self, yes: Any, no: Any) -> bool:
        """Whether the two can be joined to one value of the same structure."""
        if isinstance(yes, Unset):
            return isinstance(no, Unset)
        if _numeric(yes) and _numeric(no):
            return np.shape(yes) == np.shape(no) and not self.memory.kinds.differ(yes, no)
        if type(yes) is not type(no):
            return False
        if isinstance(yes, str):
            return yes == no
        if isinstance(yes, tuple):
            return len(yes) == len(no) and all(map(self._fit_or_same, yes, no))
        if isinstance(yes, Record):
            return True
        if isinstance(yes, list | dict):
            return id(yes) not in self.old and id(no) not in self.old
        return False

    def _fit_or_same(self, yes: Any, no: Any) -> bool:
        return yes is no or self._fit(yes, no)

    def _joined(self, yes: Any, no: Any, what: str) -> Any:
        if isinstance(yes, str | Unset):
            return yes
        if isinstance(yes, tuple):
            pairs = zip(yes, no, strict=True)
            return tuple(self.merge(a, b, f"an item of {what}") for a, b in pairs)
        if isinstance(yes, Record):
            return yes.made(self._joined(yes.parts(), no.parts(), what))
        if isinstance(yes, list | dict):
            return self._container(yes, no, what)
        if is_number(yes) and type(yes) is type(no) and yes == no:
            return yes
        joined = tidy(jnp.where(self.condition, to_jax(yes), to_jax(no)))
        return self.memory.joined(self.condition, joined, yes, no)

    def _container(self, yes: Any, no: Any, what: str) -> Any:
        pair = id(yes), id(no)
        if pair in self._made:
            return self._made[pair]
        if any(self._partners.get(one, other) != other for one, other in (pair, pair[::-1])):
            message = f"{what} is the same object as another one on one path only"
            return Missing(message, "make a copy of it: list(...) or dict(...)")
        self._partners |= {pair[0]: pair[1], pair[1]: pair[0]}
        self._alive += [yes, no]
        made: Any = type(yes)()
        self._made[pair] = made
        replace(made, self.contents(yes, no, what))
        return made

    def contents(self, yes: Any, no: Any, what: str) -> Any:
        """The joined contents of two lists or of two dicts."""
        if isinstance(yes, dict):
            return self._entries(yes, no, what)
        a, b = content_of(yes), content_of(no)
        if a is None and b is None and len(yes) == len(no):
            pairs = zip(yes, no, strict=True)
            return [self.merge(x, y, f"an item of {what}") for x, y in pairs]
        a = a if isinstance(a, Varied) else Varied(jnp.int32(len(yes)), list(yes), len(yes))
        b = b if isinstance(b, Varied) else Varied(jnp.int32(len(no)), list(no), len(no))
        items = [
            self.merge(a.items[i], b.items[i], f"an item of {what}")
            if i < min(len(a.items), len(b.items))
            else (a if len(a.items) > i else b).items[i]
            for i in range(max(len(a.items), len(b.items)))
        ]
        if len(items) > MAX_ITEMS:
            raise ValueProblem(f"a container may hold at most {MAX_ITEMS} items")
        length = jnp.where(self.condition, a.length, b.length)
        return [Varied(length, items, min(a.least, b.least))]

    def _entries(self, yes: dict, no: dict, what: str) -> dict:
        a, b = (content_of(side) for side in (yes, no))
        a = a if isinstance(a, Kept) else Kept(yes, dict.fromkeys(yes, True))
        b = b if isinstance(b, Kept) else Kept(no, dict.fromkeys(no, True))
        order, ordered = _one_order(list(a.values), list(b.values))
        values, present = {}, {}
        for key in order:
            x, y = a.values.get(key, _ABSENT), b.values.get(key, _ABSENT)
            what_entry = f"the entry {key!r} of {what}"
            if x is not _ABSENT and y is not _ABSENT:
                values[key] = self.merge(x, y, what_entry)
            else:
                values[key] = y if x is _ABSENT else x
            present[key] = self._truth(a.present.get(key, False), b.present.get(key, False))
        return Kept(values, present, ordered and a.ordered and b.ordered).content()

    def _truth(self, yes: Any, no: Any) -> Any:
        if yes is no:
            return yes
        if yes is True and no is False:
            return self.condition
        if yes is False and no is True:
            return negation(self.condition)
        return jnp.where(self.condition, yes, no)

    def _choice(self, yes: Any, no: Any, what: str) -> Any:
        here = self.condition
        sides = [(jnp.logical_and(here, c), v) for c, v in _options(yes)]
        other = jnp.logical_not(here)
        sides += [(jnp.logical_and(other, c), v) for c, v in _options(no)]
        conditions, values = [], []
        for condition, value in sides:
            for i, known in enumerate(values):
                if known is value or self._fit(known, value):
                    if known is not value:
                        one = Merger(condition, self.memory, self.old)
                        one._made, one._partners = self._made, self._partners
                        one._alive = self._alive
                        values[i] = one.merge(value, known, what)
                    conditions[i] = jnp.logical_or(conditions[i], condition)
                    break
            else:
                conditions.append(condition)
                values.append(value)
        if len(values) > MAX_OPTIONS:
            message = f"{what} has one of {len(values)} structures, depending on the state"
            raise ValueProblem(message, "give it values of the same kind on every path")
        return values[0] if len(values) == 1 else Choice(conditions, values)

    def names(self, yes: dict[str, Any], no: dict[str, Any]) -> dict[str, Any]:
        """Join two sets of local names."""
        names = list(yes) + [name for name in no if name not in yes]
        return {
            name: self.merge(yes.get(name, _ABSENT), no.get(name, _ABSENT), f"`{name}`")
            for name in names
        }


def _numeric(value: Any) -> bool:
    return is_number(value) or is_array(value)


def _options(value: Any) -> list[tuple[Any, Any]]:
    return value.options() if isinstance(value, Choice) else [(True, value)]


def _one_order(a: list, b: list) -> tuple[list, bool]:
    """An order of all keys that keeps those of both lists, and whether there is one."""
    if a == b:
        return a, True
    common_a = [key for key in a if key in set(b)]
    if common_a != [key for key in b if key in set(a)]:
        return a + [key for key in b if key not in set(a)], False
    merged, rest = [], list(b)
    for key in a:
        if key in rest:
            at = rest.index(key)
            merged += rest[:at]
            del rest[: at + 1]
        merged.append(key)
    return merged + rest, True


class Snapshot:
    """Contents of all lists and dicts reachable from `roots`, to run branches from one start.

    Branches change containers in place. Between them `restore` brings the contents back, and
    `merge_into_place` finally writes the joined contents into the very same objects, so that
    aliases (a dict passed to a helper function) stay aliases.
    """

    def __init__(self, roots: list[Any], names: list[dict]):
        self._names = {id(one) for one in names}
        self._containers = list(containers(roots))
        self.old = {id(one) for one in self._containers}
        self._contents = self.contents()

    def contents(self) -> list[list | dict]:
        return [container.copy() for container in self._containers]

    def restore(self, contents: list[list | dict] | None = None) -> None:
        contents = self._contents if contents is None else contents
        for container, content in zip(self._containers, contents, strict=True):
            replace(container, content)

    def merged(self, merger: Merger, yes: list, no: list) -> list:
        """The joined contents of all containers."""
        found = []
        for container, a, b in zip(self._containers, yes, no, strict=True):
            if same_items(a, b):
                found.append(a)
            elif id(container) in self._names:
                found.append(merger.names(a, b))
            else:
                what = "a dict" if isinstance(container, dict) else "a list"
                found.append(merger.contents(a, b, what))
        return found


def same_items(a: Any, b: Any) -> bool:
    """Whether two lists, or two dicts, hold the very same objects in one order."""
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return all(k == other and x is y for (k, x), (other, y) in pairs)
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
