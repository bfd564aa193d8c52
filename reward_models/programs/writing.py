"""`owner[key] = value`: writing into arrays, lists and dicts in place."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.subscripts import Subscripts
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    List,
    Number,
    PythonRaises,
    ValueProblem,
    describe,
    is_traced,
)

_IN_USE = "this array is changed while a slice of it is in use"


class Writing(Subscripts):
    """The part of the evaluator that changes values in place."""

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        """`owner[key] = value`."""
        if isinstance(owner, Choice):
            self.over(owner, lambda one: self.set_item(one, key, value))
        elif isinstance(owner, Dict):
            if not isinstance(key, str | int | float | bool | tuple):
                raise ValueProblem(f"{describe(key)} cannot be a key here", "use a constant key")
            held = dict(self.store.get(owner))
            held[key] = value
            self.store.set(owner, held)
        elif isinstance(owner, List):
            self._set_listed(owner, key, value)
        elif isinstance(owner, Array):
            self.write(owner, self._written(owner, key, value))
        else:
            raise PythonRaises(f"{describe(owner)} cannot be changed in place")

    def _set_listed(self, owner: List, key: Any, value: Any) -> None:
        held = self.store.get(owner)
        if not isinstance(held, tuple):
            raise ValueProblem("an item of a list whose length depends on the picture is set")
        if isinstance(key, Number):
            place = jnp.where(key.data < 0, key.data + len(held), key.data)
            outside = (place < 0) | (place >= len(held))
            self.raises(outside, f"an index is out of range for {len(held)} items")
            new = [self.merged(place == i, value, one) for i, one in enumerate(held)]
            return self.store.set(owner, tuple(new))
        if not isinstance(key, int) or not -len(held) <= key < len(held):
            raise PythonRaises(f"index {key!r} is out of range for {len(held)} items")
        items = list(held)
        items[key] = value
        return self.store.set(owner, tuple(items))

    def write(self, owner: Array, data: Any) -> None:
        """Give an array other elements, in place.

        Raises:
            ValueProblem: other arrays share its memory.
        """
        if owner.base is not None or any(ref() is not None for ref in self.views.get(owner, ())):
            raise ValueProblem(_IN_USE, "make a copy first: x = x.copy()")
        self.store.set(owner, data)

    def _written(self, owner: Array, key: Any, value: Any) -> Any:
        if owner.ragged is not None:
            raise ValueProblem("what depends on the picture in size cannot be written into")
        data = self.store.get(owner)
        parts = tuple(self._part(one) for one in (key if isinstance(key, tuple) else (key,)))
        if isinstance(value, Array) and value.ragged is not None:
            raise ValueProblem("a value whose size depends on the picture is written")
        new = self._converted(value, data)
        masks = [one for one in parts if getattr(one, "dtype", None) == np.bool_ and np.ndim(one)]
        if masks:
            return self._written_masked(data, parts, new)
        if self._is_window(owner, parts):
            return self._written_window(data, parts, new)
        index = self._checked_index(data, parts)
        if any(is_traced(x) for x in (data, new, *index)):
            return jnp.asarray(data).at[index].set(new)
        copy = np.array(data)
        copy[index] = new
        return copy

    def _converted(self, value: Any, data: Any) -> Any:
        new, dtype = self.data(value), np.dtype(data.dtype)
        if type(new) is int and dtype.kind in "ui":
            found = np.iinfo(dtype)
            if not found.min <= new <= found.max:
                raise PythonRaises(f"{new} is out of bounds for {dtype}")
        if is_traced(new):
            return numbers.cast(new, dtype)
        with np.errstate(all="ignore"):
            new = np.asarray(new).astype(dtype)
        return jnp.asarray(new, numbers.narrow(dtype)) if is_traced(data) else new

    def _written_masked(self, data: Any, parts: tuple, new: Any) -> Any:
        mask, rest = parts[0], parts[1:]
        if rest or tuple(mask.shape) != tuple(data.shape[: mask.ndim]):
            raise ValueProblem("this mask cannot be written through", "write image[mask] = value")
        if np.ndim(new) > data.ndim - mask.ndim:
            raise ValueProblem("a list of values is written through a mask", "write one value")
        mask = jnp.asarray(mask).reshape(*mask.shape, *(1,) * (data.ndim - mask.ndim))
        return jnp.where(mask, new, data)

    def _written_window(self, data: Any, parts: tuple, new: Any) -> Any:
        if np.ndim(new) > max(data.ndim - 2, 0) or any(p is None or p is Ellipsis for p in parts):
            message = "an array is written into a slice whose bounds depend on the picture"
            raise ValueProblem(message, "write one value, or use np.where")
        mask = jnp.asarray(True)
        for axis, part in enumerate(parts):
            if part == slice(None) if isinstance(part, slice) else False:
                continue
            size = jnp.int32(data.shape[axis])
            start, stop = self._bounds(part, size)
            places = jnp.arange(data.shape[axis])
            inside = (places >= start) & (places < stop)
            mask = mask & inside.reshape(-1, *(1,) * (data.ndim - axis - 1))
        return jnp.where(mask, new, jnp.asarray(data))
