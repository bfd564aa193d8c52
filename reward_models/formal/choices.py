"""Values whose structure depends on the state: one of several values, and lists and dicts whose
size is only known at run time.

A traced condition picks between values. Numbers and arrays of one shape are joined with
`jnp.where`; what cannot be joined (two strings, a number and None, arrays of two shapes, two lists
that other names refer to as well) becomes a `Choice`, which keeps every value together with the
condition under which it is the one. A list that grows on one path only holds a single `Varied` (its
traced length and all items that it may have), a dict that gains or loses an entry a single `Kept`
(for each entry whether it is present). Operations on them are evaluated for each possible value and
the results are joined again (`Evaluator.over`), so they give what Python gives on every state.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.formal.values import Holder, ValueProblem, is_traced

MAX_OPTIONS = 64


class Choice(Holder):
    """One of several values; of the traced 0-d `conditions` exactly one holds."""

    name = "choice"

    def __init__(self, conditions: list[jax.Array], values: list):
        self.conditions, self.values = list(conditions), list(values)

    def held(self) -> list:
        return [self.values]

    def options(self) -> list[tuple[jax.Array, Any]]:
        """Each condition with its value."""
        return list(zip(self.conditions, self.values, strict=True))


class Masked(Choice):
    """`array[mask]`: the first `count` rows of `rows`, which are those of the mask, in order.

    Attributes:
        array: [N, ...] array that the mask picks from.
        mask: [N] traced bool.
        count: traced 0-d int32, how many it picks.
    """

    def __init__(self, array: jax.Array, mask: jax.Array):
        self.array, self.mask = array, mask
        self.count = jnp.sum(mask.astype(jnp.int32))
        self._options: list | None = None

    def held(self) -> list:
        return [self.values] if self._options is not None else []

    def _made(self) -> list:
        if self._options is None:
            size = len(self.mask)
            if size >= MAX_OPTIONS:
                message = f"a mask over {size} elements picks a number that depends on the state"
                raise ValueProblem(message, "use np.where(mask, x, 0), or multiply by the mask")
            rows = self.array[jnp.argsort(jnp.logical_not(self.mask), stable=True)]
            self._options = [(self.count == k, rows[:k]) for k in range(size + 1)]
        return self._options

    @property
    def conditions(self) -> list:  # type: ignore[override]
        return [condition for condition, _ in self._made()]

    @property
    def values(self) -> list:  # type: ignore[override]
        return [value for _, value in self._made()]

    def options(self) -> list[tuple[jax.Array, Any]]:
        return list(self._made())


class Varied(Holder):
    """The contents of a list whose length depends on the state.

    Attributes:
        length: traced 0-d int32.
        items: all items that it may have; those from `length` on are not in it.
        least: a number that the length is never below.
    """

    name = "list"

    def __init__(self, length: Any, items: list, least: int = 0):
        self.length, self.items, self.least = length, items, least
        self._is: dict[int, Any] = {}

    def held(self) -> list:
        return [self.items]

    def has_length(self, size: int) -> Any:
        """Whether the list has this length: traced 0-d bool."""
        if size not in self._is:
            self._is[size] = self.length == size
        return self._is[size]


class _Mark:
    def __repr__(self) -> str:
        return "entries that depend on the state"


MARK = _Mark()


class Kept(Holder):
    """The contents of a dict whose entries depend on the state.

    Attributes:
        values: all entries that it may have.
        present: for each key whether it is there: True, or a traced 0-d bool.
        ordered: whether the entries that are there come in this order on every path.
    """

    name = "dict"

    def __init__(self, values: dict, present: dict[Any, Any], ordered: bool = True):
        self.values, self.present, self.ordered = values, present, ordered

    def held(self) -> list:
        return [self.values]

    @property
    def length(self) -> Any:
        """How many entries there are: traced 0-d int32."""
        certain = sum(there is True for there in self.present.values())
        counted = [p.astype(jnp.int32) for p in self.present.values() if p is not True]
        return sum(counted, jnp.int32(certain))

    def content(self) -> dict:
        """What the dict object holds: the entries themselves where all are there, else this."""
        if self.ordered and all(there is True for there in self.present.values()):
            return dict(self.values)
        return {MARK: self}

    def in_order(self) -> Kept:
        """Itself.

        Raises:
            ValueProblem: the order of the entries differs between the paths.
        """
        if not self.ordered:
            message = "the order of this dict's entries depends on the state"
            raise ValueProblem(message, "set its entries in the same order on every path")
        return self


class Copied(list):
    """The items of a list for one of its lengths; tells if the list has changed since."""

    def __init__(self, items: list, owner: list):
        super().__init__(items)
        self.owner, self.content = owner, owner[0]

    def check(self) -> None:
        if len(self.owner) != 1 or self.owner[0] is not self.content:
            message = "what is looped over changes meanwhile"
            raise ValueProblem(message, "loop over a copy of it: list(...)")


def content_of(value: Any) -> Varied | Kept | None:
    """What a list or dict whose size depends on the state holds; None of any other value."""
    if isinstance(value, list):
        found = value[0] if len(value) == 1 else None
        return found if isinstance(found, Varied) else None
    if isinstance(value, dict):
        return value.get(MARK) if len(value) == 1 else None
    return None


def depends(value: Any) -> bool:
    """Whether the structure of `value` itself depends on the state."""
    if isinstance(value, Choice):
        return True
    owner = getattr(value, "owner", None) if isinstance(value, Holder) else value
    return content_of(owner) is not None


def first_dependent(values: Any, depth: int = 8) -> Any:
    """The first value in nested tuples, lists and dicts whose structure depends on the state."""
    if depends(values):
        return values
    if isinstance(values, list | tuple | dict) and depth:
        for item in values.values() if isinstance(values, dict) else values:
            found = first_dependent(item, depth - 1)
            if found is not None:
                return found
    return None


def replaced(values: Any, old: Any, new: Any) -> Any:
    """Nested tuples, lists and dicts with `new` in the place of `old`."""
    if values is old:
        return new
    if isinstance(values, tuple | list):
        items = [replaced(item, old, new) for item in values]
        same = all(a is b for a, b in zip(items, values, strict=True))
        return values if same else (tuple if isinstance(values, tuple) else list)(items)
    if isinstance(values, dict):
        items = {key: replaced(item, old, new) for key, item in values.items()}
        same = all(items[key] is values[key] for key in values)
        return values if same else items
    return values


def options(value: Any) -> list[tuple[Any, Any]]:
    """The values that a value may have, each with its traced condition.

    Raises:
        ValueProblem: too many.
    """
    if isinstance(value, Choice):
        found = value.options()
    else:
        content = content_of(value)
        if isinstance(content, Varied):
            sizes = range(content.least, len(content.items) + 1)
            found = [(content.has_length(k), Copied(content.items[:k], value)) for k in sizes]
        elif isinstance(content, Kept):
            found = _subsets(content.in_order())
        else:
            raise AssertionError("no options")
    if len(found) > MAX_OPTIONS:
        message = f"this value has one of {len(found)} structures, depending on the state"
        raise ValueProblem(message, "use arrays of a fixed size, np.where and np.sum")
    return found


def _subsets(content: Kept) -> list[tuple[Any, dict]]:
    open_keys = [key for key, there in content.present.items() if there is not True]
    if 2 ** len(open_keys) > MAX_OPTIONS:
        message = f"whether {len(open_keys)} entries of a dict are there depends on the state"
        raise ValueProblem(message, "set every entry on every path, to 0.0 where it does not apply")
    found = []
    for chosen in product((True, False), repeat=len(open_keys)):
        there = dict(zip(open_keys, chosen, strict=True))
        truths = [content.present[k] if is_there else jnp.logical_not(content.present[k])
                  for k, is_there in there.items()]  # fmt: skip
        condition = truths[0] if truths else jnp.asarray(True)
        for truth in truths[1:]:
            condition = jnp.logical_and(condition, truth)
        values = {key: v for key, v in content.values.items() if there.get(key, True)}
        found.append((condition, values))
    return found


def conjunction(a: Any, b: Any) -> Any:
    """`a and b` of truths that may be traced."""
    if a is True:
        return b
    if b is True:
        return a
    return jnp.logical_and(a, b) if is_traced(a) or is_traced(b) else a and b


def negation(a: Any) -> Any:
    """`not a` of a truth that may be traced."""
    return jnp.logical_not(a) if is_traced(a) else not a
