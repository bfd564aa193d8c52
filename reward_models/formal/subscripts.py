"""Subscripts of every kind of value, read, written and deleted."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import indexing
from core_jax.reward_models.formal.arithmetic import Arithmetic
from core_jax.reward_models.formal.choices import (
    Choice,
    Masked,
    content_of,
    depends,
    first_dependent,
    replaced,
)
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.iterables import Lazy
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.numpy_wide import Gather
from core_jax.reward_models.formal.values import (
    PythonRaises,
    ValueProblem,
    check_items,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
)

_BOUNDS = "limit it first: min(max(i, 0), n - 1)"


class Subscripts(Arithmetic):
    """The part of the evaluator for `owner[key]`."""

    def may_change(self, owner: Any) -> None:
        raise NotImplementedError

    def write(self, owner: Any, new: Any) -> None:
        raise NotImplementedError

    def item(self, owner: Any, key: Any) -> Any:
        """`owner[key]`."""
        if isinstance(owner, Choice):
            return self.over(owner, lambda one: self.item(one, key), pure=True)
        found = _dependent_key(key)
        if found is not None:
            chosen = lambda one: self.item(owner, _with(key, found, one))
            return self.over(found, chosen, pure=True)
        if is_array(owner):
            return self._array_item(owner, key)
        if isinstance(owner, Gather):
            return owner.item(key)
        if isinstance(owner, dict):
            if is_traced(key):
                return self._looked_up(owner, key)
            return self.entry(owner, indexing.constant(key))
        if is_traced(key) and isinstance(owner, list | tuple | str):
            return self._traced_item(owner, key)
        if content_of(owner) is not None:
            index = indexing.constant(key)
            if isinstance(index, int) and index >= 0:
                return self.list_item(owner, index)
            return self.over(owner, lambda one: indexing.read(list(one), index), pure=True)
        return indexing.read(owner, key)

    def _array_item(self, owner: Any, key: Any) -> Any:
        masked = indexing.mask_of(owner, key)
        if masked is not None:
            array, mask = masked
            return Masked(to_jax(array), mask)
        self._note_bounds(owner, key)
        result = indexing.read(owner, key)
        if not holds_traced(key):
            return self.memory.viewed(owner, result, lambda places: places[key])
        return result

    def _note_bounds(self, owner: Any, key: Any) -> None:
        """Python raises where a computed index is out of range; JAX takes the nearest."""
        for part, size in indexing.traced_parts(owner, key):
            outside = jnp.any((part < -size) | (part >= size))
            self.raises(outside, f"an index is out of range for {size} elements", _BOUNDS)

    def as_index(self, key: Any) -> Any:
        """A traced number as an index of a list: whole, or a truth value of Python.

        Raises:
            PythonRaises: it is neither.
        """
        hint = "use int(...) or a constant"
        if key.ndim or jnp.issubdtype(key.dtype, jnp.floating):
            raise PythonRaises(f"an index must be an integer, not {describe(key)}", hint)
        if key.dtype != np.bool_:
            return key
        python = known(self.memory.kinds.python(key))
        message = "a truth value of NumPy cannot be an index of a list or tuple"
        if python is False:
            raise PythonRaises(message, hint)
        if python is not True:
            self.raises(jnp.logical_not(python), message, hint)
        return key.astype(jnp.int32)

    def _traced_item(self, owner: list | tuple | str, key: Any) -> Any:
        if content_of(owner) is not None:
            return self.over(owner, lambda one: self._traced_item(list(one), key), pure=True)
        if not owner:
            raise PythonRaises("an index into nothing", "test its length first")
        key, size = self.as_index(key), len(owner)
        outside = (key < -size) | (key >= size)
        self.raises(outside, f"an index is out of range for {size} items", _BOUNDS)
        if all(is_number(entry) for entry in owner):
            table = to_jax(to_array(owner))
            python = self.memory.kinds.as_python
            return python(table[key])
        place = jnp.where(key < 0, key + size, key)
        result = owner[-1]
        for index in reversed(range(size - 1)):
            result = self.merged(place == index, owner[index], result)
        self.spend(4 * size)
        return result

    def _looked_up(self, owner: dict, key: Any) -> Any:
        """`owner[key]` for a number that depends on the state."""
        found = [name for name in owner if is_number(name)]
        if content_of(owner) is not None or not found or np.ndim(key):
            message = "a dict cannot be looked up by this value, which depends on the state"
            raise ValueProblem(message, "use if/elif for the cases")
        known = jnp.asarray(False)
        result = owner[found[-1]]
        for name in reversed(found):
            known = jnp.logical_or(known, key == name)
            result = self.merged(key == name, owner[name], result)
        self.spend(4 * len(found))
        message = f"the dict has no entry for some values of this key: {', '.join(map(str, found))}"
        self.raises(jnp.logical_not(known), message, "use .get(key, default)")
        return result

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        """`owner[key] = value`."""
        if isinstance(owner, Choice):
            self.over(owner, lambda one: self.set_item(one, key, value))
            return
        found = _dependent_key(key)
        if found is not None:
            self.over(found, lambda one: self.set_item(owner, _with(key, found, one), value))
            return
        if is_array(owner):
            self._set_array_item(owner, key, value)
            return
        self.may_change(owner)
        if isinstance(owner, dict):
            self.set_entry(owner, indexing.constant(key), value)
            check_items(owner)
        elif isinstance(owner, list) and is_traced(key):
            self._set_traced_item(owner, key, value)
        elif content_of(owner) is not None:
            index = indexing.constant(key)
            if isinstance(index, int) and index >= 0:
                self.set_list_item(owner, index, value)
            else:
                self.in_place(owner, lambda: indexing.write(owner, index, value))
        elif isinstance(owner, list) and isinstance(key, slice):
            if depends(value):
                self.over(value, lambda one: self.set_item(owner, key, one))
            else:
                owner[indexing.constant(key)] = self.items(value)
        else:
            indexing.write(owner, key, value)

    def _set_array_item(self, owner: Any, key: Any, value: Any) -> None:
        masked = indexing.mask_of(owner, key)
        if masked is not None and isinstance(value, Masked) and value.mask is masked[1]:
            array = jnp.reshape(value.array, (-1,)) if masked[1].ndim > 1 else value.array
            self.write(owner, indexing.write_aligned(owner, key, array))
            return
        found = first_dependent(value)
        if found is not None:
            self.over(
                found, lambda one: self._set_array_item(owner, key, replaced(value, found, one))
            )
            return
        self._check_whole(owner, value)
        if masked is not None:
            new, wrong = indexing.write_masked(owner, key, value)
            self.raises(wrong, "the mask picks another number of elements than are assigned")
            self.write(owner, new)
            return
        self._note_bounds(owner, key)
        self.write(owner, indexing.write(owner, key, value))

    def _check_whole(self, owner: Any, value: Any) -> None:
        """NumPy raises where a number that is not finite is written into whole numbers."""
        if (
            np.dtype(owner.dtype).kind in "iu"
            and not np.ndim(value)
            and (is_number(value) or is_array(value))
        ):
            fails = jnp.logical_not(jnp.isfinite(value)) if is_traced(value) else not np.isfinite(
                value)  # fmt: skip
            message = "an array of integers cannot take NaN or infinity"
            self.raises(fails, message, "make an array of floats: np.array(..., float)")

    def _set_traced_item(self, owner: list, key: Any, value: Any) -> None:
        if content_of(owner) is not None:
            self.in_place(owner, lambda: self._set_traced_item(owner, key, value))
            return
        size = len(owner)
        outside = (key < -size) | (key >= size)
        self.raises(outside, f"an index is out of range for {size} items", _BOUNDS)
        place = jnp.where(key < 0, key + size, key)
        for index in range(size):
            owner[index] = self.merged(place == index, value, owner[index])
        self.spend(4 * size)

    def delete_item(self, owner: Any, key: Any) -> None:
        """`del owner[key]`."""
        if depends(key) or holds_traced(key):
            raise ValueProblem("`del` needs a constant key or index here")
        self.may_change(owner)
        key = indexing.constant(key)
        if isinstance(owner, dict):
            self.entry(owner, key)
            self.drop_entry(owner, key)
        elif content_of(owner) is not None:
            self.in_place(owner, lambda: self.delete_item(owner, key))
        elif isinstance(owner, list):
            if isinstance(key, int) and not -len(owner) <= key < len(owner):
                raise PythonRaises(f"index {key} is out of range for {len(owner)} items")
            del owner[key]
        else:
            raise ValueProblem(f"{describe(owner)} cannot be changed by `del`")

    def extended(self, values: list, item: Any) -> None:
        """`values.append(item)`."""
        if content_of(values) is None:
            values.append(item)
        else:
            self.append(values, item)

    def extend(self, owner: list, more: Any) -> None:
        """`owner.extend(more)`."""
        if isinstance(more, Lazy):  # each item is made when the ones before it are in the list
            more.use()
            for index in range(more.count):
                self.extended(owner, more.at(index))
            more.end()
            check_items(owner)
            return
        if depends(more):
            turns = self.guarded(self.rows(more))
            sure = []
            for index in range(turns.count):
                sure.append((turns.guard(index), turns.item(index)))
            new = self.collected(sure)
            if content_of(new) is None:
                owner.extend(new)
            elif not owner:
                owner[:] = new
            else:
                joined = self.over(new, lambda items: [*owner, *items], True) if (
                    content_of(owner) is None) else self.lifted(
                    lambda a, b: [*a, *b], owner, new)  # fmt: skip
                owner[:] = joined
            return
        for item in self.items(more):
            if content_of(owner) is None:
                owner.append(item)
            else:
                self.append(owner, item)
        check_items(owner)


def _dependent_key(key: Any) -> Any:
    """The first part of a key whose structure depends on the state."""
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        bounds = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
        for bound in bounds:
            if depends(bound):
                return bound
            if isinstance(bound, list) and (found := first_dependent(bound)) is not None:
                return found
    return None


def _with(key: Any, old: Any, new: Any) -> Any:
    if isinstance(key, slice):
        return slice(*(new if p is old else p for p in (key.start, key.stop, key.step)))
    if isinstance(key, tuple):
        return tuple(_with(part, old, new) for part in key)
    return replaced(key, old, new)
