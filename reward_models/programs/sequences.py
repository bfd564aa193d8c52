"""What can be looped over: lists, tuples, dicts, arrays, contours, and iterators over these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers, packing, structures
from core_jax.reward_models.programs.comparisons import Comparisons
from core_jax.reward_models.programs.paths import Exit, both, either
from core_jax.reward_models.programs.structures import CAPACITY, Node
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    List,
    Number,
    Picked,
    PythonRaises,
    Record,
    Stack,
    ValueProblem,
    Window,
    describe,
    is_traced,
)

MAX_UNROLLED = 40  # rounds of a loop of known length that are written out one by one
MAX_ROUNDS = 5_000
_FULL = f"a list of more than {CAPACITY} items whose length depends on the picture"


@dataclass(frozen=True, eq=False)
class Iterator:
    """`enumerate`, `zip`, `reversed`, a `range` or a slice of what depends on the picture.

    Attributes:
        size: how many items: an int or a `Number`.
        at: from an index (an int or a `Number`) to the item.
    """

    name: str
    size: Any
    at: Callable[[Any], Any]


class Sequences(Comparisons):
    """The part of the evaluator for `len`, items and loops over values."""

    def size(self, value: Any) -> Any:
        if isinstance(value, Choice):
            return self.over(value, self.size)
        if isinstance(value, tuple | str):
            return len(value)
        if isinstance(value, List):
            held = self.store.get(value)
            return Number(held.length, True) if isinstance(held, Stack) else len(held)
        if isinstance(value, Dict):
            return len(self.store.get(value))
        if isinstance(value, Iterator):
            return value.size
        if isinstance(value, Array):
            return self.shape_of(value)[0]
        if isinstance(value, Record):
            return value.size(self)
        raise PythonRaises(f"{describe(value)} has no len()")

    def shape_of(self, value: Array) -> tuple:
        """`value.shape`: ints, and `Number`s where they depend on the picture."""
        if isinstance(value.ragged, Window):
            window = value.ragged
            sizes = (Number(window.height, True), Number(window.width, True))
            return (*sizes, *value.shape[2:])
        if isinstance(value.ragged, Picked):
            count = jnp.sum(value.ragged.member, dtype=jnp.int32)
            return (Number(count, True), *value.shape[1:])
        return value.shape

    def at_index(self, value: Any, index: Any) -> Any:
        """The item of a loop at an index that is known to be in range."""
        if isinstance(value, Iterator):
            return value.at(index)
        if isinstance(value, Dict):
            return self.at_index(tuple(self.store.get(value)), index)
        if isinstance(value, str):
            value = tuple(value)
        return self.item(value, index)

    def item(self, owner: Any, key: Any) -> Any:
        raise NotImplementedError

    def listed(self, value: Any, index: Any) -> Any:
        """`value[index]` of a list or tuple."""
        held = self.store.get(value) if isinstance(value, List) else value
        if isinstance(held, Stack):
            return self._of_stack(held, index)
        size = len(held)
        if isinstance(index, Number):
            return self._looked_up(held, index)
        if not isinstance(index, int | np.integer):
            raise PythonRaises(f"{describe(index)} cannot be an index")
        if not -size <= index < size:
            raise PythonRaises(f"index {index} is out of range for {size} items")
        return held[index]

    def _of_stack(self, held: Stack, index: Any) -> Any:
        place = jnp.asarray(numbers.data_of(index), jnp.int32)
        outside = (place < -held.length) | (place >= held.length)
        self.raises(outside, "an index is out of range", "test the length first")
        place = jnp.clip(jnp.where(place < 0, place + held.length, place), 0, CAPACITY - 1)
        return packing.build(held.element, iter([leaf[place] for leaf in held.leaves]))

    def _looked_up(self, held: tuple, index: Number) -> Any:
        size = len(held)
        if not size:
            raise PythonRaises("an index into nothing", "test the length first")
        place = index.data.astype(jnp.int32)
        self.raises((place < -size) | (place >= size), f"an index is out of range for {size} items")
        place = jnp.where(place < 0, place + size, place)
        found = held[-1]
        for i in reversed(range(size - 1)):
            found = self.merged(place == i, held[i], found)
        return found

    # Lists that grow

    def append(self, owner: List, value: Any) -> None:
        """`owner.append(value)`."""
        held = self.store.get(owner)
        if isinstance(held, tuple):
            if len(held) >= 1000:
                raise ValueProblem("a list may hold at most 1000 items")
            self.store.set(owner, (*held, value))
            return
        new = structures.stripped(structures.node_of(value, self.store))
        element = structures.stripped(structures.join(held.element, new))
        if not structures.equal(element, held.element):
            node = Node("stack", (), (element,))
            length, *leaves = packing.lift(owner, node, self.store)
            held = Stack(element, tuple(leaves), length)
        self.raises(held.length >= CAPACITY, _FULL, "keep fewer items")
        place = jnp.minimum(held.length, CAPACITY - 1)
        row = packing.lift(value, element, self.store)
        leaves = tuple(leaf.at[place].set(one) for leaf, one in zip(held.leaves, row, strict=True))
        self.store.set(owner, Stack(element, leaves, held.length + 1))

    def each(self, value: Any, do: Callable[[Any], None]) -> Any:
        """Run `do(item)` for each item; whether the loop ends without `break`."""
        if isinstance(value, Choice):
            return self.over(value, lambda one: numbers.made(self.each(one, do), True))
        size = self.size(value)
        if isinstance(size, Number):
            return self.repeat(size.data, lambda index: do(self.at_index(value, index)))
        if size > MAX_ROUNDS:
            message = f"the loop runs {size} times; the limit is {MAX_ROUNDS}"
            raise ValueProblem(message, "use operations on whole arrays: masks, np.sum, np.where")
        if size > MAX_UNROLLED and self._may_trace(value):
            return self.repeat(jnp.int32(size), lambda index: do(self.at_index(value, index)))
        return self._unrolled(value, size, do)

    def _may_trace(self, value: Any) -> bool:
        """Whether items may be looked up by an index that is known only at run time."""
        if isinstance(value, Iterator):
            return value.name == "range"
        return isinstance(value, Array) and value.ragged is None

    def _unrolled(self, value: Any, size: int, do: Callable[[Any], None]) -> Any:
        outer = self.exits
        breaks: list = []
        try:
            for index in range(size):
                if self.live is False:
                    break
                self.exits = {**outer, "break": breaks, "continue": []}
                self.spend(1)
                do(self.at_index(value, index))
                jumps = self.exits["continue"]
                if jumps:
                    self.rejoined([Exit(self.live, self.store), *jumps])
        finally:
            self.exits = outer
        if not breaks:
            return True
        ended: Any = False
        for one in breaks:
            ended = one.live if ended is False else jnp.logical_or(ended, one.live)
        if self.live is False and all(one.live is True for one in breaks):
            self.rejoined(breaks)
            return False
        self.rejoined([Exit(self.live, self.store), *breaks])
        return jnp.logical_not(ended) if is_traced(ended) else not ended

    def collected(self, value: Any) -> tuple:
        """The items of `value`, whose number must be known.

        Raises:
            ValueProblem: it depends on the picture.
        """
        size = self.size(value)
        if isinstance(size, Number):
            message = f"how many items {describe(value)} has depends on the picture"
            raise ValueProblem(message, "loop over it with `for`")
        if size > MAX_ROUNDS:
            raise ValueProblem(f"more than {MAX_ROUNDS} items")
        return tuple(self.at_index(value, index) for index in range(size))

    def list_of(self, value: Any) -> List:
        """`list(value)`."""
        size = self.size(value)
        if not isinstance(size, Number):
            return List(self.collected(value))
        made = List(())
        self.each(value, lambda item: self.append(made, item))
        return made

    def keys_of(self, value: Any, key: Any) -> tuple[Any, Any, Any]:
        """The sort keys of a sequence of unknown length.

        Returns:
            [CAPACITY] keys, [CAPACITY] which of them are there, and the list of the items.
        """
        items = self.list_of(value)
        keys = List(())
        self.each(
            items, lambda item: self.append(keys, item if key is None else self.called(key, item))
        )
        held = self.store.get(keys)
        if not isinstance(held, Stack) or held.element.kind != "number":
            raise ValueProblem("a sort key must be one number", "return the area, or cx")
        there = jnp.arange(CAPACITY) < held.length
        return held.leaves[0], there, items

    def called(self, function: Any, *args: Any) -> Any:
        raise NotImplementedError

    def best(self, value: Any, key: Any, largest: bool, default: tuple = ()) -> Any:
        """`max(value, key=...)` or `min` of a sequence of unknown length."""
        keys, there, items = self.keys_of(value, key)
        worst = -jnp.inf if largest else jnp.inf
        ranked = jnp.where(there, keys.astype(jnp.float32), worst)
        place = jnp.argmax(ranked) if largest else jnp.argmin(ranked)
        none = jnp.logical_not(there[0])
        if not default:
            hint = "test first: `if contours:`"
            self.raises(none, "max() or min() of an empty sequence", hint)
        held = self.store.get(items)
        leaves = iter([leaf[place] for leaf in held.leaves])
        found = packing.build(held.element, leaves)
        return self.merged(none, default[0], found) if default else found

    def ordered(self, value: Any, key: Any, reverse: bool) -> List:
        """`sorted(value, key=..., reverse=...)` of a sequence of unknown length."""
        keys, there, items = self.keys_of(value, key)
        keys = keys.astype(jnp.float32)
        keys = jnp.where(there, -keys if reverse else keys, jnp.inf)
        order = jnp.argsort(keys, stable=True)
        held = self.store.get(items)
        return List(Stack(held.element, tuple(leaf[order] for leaf in held.leaves), held.length))

    def sliced(self, value: Any, key: slice) -> Any:
        """`value[start:stop]` of a list or sequence of unknown length."""
        start, stop = key.start or 0, key.stop
        if key.step not in (None, 1, -1) or isinstance(start, Number) or isinstance(stop, Number):
            raise ValueProblem("this slice of what depends on the picture", "use [:n] or [n:]")
        size = self.size(value)
        size = size.data if isinstance(size, Number) else jnp.int32(size)
        if key.step == -1:
            if key.start is not None or key.stop is not None:
                raise ValueProblem("this slice of what depends on the picture", "use [::-1]")
            turn = lambda index: Number(size - 1 - jnp.asarray(numbers.data_of(index)), True)
            return self.list_of(
                Iterator("slice", Number(size, True), lambda i: self.at_index(value, turn(i)))
            )
        first = jnp.maximum(size + start, 0) if start < 0 else jnp.minimum(start, size)
        last = size if stop is None else size + stop if stop < 0 else jnp.minimum(stop, size)
        count = jnp.maximum(last - first, 0).astype(jnp.int32)
        place = lambda index: Number((first + numbers.data_of(index)).astype(jnp.int32), True)
        return self.list_of(
            Iterator("slice", Number(count, True), lambda i: self.at_index(value, place(i)))
        )

    def merged_truths(self, value: Any, wanted: bool) -> Any:
        """`any(value)` (wanted) or `all(value)`."""
        found = Dict({"truth": not wanted})

        def look(item: Any) -> None:
            old = self.truth(self.store.get(found)["truth"])
            new = self.truth(item)
            joined = either(old, new) if wanted else both(old, new)
            self.store.set(found, {"truth": numbers.made(joined, True)})

        self.each(value, look)
        return self.store.get(found)["truth"]
