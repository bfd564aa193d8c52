"""Subscripts, read and written: NumPy's indexing with the bounds checked at trace time.

JAX clamps an index that is out of range, where NumPy raises; a reward that reads
`observation[20]` of 11 numbers is a mistake, so constant indices are checked here. A write
gives a new array; who else sees it is the matter of `memory.py`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.values import (
    ValueProblem,
    check_items,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
    to_array,
    to_jax,
)


def read(owner: Any, key: Any) -> Any:
    """`owner[key]` of an array, list, tuple, dict or string.

    Raises:
        ValueProblem: out of range, no such key, or an index that is not known at trace time.
    """
    if is_array(owner):
        index = _index(owner, key)
        if any(is_traced(part) and part.dtype == np.bool_ for part in index):
            message = "how many elements this mask picks depends on the state"
            raise ValueProblem(message, "use np.where(mask, x, 0), or multiply by the mask")
        return (to_jax(owner) if holds_traced(index) else owner)[index]
    if isinstance(owner, dict):
        key = _constant(key)
        if key not in owner:
            known = ", ".join(map(repr, owner))
            raise ValueProblem(f"the dict has no entry {key!r}", f"its entries: {known}"[:200])
        return owner[key]
    if isinstance(owner, list | tuple | str):
        if is_traced(key):  # a constant table looked up by a computed position
            table = to_array(owner)
            return to_jax(table)[_index(to_jax(table), key)]
        key = _constant(key)
        if isinstance(key, int) and not -len(owner) <= key < len(owner):
            raise ValueProblem(f"index {key} is out of range for {len(owner)} items")
        return owner[key]
    raise ValueProblem(f"{describe(owner)} cannot be indexed")


def write(owner: Any, key: Any, value: Any) -> Any:
    """The container after `owner[key] = value`: the same list or dict, or a new array."""
    if isinstance(owner, dict):
        owner[_constant(key)] = value
        return check_items(owner)
    if isinstance(owner, list):
        key = _constant(key)
        if not isinstance(key, int) or not -len(owner) <= key < len(owner):
            raise ValueProblem(f"index {key!r} is out of range for {len(owner)} items")
        owner[key] = value
        return check_items(owner)
    if is_array(owner):
        index = _index(owner, key)
        value = to_array(value)
        if not (is_traced(owner) or is_traced(value) or holds_traced(index)):
            array = np.array(owner)
            array[index] = value
            return array
        array = to_jax(owner)
        return array.at[index].set(converted(value, array))
    raise ValueProblem(f"{describe(owner)} cannot be changed in place", "use a list or an array")


def converted(value: Any, owner: Any) -> Any:
    """`value` with the type of the elements of the array it is written into."""
    library = jnp if is_traced(value) or is_traced(owner) else np
    value = to_jax(value) if library is jnp else np.asarray(value)
    return value.astype(owner.dtype if library is np or is_traced(owner) else to_jax(owner).dtype)


def _constant(key: Any) -> Any:
    """A dict key or list index, checked to be constant and hashable or a slice."""
    if isinstance(key, np.ndarray) and key.size == 1:
        key = key.item()
    if isinstance(key, tuple):
        return tuple(_constant(part) for part in key)
    if isinstance(key, slice):
        return _slice(key)
    if not (is_number(key) or isinstance(key, str) or key is None):
        raise ValueProblem(f"{describe(key)} cannot be an index or a key", "use a constant")
    return key


def _slice(key: slice) -> slice:
    for part in (key.start, key.stop, key.step):
        if part is not None and not isinstance(part, int):
            raise ValueProblem("the bounds of a slice must be constant integers")
    return key


def _index(array: Any, key: Any) -> tuple:
    """An index that JAX accepts, every constant part of it within the bounds of `array`."""
    parts = list(key) if isinstance(key, tuple) else [key]
    consumed = sum(_axes(part) for part in parts)
    if consumed > array.ndim:
        raise ValueProblem(f"too many indices for {describe(array)}")
    axis, index = 0, []
    for part in parts:
        if part is Ellipsis:
            axis += array.ndim - consumed
        elif isinstance(part, slice):
            part = _slice(part)
        elif part is not None:
            part = _position(part, array.shape[axis : axis + _axes(part)])
        axis += _axes(part)
        index.append(part)
    return tuple(index)


def _axes(part: Any) -> int:
    """How many axes of an array one part of an index consumes."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if is_array(part) and part.dtype == np.bool_ else 1


def _position(part: Any, sizes: tuple[int, ...]) -> Any:
    if isinstance(part, list):
        part = to_array(part)
    if isinstance(part, bool) or not (isinstance(part, int) or is_array(part)):
        raise ValueProblem(
            f"{describe(part)} cannot be an index", "use a constant integer, slice or np.where"
        )
    if is_array(part):
        if not np.size(part):
            return np.zeros(part.shape, np.int32)
        if part.dtype == np.bool_:
            if part.shape != tuple(sizes):
                raise ValueProblem("the mask and the array have different shapes")
            return part
        if not np.issubdtype(part.dtype, np.integer):
            raise ValueProblem("an index must be an integer", "use int(...) or a constant")
    if not is_traced(part):
        low, high = int(np.min(part)), int(np.max(part))
        if low < -sizes[0] or high >= sizes[0]:
            wrong = high if high >= sizes[0] else low
            raise ValueProblem(
                f"index {wrong} is out of range for {sizes[0]} elements",
                f"the valid indices are 0 to {sizes[0] - 1}",
            )
    return part
