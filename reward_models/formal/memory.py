"""NumPy's views: which arrays share memory, so that a write into one shows in the others.

JAX's arrays are values, NumPy's are memory: after `v = a[:2]` a write into `v` changes `a`. Here
every array that may be written knows the positions of its elements in the memory it came from,
and a write gives the new elements to every array of that memory that the program can still reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.kinds import Kinds
from core_jax.reward_models.formal.values import (
    BoundMethod,
    Function,
    Holder,
    Missing,
    Namespace,
    ValueProblem,
    containers,
    is_array,
    is_traced,
)

_MAYBE = "this array may or may not share its memory with another one that is in use"
_READ_ONLY = "this array is read-only, as NumPy's broadcasts and diagonals are"
_COPY = "write into a copy: `name = name.copy()` first"


@dataclass(frozen=True, eq=False)
class _Place:
    """Where an array lies.

    Attributes:
        array: the array; held, as the table is keyed by its identity.
        cells: the pieces of memory it may lie in; one, unless a traced condition chose.
        positions: of its elements in that piece; None if only known at run time. These are true
            NumPy views of one another, so NumPy itself tells which operations copy.
    """

    array: Any
    cells: frozenset[int]
    positions: np.ndarray | None


class Memory:
    """The places of the arrays of one run, and the kinds of its numbers."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self.bounds: dict[int, tuple[Any, int]] = {}  # of whole numbers, how large they can be
        self._places: dict[int, _Place] = {}
        self._cells = 0

    def _place(self, array: Any) -> _Place:
        if id(array) not in self._places:
            self._new(array, np.arange(array.size).reshape(array.shape))
        return self._places[id(array)]

    def _new(self, array: Any, positions: np.ndarray) -> Any:
        """`array`, which lies in memory of its own."""
        self._cells += 1
        return self._set(array, frozenset({self._cells}), positions).array

    def _set(self, array: Any, cells: frozenset[int], positions: np.ndarray | None) -> _Place:
        self._places[id(array)] = place = _Place(array, cells, positions)
        return place

    def writable(self, array: Any) -> bool:
        """Whether NumPy lets an array be written, as it does not its broadcasts and diagonals."""
        positions = self._place(array).positions if is_array(array) else None
        return positions is None or bool(positions.flags.writeable)

    def viewed(self, base: Any, result: Any, operation: Callable[[np.ndarray], Any]) -> Any:
        """`result`, made of `base` by an operation that in NumPy gives a view or a copy."""
        if is_array(result) and result.ndim and not (is_array(base) and base.ndim):
            positions = operation(np.zeros(np.shape(to_array(base)), int))
            return result if positions.flags.writeable else self._new(result, positions)
        if not (is_array(base) and is_array(result) and base.ndim and result.ndim):
            return result
        place = self._place(base)
        if place.positions is None:
            return result if result is base else self._set(result, place.cells, None).array
        positions = operation(place.positions)
        if not np.may_share_memory(positions, place.positions):
            return fresh(result, (base,))
        if result is not base:
            self._set(result, place.cells, positions)
        return result

    def perhaps_viewed(self, base: Any, result: Any) -> Any:
        """`result`, which may share memory with all of `base` or be a copy of it."""
        if is_array(base) and is_array(result) and base.ndim:
            result = fresh(result, (base,))
            self._set(result, self._place(base).cells, None)
        return result

    def joined(self, condition: Any, result: Any, yes: Any, no: Any) -> Any:
        """`result`, which is `yes` or `no` by a traced condition."""
        if not (is_array(yes) and is_array(no) and yes.ndim and no.ndim):
            known = [self._bound(side) for side in (yes, no)]
            joined = self.kinds.chosen(lambda: condition, result, yes, no)
            if None not in known:
                self.bounds[id(joined)] = (joined, max(known))  # type: ignore[type-var]
            return joined
        first, second = self._place(yes), self._place(no)
        same = False
        if first.positions is not None and second.positions is not None:
            same = np.array_equal(first.positions, second.positions)
        cells = first.cells | second.cells
        positions = first.positions if same and first.cells == second.cells else None
        return self._set(result, cells, positions).array

    def _bound(self, value: Any) -> int | None:
        if isinstance(value, int):
            return abs(value)
        return self.bounds.get(id(value), (value, None))[1]

    def reaches(self, owner: Any, names: dict[str, Any]) -> bool:
        """Whether an array of `names`, or of the containers in it, shares memory with `owner`."""
        cells = self._place(owner).cells
        for container in containers([names]):
            for value in container.values() if isinstance(container, dict) else container:
                for item in value if isinstance(value, tuple) else (value,):
                    found = self._places.get(id(item))
                    if found is not None and found.cells & cells:
                        return True
        return False

    def write(self, owner: Any, new: Any, roots: Iterable[dict | list]) -> int:
        """Put `new` in the place of `owner` in all that `roots` reach, and in its views.

        Returns:
            What this cost, in operations.

        Raises:
            ValueProblem: NumPy does not let this array be written, or which arrays share its memory
                is only known at run time.
        """
        place, seen, updated = self._place(owner), set(), []
        if place.positions is not None and not place.positions.flags.writeable:
            raise ValueProblem(_READ_ONLY, _COPY)
        self._set(new, place.cells, place.positions)

        def replaced(value: Any) -> Any:
            if value is owner:
                return new
            if is_array(value):
                other = self._places.get(id(value))
                if other is None or value is new or not other.cells & place.cells:
                    return value
                if place.positions is None:
                    raise ValueProblem(_MAYBE, _COPY)
                if other.positions is None:
                    return Missing(_MAYBE + " and was written", _COPY)
                updated.append(value)
                return self._updated(value, other, new, place.positions)
            if isinstance(value, tuple):
                items = tuple(replaced(item) for item in value)
                changed = any(a is not b for a, b in zip(items, value, strict=True))
                return items if changed else value
            if isinstance(value, BoundMethod):
                moved = replaced(value.owner)
                return value if moved is value.owner else BoundMethod(moved, value.name)
            if isinstance(value, Holder):
                for part in value.held():
                    replaced(part)
            if isinstance(value, Namespace | Function):
                replaced(value.names if isinstance(value, Namespace) else value.defaults)
            if isinstance(value, dict | list) and id(value) not in seen:
                seen.add(id(value))
                for key in list(value) if isinstance(value, dict) else range(len(value)):
                    value[key] = replaced(value[key])
            return value

        cost = 60
        for root in roots:
            replaced(root)
            cost += len(root) // 20
        return cost + 20 * len(updated)

    def _updated(self, value: Any, place: _Place, new: Any, written: np.ndarray) -> Any:
        assert place.positions is not None
        known, mine = written.ravel(), place.positions.ravel()
        hit = np.isin(mine, known)
        if not hit.any():
            return value
        order = np.argsort(known)
        source = order[np.minimum(np.searchsorted(known[order], mine), known.size - 1)]
        library = jnp if is_traced(new) or is_traced(value) else np
        value = to_jax(value) if library is jnp else value
        moved = library.asarray(new).ravel()[source].reshape(value.shape)
        updated = library.where(hit.reshape(value.shape), moved, value).astype(value.dtype)
        return self._set(updated, place.cells, place.positions).array


def fresh(result: Any, arguments: Iterable[Any]) -> Any:
    """`result`, copied if it is one of the arguments themselves, where NumPy makes a new array."""
    if is_array(result) and any(result is argument for argument in arguments):
        return jnp.array(result, copy=True) if is_traced(result) else np.array(result)
    return result
