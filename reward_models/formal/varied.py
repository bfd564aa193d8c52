"""Lists and dicts whose size depends on the state: what Python's operations on them give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.branching import Branching
from core_jax.reward_models.formal.choices import (
    MAX_OPTIONS,
    Kept,
    Varied,
    conjunction,
    content_of,
    options,
)
from core_jax.reward_models.formal.indexing import constant
from core_jax.reward_models.formal.iterables import View
from core_jax.reward_models.formal.merge import Merger, replace
from core_jax.reward_models.formal.values import PythonRaises, ValueProblem, containers

_SET_BEFORE = "set it before the `if`, or in both branches; or ask for it with `.get(key, 0.0)`"


def kept_of(value: dict) -> Kept:
    """The contents of a dict, with what is there on every path marked so."""
    content = content_of(value)
    return content if isinstance(content, Kept) else Kept(dict(value), dict.fromkeys(value, True))


class Containers(Branching):
    """The part of the evaluator that knows lists and dicts whose size depends on the state."""

    held: list[list]

    def items(self, value: Any) -> list:
        raise NotImplementedError

    def holding(self, values: list) -> Any:
        raise NotImplementedError

    def merged(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, else `no`; both may be there already."""
        old = {id(one) for one in containers([*self.roots(), [yes, no]])}
        return Merger(condition, self.memory, old).merge(yes, no)

    def size(self, value: Any) -> Any:
        """`len` of a list, dict, view or choice whose size depends on the state."""
        owner = value.owner if isinstance(value, View) else value
        content = content_of(owner)
        assert isinstance(content, Varied | Kept)
        found = self.memory.kinds.as_python(content.length)
        most = len(content.items if isinstance(content, Varied) else content.values)
        self.memory.bounds[id(found)] = (found, most)
        return found

    def counted(self, start: int, stop: Any, step: int) -> list:
        """`range(start, stop, step)` to the length of a list whose length depends on the state.

        Raises:
            ValueProblem: how large `stop` may be is not known.
        """
        _, most = self.memory.bounds.get(id(stop), (stop, None))
        if (
            most is None
            or most > MAX_OPTIONS
            or not isinstance(start, int)
            or not (isinstance(step, int) and step >= 1)
        ):
            message = "range() needs constants, not values of the observation or action"
            raise ValueProblem(message, "loop over a constant range and use np.where inside")
        items = list(range(start, most, step))
        length = jnp.maximum((stop - start + step - 1) // step, 0).astype(jnp.int32)
        return [Varied(length, items, 0)]

    # Lists

    def append(self, owner: list, item: Any) -> None:
        """`owner.append(item)`, where the length of `owner` depends on the state."""
        content = content_of(owner)
        assert isinstance(content, Varied)
        items = list(content.items)
        for index in range(content.least, len(items)):
            here = content.has_length(index)
            items[index] = items[index] if items[index] is item else self.merged(
                here, item, items[index]
            )  # fmt: skip
        items.append(item)
        self.spend(5 * len(items))
        owner[:] = [Varied(content.length + 1, items, content.least + 1)]

    def collected(self, pairs: list[tuple[Any, Any]]) -> list:
        """A list of the items whose truth (True or traced) holds, in order."""
        made: list = []
        for there, item in pairs:
            if there is True and content_of(made) is None:
                made.append(item)
                continue
            if content_of(made) is None:
                made[:] = [Varied(jnp.int32(len(made)), list(made), len(made))]
            content = content_of(made)
            assert isinstance(content, Varied)
            items = list(content.items)
            for index in range(content.least, len(items)):
                if items[index] is not item:
                    here = conjunction(there, content.has_length(index))
                    items[index] = self.merged(here, item, items[index])
            items.append(item)
            self.spend(5 * len(items))
            certain = there is True
            length = content.length + (1 if certain else there.astype(jnp.int32))
            made[:] = [Varied(length, items, content.least + certain)]
        return made

    def in_place(self, owner: list | dict, function: Callable[[], Any]) -> Any:
        """`function()`, which may change `owner`, for each content that `owner` may have."""
        sides = []
        for condition, content in options(owner):

            def side(content: Any = content) -> Any:
                replace(owner, content if isinstance(content, dict) else list(content))
                return function()

            sides.append((condition, side))
        self.spend(20 * len(sides))
        with self.holding([owner]):
            return self._run(sides, lambda m, a, b: m.merge(a, b), False, True)

    def list_item(self, owner: list, index: int) -> Any:
        """`owner[index]` for a constant index that is not negative."""
        content = content_of(owner)
        assert isinstance(content, Varied)
        if index >= len(content.items):
            raise PythonRaises(f"index {index} is out of range for {len(content.items)} items")
        if index >= content.least:
            message = f"index {index} is out of range: the list is shorter on some path"
            self.raises(content.length <= index, message, "test its length first: `if len(v) > 0:`")
        return content.items[index]

    def set_list_item(self, owner: list, index: int, value: Any) -> None:
        """`owner[index] = value` for a constant index that is not negative."""
        self.list_item(owner, index)
        content = content_of(owner)
        assert isinstance(content, Varied)
        items = list(content.items)
        items[index] = value
        owner[:] = [Varied(content.length, items, content.least)]

    # Dicts

    def has_entry(self, owner: dict, key: Any) -> Any:
        """`key in owner`: a bool or traced 0-d bool."""
        there = kept_of(owner).present.get(key, False)
        return there if isinstance(there, bool) else self.memory.kinds.as_python(there)

    def entry(self, owner: dict, key: Any) -> Any:
        """`owner[key]`."""
        content = kept_of(owner)
        if key not in content.values:
            known = ", ".join(map(repr, content.values))
            raise PythonRaises(f"the dict has no entry {key!r}", f"its entries: {known}"[:200])
        there = content.present[key]
        if there is not True:
            message = f"the entry {key!r} is set in only one branch of an `if`"
            self.raises(jnp.logical_not(there), message, _SET_BEFORE)
        return content.values[key]

    def set_entry(self, owner: dict, key: Any, value: Any) -> None:
        """`owner[key] = value`."""
        content = kept_of(owner)
        values, present = dict(content.values), dict(content.present)
        ordered = content.ordered
        if present.get(key, True) is not True and key != next(reversed(values)):
            ordered = False  # on the path where it is new it comes last
        values[key], present[key] = value, True
        replace(owner, Kept(values, present, ordered).content())

    def drop_entry(self, owner: dict, key: Any) -> None:
        """`del owner[key]`, which is there."""
        content = kept_of(owner)
        values, present = dict(content.values), dict(content.present)
        del values[key], present[key]
        replace(owner, Kept(values, present, content.ordered).content())

    def update(self, owner: dict, other: dict) -> None:
        """`owner.update(other)`."""
        new = kept_of(other)
        for key, value in list(new.values.items()):
            there = new.present[key]
            if there is True:
                self.set_entry(owner, key, value)
                continue
            content = kept_of(owner)
            values, present = dict(content.values), dict(content.present)
            ordered = content.ordered and new.ordered
            if key in values:
                ordered &= present[key] is True or key == next(reversed(values))
                values[key] = self.merged(there, value, values[key])
                if present[key] is not True:
                    present[key] = jnp.logical_or(present[key], there)
            else:
                values[key], present[key] = value, there
            replace(owner, Kept(values, present, ordered).content())

    def dict_method(self, owner: dict, name: str, args: tuple, kwargs: dict) -> Any:
        """A method of a dict that has, or gets, entries that depend on the state."""
        if name in ("values", "items", "keys", "copy", "clear") and (args or kwargs):
            raise PythonRaises(f"dict.{name}() takes no arguments")
        if name in ("values", "items", "keys"):
            return View(owner, name)
        if name == "copy":
            return dict(owner)
        if name == "clear":
            return owner.clear()
        if name == "update":
            for other in (*args, kwargs):
                self.update(owner, other)
            return None
        key, *default = args
        key = constant(key)
        content = kept_of(owner)
        there = content.present.get(key, False)
        if name == "get":
            default = default[0] if default else None
            if there is True or there is False:
                return content.values[key] if there else default
            return self.merged(there, content.values[key], default)
        if name == "pop":
            if there is False:
                if default:
                    return default[0]
                return self.entry(owner, key)
            found = self.merged(there, content.values[key], default[0]) if default and (
                there is not True) else self.entry(owner, key)  # fmt: skip
            self.drop_entry(owner, key)
            return found
        if name == "setdefault":
            value = default[0] if default else None
            if there is not True:
                kept = self.merged(there, content.values[key], value) if there is not False else (
                    value)  # fmt: skip
                self.set_entry(owner, key, kept)
            return kept_of(owner).values[key]
        raise ValueProblem(f".{name}() of a dict whose entries depend on the state")
