"""What a loop runs through: every item is looked up when its turn comes, as in Python.

`enumerate`, `zip`, `reversed`, `map` and a dict's views do not hold items, they read them from the
lists and dicts behind them, so a loop sees what it has written ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core_jax.reward_models.formal.choices import Copied, content_of
from core_jax.reward_models.formal.values import Holder, ValueProblem


@dataclass(eq=False)
class Lazy(Holder):
    """An iterator: `enumerate`, `zip`, `reversed` or `map`.

    Attributes:
        name: which of them.
        parts: lists, dicts' views, iterators and arrays that it goes through together.
        make: from the items of the parts, in order, to its own.
        backwards: whether it begins at the end.
        used: whether it has been looped over; an iterator gives its items once.
    """

    name: str
    parts: list[list | View | Lazy | Rows]
    make: Callable[..., Any]
    backwards: bool = False
    used: bool = False

    def __post_init__(self) -> None:
        for part in self.parts:
            if isinstance(part, Lazy):
                part.use()
        self.sizes = [size_now(part) for part in self.parts]
        self.count = min(self.sizes, default=0)

    def use(self) -> None:
        """Begin a loop over it.

        Raises:
            ValueProblem: it has been looped over before, and is empty in Python.
        """
        if self.used:
            message = f"this {self.name}(...) has been used up by an earlier loop"
            raise ValueProblem(message, f"make a list of it first: list({self.name}(...))")
        self.used = True

    def held(self) -> list:
        return self.parts

    @property
    def count_now(self) -> int:
        """How many items it gives in all if nothing changes any more.

        Raises:
            ValueProblem: that depends on the state.
        """
        if self.backwards:  # it ends at the first item, wherever the last one is now
            return self.count
        for part, size in zip(self.parts, self.sizes, strict=True):
            if isinstance(part, View):  # Python raises, whether it is longer or shorter now
                _same_size(part.now(), size)
        return min(map(size_now, self.parts), default=0)

    def end(self) -> None:
        """To be called after the last item: a ValueProblem if there are more by now."""
        if self.count_now > self.count:
            raise _changed()

    def at(self, index: int) -> Any:
        """The item whose turn it is."""
        index = self.count - 1 - index if self.backwards else index
        row = []
        for part, size in zip(self.parts, self.sizes, strict=True):
            if isinstance(part, list | View):
                now = part if isinstance(part, list) else part.now()
                longer = self.backwards and content_of(now) is None and len(now) > size
                row.append((now if longer else _same_size(now, size))[index])
            else:
                row.append(part.at(index))
        return self.make(*row)


@dataclass(eq=False)
class Rows(Holder):
    """What iterating over an array gives.

    Attributes:
        cell: a list of the array alone, in which a write puts the new array.
        row: from the array and an index to the item.
    """

    cell: list
    row: Callable[[Any, int], Any]
    name: str = "array"

    def held(self) -> list:
        return [self.cell]

    @property
    def count(self) -> int:
        return len(self.cell[0])

    def at(self, index: int) -> Any:
        """The item whose turn it is."""
        return self.row(self.cell[0], index)


@dataclass(eq=False)
class View(Holder):
    """`owner.keys()`, `.values()` or `.items()`, which show what the dict holds now."""

    owner: dict
    name: str

    def held(self) -> list:
        return [self.owner]

    def now(self) -> list:
        """The items at this time."""
        return list(getattr(self.owner, self.name)())


@dataclass(frozen=True, eq=False)
class Turns:
    """One loop: how many items, and each when its turn comes.

    Attributes:
        count: of items.
        item: from an index to the item; a ValueProblem if what is looped over changed its length.
        held: values that must be told of writes while the loop lasts.
        guard: whether the round of an index takes place: True, or a traced 0-d bool.
        ended: to be called after the last round: a ValueProblem if Python would begin another one,
            since the loop has made longer what it runs through.
    """

    count: int
    item: Callable[[int], Any]
    held: list
    guard: Callable[[int], Any] = lambda index: True
    ended: Callable[[], None] = lambda: None


def turns(value: Any, items_of: Callable[[Any], list]) -> Turns:
    """A loop over `value`; `items_of` gives the items of what nothing can be written into."""
    if isinstance(value, Lazy):
        value.use()
    if isinstance(value, Lazy):
        return Turns(value.count, value.at, [value], ended=value.end)
    if isinstance(value, Rows):
        return Turns(value.count, value.at, [value])
    if isinstance(value, list):
        count = len(value)

        def ended() -> None:
            if size_now(value) > count:
                raise _changed()

        return Turns(count, lambda index: _same_size(value, count)[index], [], ended=ended)
    if isinstance(value, View | dict):
        view = value if isinstance(value, View) else View(value, "keys")
        count = len(view.owner)
        same = lambda: _same_size(view.now(), count)  # a dict that shrinks is Python's error, too
        ended = lambda: (same(), None)[1]
        return Turns(count, lambda index: same()[index], [], ended=ended)
    items = items_of(value)
    return Turns(len(items), items.__getitem__, items)


def _same_size(items: list, size: int) -> list:
    if isinstance(items, Copied):
        items.check()
    if len(items) != size or content_of(items) is not None:
        raise _changed()
    return items


def size_now(part: list | View | Lazy | Rows) -> int:
    """How many items one gives; a ValueProblem if that depends on the state."""
    if isinstance(part, Lazy):
        return part.count_now
    if isinstance(part, Rows):
        return part.count
    owner = part.owner if isinstance(part, View) else part
    if isinstance(owner, Copied):
        owner.check()
    if content_of(owner) is not None:
        raise _changed()
    return len(owner)


def _changed() -> ValueProblem:
    message = "what is looped over changes its length meanwhile"
    return ValueProblem(message, "loop over a copy of it: list(...)")
