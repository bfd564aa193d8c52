"""Subscripts, read and written: NumPy's indexing with the bounds checked at trace time.

JAX clamps an index that is out of range, where NumPy raises; a reward that reads
`observation[20]` of 11 numbers is a mistake, so constant indices are checked here. A write
gives a new array; who else sees it is the matter of `memory.py`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
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


def read(owner: Any, key: Any) -> Any:
    """`owner[key]` of an array, list, tuple, dict or string.

    Raises:
        ValueProblem: out of range, no such key, or an index that is not known at trace time.
    """
    if is_array(owner):
        index = _index(owner, key)
        if any(is_traced(part) and part.dtype == np.bool_ for part in index):
            message = "how many elements this mask picks depends on the state"
            raise ValueProblem(message, "use one mask alone, as in x[mask]")
        return (to_jax(owner) if holds_traced(index) else owner)[index]
    if isinstance(owner, dict):
        key = constant(key)
        if key not in owner:
            known = ", ".join(map(repr, owner))
            raise PythonRaises(f"the dict has no entry {key!r}", f"its entries: {known}"[:200])
        return owner[key]
    if isinstance(owner, list | tuple | str):
        if is_traced(key):  # a constant table looked up by a computed position
            table = to_array(owner)
            return to_jax(table)[_index(to_jax(table), key)]
        key = constant(key)
        if isinstance(key, bool):  # Python's is an index, NumPy's is none
            raise ValueProblem("a constant truth value cannot be an index", "use int(...)")
        if isinstance(key, int) and not -len(owner) <= key < len(owner):
            raise PythonRaises(f"index {key} is out of range for {len(owner)} items")
        return owner[key]
    if is_number(owner) or owner is None:
        raise PythonRaises(f"{describe(owner)} cannot be indexed")
    raise ValueProblem(f"{describe(owner)} cannot be indexed")


def write(owner: Any, key: Any, value: Any) -> Any:
    """The container after `owner[key] = value`: the same list or dict, or a new array."""
    if isinstance(owner, dict):
        owner[constant(key)] = value
        return check_items(owner)
    if isinstance(owner, list):
        key = constant(key)
        if not isinstance(key, int) or not -len(owner) <= key < len(owner):
            raise PythonRaises(f"index {key!r} is out of range for {len(owner)} items")
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


def mask_of(owner: Any, key: Any) -> tuple[Any, Any] | None:
    """What a traced mask picks from, along its first axis, and the mask as [N]; None without one.

    Raises:
        ValueProblem: a mask of another shape than the array, or beside other than constants.
    """
    parts: tuple[Any, ...] = key if isinstance(key, tuple) and key else (key,)
    first, rest = parts[0], parts[1:]
    if not (is_traced(first) and first.dtype == np.bool_ and first.ndim):
        return None
    if first.shape != owner.shape[: first.ndim]:
        raise PythonRaises(f"the mask has shape {first.shape}, the array {owner.shape}")
    if rest and (first.ndim > 1 or holds_traced(rest) or any(is_array(p) for p in rest)):
        raise ValueProblem("a mask beside other indices", "take the mask alone: x[mask]")
    array = owner[(slice(None), *rest)] if rest else owner
    if first.ndim > 1:
        array = array.reshape(-1, *owner.shape[first.ndim :])
    return array, first.reshape(-1)


def write_masked(owner: Any, key: Any, value: Any) -> tuple[Any, Any]:
    """The array after `owner[mask] = value`, and whether the number of values is wrong."""
    array, mask = mask_of(owner, key)  # type: ignore[misc]
    value = converted(value, to_jax(owner))
    wide = array.ndim - 1
    if value.ndim <= wide or value.ndim == wide + 1 and value.shape[0] == 1:
        value = value[0] if value.ndim == wide + 1 else value
        return write_aligned(owner, key, jnp.broadcast_to(value, array.shape)), False
    if value.ndim != wide + 1:
        raise PythonRaises("the values do not fit what the mask picks")
    count = jnp.sum(mask.astype(jnp.int32))
    if not len(value):
        return to_jax(owner), count != 0
    place = jnp.clip(jnp.cumsum(mask.astype(jnp.int32)) - 1, 0, len(value) - 1)
    return write_aligned(owner, key, value[place]), count != len(value)


def write_aligned(owner: Any, key: Any, rows: Any) -> Any:
    """The array after `owner[mask] = rows[mask]`; rows: as many as the mask has elements."""
    array, mask = mask_of(owner, key)  # type: ignore[misc]
    old = to_jax(array)
    chosen = mask.reshape(-1, *(1,) * (old.ndim - 1))
    new = jnp.where(chosen, converted(jnp.reshape(rows, old.shape), old), old)
    first, *rest = key if isinstance(key, tuple) and key else (key,)
    if rest:
        return to_jax(owner).at[(slice(None), *rest)].set(new)
    return new.reshape(owner.shape)


def traced_parts(owner: Any, key: Any) -> list[tuple[Any, int]]:
    """The traced whole-number parts of an index, each with the size of its axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    consumed, axis, found = sum(_axes(part) for part in parts), 0, []
    for part in parts:
        if part is Ellipsis:
            axis += owner.ndim - consumed
            continue
        if is_traced(part) and jnp.issubdtype(part.dtype, jnp.integer) and axis < owner.ndim:
            found.append((part, owner.shape[axis]))
        axis += _axes(part)
    return found


def converted(value: Any, owner: Any) -> Any:
    """`value` with the type of the elements of the array it is written into."""
    library = jnp if is_traced(value) or is_traced(owner) else np
    value = to_jax(value) if library is jnp else np.asarray(value)
    return value.astype(owner.dtype if library is np or is_traced(owner) else to_jax(owner).dtype)


def constant(key: Any) -> Any:
    """A dict key or list index, checked to be constant and hashable or a slice."""
    if isinstance(key, np.ndarray) and key.size == 1:
        key = key.item()
    if isinstance(key, tuple):
        return tuple(constant(part) for part in key)
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
        raise PythonRaises(f"too many indices for {describe(array)}")
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
            raise PythonRaises(
                f"index {wrong} is out of range for {sizes[0]} elements",
                f"the valid indices are 0 to {sizes[0] - 1}",
            )
    return part
