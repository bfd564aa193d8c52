"""XLA's gather and scatter with NumPy: each window on its own, indices as the mode says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

_DROPS = GatherScatterMode.FILL_OR_DROP


def _starts(indices: Any, index_map: Any, rank: int) -> Iterator[tuple[tuple, list[int]]]:
    """Each place in the indices' batch, with where its window starts in the operand."""
    for place in np.ndindex(indices.shape[:-1]):
        start = [0] * rank
        for axis, value in zip(index_map, indices[place], strict=True):
            start[axis] = int(value)
        yield place, start


def _window(start: list[int], sizes: Any, shape: Any, mode: Any) -> tuple | None:
    """The slices of a window; None if it lies outside and is to be dropped."""
    last = [size - width for size, width in zip(shape, sizes, strict=True)]
    kept = [min(max(s, 0), most) for s, most in zip(start, last, strict=True)]
    if mode == _DROPS and kept != start:
        return None
    return tuple(slice(s, s + width) for s, width in zip(kept, sizes, strict=True))


def gather(eqn: Any, dimension_numbers: Any, slice_sizes: Any, mode: Any, fill_value: Any,
           **_: Any) -> Callable | None:  # fmt: skip
    """`lax.gather`; None with batching dimensions."""
    numbers, out = dimension_numbers, eqn.outvars[0].aval
    if numbers.operand_batching_dims or fill_value is not None:
        return None
    outside = np.nan if out.dtype.kind == "f" else np.iinfo(out.dtype).min if (
        out.dtype.kind == "i") else True  # fmt: skip
    batch_axes = [axis for axis in range(len(out.shape)) if axis not in numbers.offset_dims]

    def run(operand: Any, indices: Any) -> Any:
        found = np.empty(out.shape, out.dtype)
        for place, start in _starts(indices, numbers.start_index_map, operand.ndim):
            key: list[Any] = [slice(None)] * found.ndim
            for axis, index in zip(batch_axes, place, strict=True):
                key[axis] = index
            window = _window(start, slice_sizes, operand.shape, mode)
            piece = operand[window] if window is not None else np.full(slice_sizes, outside)
            found[tuple(key)] = np.squeeze(piece, tuple(numbers.collapsed_slice_dims))
        return found

    return run


def scatter(join: Any) -> Callable:
    """`lax.scatter` and its kind: `join` of the old and the new, or the new alone."""

    def make(eqn: Any, dimension_numbers: Any, mode: Any, **_: Any) -> Callable | None:
        numbers = dimension_numbers
        if numbers.operand_batching_dims:
            return None
        inserted = numbers.inserted_window_dims

        def run(operand: Any, indices: Any, updates: Any) -> Any:
            found = np.array(operand)
            wide = [axis for axis in range(found.ndim) if axis not in inserted]
            sizes = [1] * found.ndim
            for axis, update in zip(wide, numbers.update_window_dims, strict=True):
                sizes[axis] = updates.shape[update]
            batch = [a for a in range(updates.ndim) if a not in numbers.update_window_dims]
            index_map = numbers.scatter_dims_to_operand_dims
            for place, start in _starts(indices, index_map, found.ndim):
                key: list[Any] = [slice(None)] * updates.ndim
                for axis, index in zip(batch, place, strict=True):
                    key[axis] = index
                window = _window(start, sizes, found.shape, mode)
                if window is not None:
                    new = updates[tuple(key)].reshape(sizes)
                    found[window] = new if join is None else join(found[window], new)
            return found

        return run

    return make


def dynamic_slice(eqn: Any, slice_sizes: Any, **_: Any) -> Callable:
    """`lax.dynamic_slice`, whose starts are clamped."""
    return lambda operand, *starts: operand[
        _window([int(s) for s in starts], slice_sizes, operand.shape, None)]  # fmt: skip


def dynamic_update_slice(eqn: Any, **_: Any) -> Callable:
    """`lax.dynamic_update_slice`, whose starts are clamped."""

    def run(operand: Any, update: Any, *starts: Any) -> Any:
        found = np.array(operand)
        found[_window([int(s) for s in starts], update.shape, operand.shape, None)] = update
        return found

    return run
