"""`owner[key]`, read and written, as NumPy does for arrays.

A slice whose bounds depend on the picture gives an array as large as before, moved to the origin,
with its extent beside it (`Window`); a mask gives all elements, with the mask beside them
(`Picked`).
"""

from __future__ import annotations

import weakref
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.sequences import Iterator, Sequences
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    List,
    Number,
    Picked,
    PythonRaises,
    Record,
    Unset,
    ValueProblem,
    Window,
    describe,
    is_traced,
    unset,
)

_IN_USE = "this array is changed while a slice of it is in use"


class Subscripts(Sequences):
    """The part of the evaluator for subscripts."""

    views: weakref.WeakKeyDictionary

    def item(self, owner: Any, key: Any) -> Any:
        """`owner[key]`."""
        if isinstance(owner, Choice):
            return self.over(owner, lambda one: self.item(one, key))
        if isinstance(key, Choice):
            return self.over(key, lambda one: self.item(owner, one))
        if isinstance(owner, Array):
            return self._array_item(owner, key if isinstance(key, tuple) else (key,))
        if isinstance(owner, Dict):
            return self._entry(owner, key)
        if isinstance(owner, tuple | List | str):
            if isinstance(key, slice):
                return self._sliced_list(owner, key)
            if isinstance(owner, str):
                return owner[key]
            return self.listed(owner, key)
        if isinstance(owner, Record):
            return owner.item(self, key)
        if isinstance(owner, Iterator):
            return owner.at(key)
        raise PythonRaises(f"{describe(owner)} cannot be indexed")

    def _entry(self, owner: Dict, key: Any) -> Any:
        held = self.store.get(owner)
        if not isinstance(key, str | int | float | bool | tuple):
            raise ValueProblem(f"{describe(key)} cannot be a key here", "use a constant key")
        if key not in held:
            known = ", ".join(map(repr, held))
            raise PythonRaises(f"the dict has no entry {key!r}", f"its entries: {known}"[:200])
        return self.present(held[key], f"the entry {key!r}")

    def present(self, value: Any, what: str) -> Any:
        """`value`; Python raises on the paths on which it has none."""
        if isinstance(value, Unset):
            raise PythonRaises(f"{what} has no value here", "give it a value first")
        if isinstance(value, Choice) and unset(value):
            self.doubt(f"{what} has no value on some paths")
            kept = []
            for condition, one in zip(value.conditions, value.values, strict=True):
                if isinstance(one, Unset):
                    self.raises(condition, f"{what} has no value")
                else:
                    kept.append((condition, one))
            if len(kept) == 1:
                return kept[0][1]
            return Choice(tuple(c for c, _ in kept), tuple(one for _, one in kept))
        return value

    def _sliced_list(self, owner: Any, key: slice) -> Any:
        parts = (key.start, key.stop, key.step)
        held = self.store.get(owner) if isinstance(owner, List) else owner
        if isinstance(held, tuple | str) and not any(isinstance(p, Number) for p in parts):
            found = held[key]
            return List(found) if isinstance(owner, List) else found
        return self.sliced(owner, key)

    # Arrays

    def _array_item(self, owner: Array, key: tuple) -> Any:
        key = tuple(self._part(one) for one in key)
        if isinstance(owner.ragged, Picked):
            return self._picked_item(owner, key)
        masks = [one for one in key if getattr(one, "dtype", None) == np.bool_ and np.ndim(one)]
        if masks:
            return self._masked(owner, key, masks)
        if self._is_window(owner, key):
            return self._window(owner, key)
        data = self.store.get(owner)
        index = self._checked_index(data, key)
        result = (jnp.asarray(data) if any(map(is_traced, index)) else data)[index]
        if np.ndim(result) == 0:
            return numbers.made(result, False)
        view = all(one is None or isinstance(one, int | slice | type(...)) for one in index)
        found = Array(result, owner.ragged, owner if view else None)
        if view:
            self.views.setdefault(owner, []).append(weakref.ref(found))
        return found

    def _part(self, part: Any) -> Any:
        if isinstance(part, Number):
            return part.data
        if isinstance(part, Array):
            if part.ragged is not None and not isinstance(part.ragged, Window):
                raise ValueProblem("an index made of the elements of a mask", "use the mask")
            return self.store.get(part)
        if isinstance(part, List | tuple):
            return self.stacked(part)
        return part

    def _checked_index(self, data: Any, key: tuple) -> tuple:
        axes = sum(one is not None and one is not Ellipsis for one in key)
        if axes > data.ndim:
            raise PythonRaises(f"too many indices for an array of shape {data.shape}")
        axis, found = 0, []
        for part in key:
            if part is Ellipsis:
                axis += data.ndim - axes
            elif part is not None:
                if not isinstance(part, slice):
                    part = self._position(part, data.shape[axis])
                axis += 1
            found.append(part)
        return tuple(found)

    def _position(self, part: Any, size: int) -> Any:
        kind = np.asarray(part).dtype.kind if not is_traced(part) else np.dtype(part.dtype).kind
        if kind not in "iu":
            message = "an index must be an integer or a truth mask"
            raise PythonRaises(message, "use int(x), x // 2, or a mask such as x > 0")
        if not is_traced(part):
            if np.size(part) and not (-size <= np.min(part) and np.max(part) < size):
                raise PythonRaises(f"index {part} is out of range for {size} elements")
            return part
        if np.dtype(part.dtype) == np.uint8 and np.ndim(part) > 1:
            message = "a mask of 0 and 255 used as an index picks rows 0 and 255"
            raise ValueProblem(message, "write image[mask > 0]")
        part = part.astype(jnp.int32)
        self.raises(jnp.any((part < -size) | (part >= size)), "an index is out of range")
        return part

    def _masked(self, owner: Array, key: tuple, masks: list) -> Array:
        mask, rest = key[0], key[1:]
        if mask is not masks[0] or any(not isinstance(p, int | slice) for p in rest):
            raise ValueProblem("a mask beside other indices", "take the mask alone: image[mask]")
        data = self.store.get(owner)
        if tuple(mask.shape) != tuple(data.shape[: mask.ndim]):
            message = f"a mask of shape {mask.shape} for an array of shape {data.shape}"
            raise PythonRaises(message, "they must have the same height and width")
        member = jnp.asarray(mask)
        if isinstance(owner.ragged, Window):
            member = member & self.inside(owner).reshape(mask.shape)
        rows = jnp.asarray(data).reshape(-1, *data.shape[mask.ndim :])
        if rest:
            rows = rows[(slice(None), *rest)]
        self.work(rows.size)
        return Array(rows, Picked(member.reshape(-1)))

    def _picked_item(self, owner: Array, key: tuple) -> Any:
        data, member = jnp.asarray(self.store.get(owner)), owner.ragged.member
        first: Any = key[0]
        rest = key[1:]
        if isinstance(first, slice) and first == slice(None) or first is Ellipsis:
            part = data[(slice(None), *rest)] if first is not Ellipsis else data[(..., *rest)]
            return Array(part, owner.ragged)
        if isinstance(first, slice):
            raise ValueProblem("a slice of the elements of a mask", "use np.mean, .min() or .max()")
        if is_traced(first) and first.dtype == np.bool_ and first.ndim == 1 and not rest:
            return Array(data, Picked(member & first))
        if getattr(first, "ndim", 0):
            raise ValueProblem("a slice of the elements of a mask", "use np.mean, .min() or .max()")
        count = jnp.sum(member, dtype=jnp.int32)
        place = jnp.asarray(first, jnp.int32)
        self.raises((place < -count) | (place >= count), "an index into too few elements")
        place = jnp.where(place < 0, place + count, place)
        row = jnp.argmax(jnp.cumsum(member) == place + 1)
        found = data[(row, *rest)]
        return self.wrapped(found)

    # Windows

    def _is_window(self, owner: Array, key: tuple) -> bool:
        if isinstance(owner.ragged, Window):
            plain = [one in (slice(None), Ellipsis) for one in key[:2] if not np.ndim(one)]
            return not (key[0] is Ellipsis or len(plain) == len(key[:2]) and all(plain))
        return any(
            isinstance(p, slice) and any(isinstance(x, Number) for x in (p.start, p.stop, p.step))
            for p in key
        )

    def _window(self, owner: Array, key: tuple) -> Any:
        data = jnp.asarray(self.store.get(owner))
        if data.ndim < 2 or any(one is None or one is Ellipsis for one in key[:2]):
            raise ValueProblem("a slice by numbers of the picture of a single axis", "use a mask")
        old = owner.ragged
        sizes = old.parts() if isinstance(old, Window) else [jnp.int32(n) for n in data.shape[:2]]
        extent, single = [], []
        for axis in range(2):
            part = key[axis] if axis < len(key) else slice(None)
            start, stop = self._bounds(part, sizes[axis])
            if not isinstance(part, slice):
                single.append(axis)
            if not (not is_traced(start) and start == 0):
                rows = jnp.clip(jnp.arange(data.shape[axis]) + start, 0, data.shape[axis] - 1)
                data = jnp.take(data, rows, axis=axis)
            extent.append(jnp.maximum(stop - start, 0).astype(jnp.int32))
        self.work(data.size)
        if single:
            return self._line(data, extent, single, key)
        found = Array(data, Window(*extent))
        rest = (slice(None), slice(None), *key[2:])
        return Array(data[rest], found.ragged) if len(key) > 2 else found

    def _line(self, data: Any, extent: list, single: list, key: tuple) -> Any:
        """One row, column or element of a window."""
        if len(single) == 2:
            return self.wrapped(data[(0, 0, *key[2:])])
        axis = single[0]
        line = data[0] if axis == 0 else data[:, 0]
        line = line[(slice(None), *key[2:])]
        return Array(line, Picked(jnp.arange(line.shape[0]) < extent[1 - axis]))

    def _bounds(self, part: Any, size: Any) -> tuple[Any, Any]:
        """First and last + 1 of a slice or an index, within the size of an axis."""
        if not isinstance(part, slice):
            place = jnp.asarray(part, jnp.int32)
            self.raises((place < -size) | (place >= size), "an index is out of range")
            place = jnp.where(place < 0, place + size, place)
            return place, place + 1
        if part.step not in (None, 1):
            raise ValueProblem("a slice with a step and bounds that depend on the picture")
        ends = []
        for bound, default in ((part.start, 0), (part.stop, size)):
            if bound is None:
                ends.append(default)
                continue
            value = numbers.data_of(bound)
            if np.asarray(value).dtype.kind == "f" if not is_traced(value) else (
                np.dtype(value.dtype).kind == "f"):  # fmt: skip
                raise PythonRaises("the bounds of a slice must be integers", "use int(x) or x // 2")
            value = jnp.asarray(value, jnp.int32)
            ends.append(jnp.clip(jnp.where(value < 0, value + size, value), 0, size))
        return ends[0], jnp.maximum(ends[1], ends[0])
