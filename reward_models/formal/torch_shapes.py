"""PyTorch's functions that arrange, pick and order elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import library_of
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.torch_entries import floats
from core_jax.reward_models.formal.values import ValueProblem


def _viewed(evaluator: Any, array: Any, operation: Callable[[Any], Any]) -> Any:
    """`operation(array)`, which shares memory with `array`."""
    return evaluator.memory.viewed(array, operation(array), operation)


def _transpose(evaluator: Any, input: Any, dim0: Any, dim1: Any) -> Any:
    return _viewed(evaluator, to_array(input), lambda x: x.swapaxes(dim0, dim1))


def _permute(evaluator: Any, input: Any, dims: Any) -> Any:
    return _viewed(evaluator, to_array(input), lambda x: x.transpose(tuple(dims)))


def _pieces(evaluator: Any, array: Any, starts: list[int], dim: int) -> tuple:
    before = (slice(None),) * (dim % np.ndim(array))
    spans = [slice(a, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return tuple(_viewed(evaluator, array, lambda x, s=s: x[(*before, s)]) for s in spans)


def _split(evaluator: Any, tensor: Any, split_size_or_sections: Any, dim: Any = 0) -> Any:
    array, sizes = to_array(tensor), split_size_or_sections
    length = array.shape[dim]
    if isinstance(sizes, int):
        return _pieces(evaluator, array, [*range(0, length, sizes), length], dim)
    starts = [int(n) for n in np.cumsum([0, *evaluator.items(sizes)])]
    if starts[-1] != length:
        raise ValueProblem(f"torch.split into {starts[-1]} of {length} elements")
    return _pieces(evaluator, array, starts, dim)


def _chunk(evaluator: Any, input: Any, chunks: Any, dim: Any = 0) -> Any:
    return _split(evaluator, input, -(-to_array(input).shape[dim] // chunks), dim)


def _unbind(evaluator: Any, input: Any, dim: Any = 0) -> Any:
    array = to_array(input)
    before = (slice(None),) * (dim % np.ndim(array))
    each = range(array.shape[dim])
    return tuple(_viewed(evaluator, array, lambda x, i=i: x[(*before, i)]) for i in each)


def _flip(evaluator: Any, input: Any, dims: Any) -> Any:
    axes = tuple(dims) if isinstance(dims, list | tuple) else dims
    return NUMPY["flip"].call(evaluator, (input,), {"axis": axes})


def _roll(evaluator: Any, input: Any, shifts: Any, dims: Any = None) -> Any:
    given = {"shift": shifts} | ({} if dims is None else {"axis": dims})
    return NUMPY["roll"].call(evaluator, (input,), given)


def _gather(evaluator: Any, input: Any, dim: Any, index: Any) -> Any:
    library = library_of(input, index)
    return library.take_along_axis(
        library.asarray(to_array(input)), library.asarray(to_array(index)), axis=dim
    )


def _index_select(evaluator: Any, input: Any, dim: Any, index: Any) -> Any:
    array = to_array(input)
    return evaluator.item(array, (*(slice(None),) * (dim % array.ndim), to_array(index)))


def _masked_fill(evaluator: Any, input: Any, mask: Any, value: Any) -> Any:
    return NUMPY["where"].call(evaluator, (mask, value, input), {})


def _sort(evaluator: Any, input: Any, dim: Any = -1, descending: Any = False) -> Any:
    array = to_jax(to_array(input))
    places = jnp.argsort(array, axis=dim, stable=True, descending=bool(descending))
    return jnp.take_along_axis(array, places, axis=dim), places


def _argsort(evaluator: Any, input: Any, dim: Any = -1, descending: Any = False) -> Any:
    return _sort(evaluator, input, dim, descending)[1]


def _topk(evaluator: Any, input: Any, k: Any, dim: Any = -1, largest: Any = True) -> Any:
    values, places = _sort(evaluator, input, dim, largest)
    before = (slice(None),) * (dim % np.ndim(values))
    return values[(*before, slice(0, k))], places[(*before, slice(0, k))]


def _median(evaluator: Any, input: Any, dim: Any = None) -> Any:
    """The lower one of the two in the middle, as PyTorch has it."""
    array = to_jax(to_array(input))
    middle = lambda x, axis: jnp.take(x, (array.shape[axis] - 1) // 2, axis=axis)
    if dim is None:
        array = array.reshape(-1)
        return middle(jnp.sort(array), 0)
    values, places = _sort(evaluator, array, dim)
    return middle(values, dim), middle(places, dim)


def _diagonal(evaluator: Any, input: Any, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Any:
    return jnp.diagonal(to_jax(to_array(input)), offset, dim1, dim2)


def _logsumexp(evaluator: Any, input: Any, dim: Any, keepdim: Any = False) -> Any:
    return jax.scipy.special.logsumexp(floats(input), axis=dim, keepdims=bool(keepdim))


SHAPES: dict[str, tuple[str, Callable[..., Any]]] = {
    "transpose": ("input dim0 dim1", _transpose),
    "swapaxes": ("input dim0 dim1", _transpose),
    "permute": ("input dims", _permute),
    "split": ("tensor split_size_or_sections dim", _split),
    "chunk": ("input chunks dim", _chunk),
    "unbind": ("input dim", _unbind),
    "flip": ("input dims", _flip),
    "roll": ("input shifts dims", _roll),
    "gather": ("input dim index", _gather),
    "index_select": ("input dim index", _index_select),
    "masked_fill": ("input mask value", _masked_fill),
    "sort": ("input dim descending", _sort),
    "argsort": ("input dim descending", _argsort),
    "topk": ("input k dim largest", _topk),
    "median": ("input dim", _median),
    "diagonal": ("input offset dim1 dim2", _diagonal),
    "logsumexp": ("input dim keepdim", _logsumexp),
}
