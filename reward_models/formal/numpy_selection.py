"""NumPy's functions that pick, leave out or replace elements of an array."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import Masked
from core_jax.reward_models.formal.conversions import to_array, weak
from core_jax.reward_models.formal.entries import primitive
from core_jax.reward_models.formal.values import ValueProblem, holds_traced, is_array, is_traced


def _take(evaluator: Any, a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
    array = to_array(a)
    if axis is None:
        array, axis = array.reshape(-1), 0
    if not isinstance(axis, int) or mode not in ("raise", "clip"):
        raise ValueProblem("np.take needs a constant axis and the mode 'raise' or 'clip'")
    key = to_array(indices)
    if mode == "clip":
        key = (jnp if is_traced(key) else np).clip(key, 0, array.shape[axis] - 1)
    return evaluator.item(array, (*(slice(None),) * (axis % array.ndim), key))


def _choose(evaluator: Any, a: Any, choices: Any) -> Any:
    index, rows = to_array(a), [to_array(row) for row in evaluator.items(choices)]
    if np.ndim(index):
        raise ValueProblem("np.choose takes one number here", "use np.select")
    return evaluator.item(rows, index if not isinstance(index, np.ndarray) else index.item())


def _compress(evaluator: Any, condition: Any, a: Any, axis: Any = None) -> Any:
    array = to_array(a)
    if axis not in (None, 0) or axis is None and array.ndim > 1:
        raise ValueProblem("np.compress takes the first axis here", "use x[mask]")
    mask = to_array(condition)
    mask = mask if is_array(mask) and mask.dtype == np.bool_ else mask != 0
    return evaluator.item(array[: len(mask)], mask)


def _extract(evaluator: Any, condition: Any, arr: Any) -> Any:
    return _compress(evaluator, to_array(condition).reshape(-1), to_array(arr).reshape(-1))


def _partition(evaluator: Any, a: Any, kth: Any, axis: Any = -1) -> Any:
    message = "the order within the parts of np.partition is not determined"
    raise ValueProblem(message, "use np.sort(x), whose first k elements are the smallest")


def _delete(evaluator: Any, arr: Any, obj: Any, axis: Any = None) -> Any:
    array = to_array(arr)
    if holds_traced(obj):
        raise ValueProblem("np.delete needs constant places", "use a mask: x[x > 0]")
    if axis is None:
        array, axis = array.reshape(-1), 0
    left = np.delete(np.arange(array.shape[axis]), to_array(obj))
    return evaluator.item(array, (*(slice(None),) * (axis % array.ndim), left))


def _argwhere(evaluator: Any, a: Any) -> Any:
    mask = to_array(a)
    if not is_traced(mask):
        return np.argwhere(mask)
    places = jnp.asarray(np.argwhere(np.ones(mask.shape, bool)), jnp.int32)
    return Masked(places, (mask != 0).reshape(-1))


def _place(evaluator: Any, a: Any, mask: Any, values: Any) -> None:
    if np.ndim(to_array(values)) and np.size(to_array(values)) != 1:
        raise ValueProblem("one value is needed here", "use a[mask] = values")
    evaluator.set_item(a, to_array(mask), values)


def _copyto(evaluator: Any, dst: Any, src: Any, where: Any = None) -> None:
    if where is None:
        evaluator.set_item(dst, slice(None), src)
        return
    new = jnp.where(*(weak(v) for v in (where, src, dst)))
    evaluator.set_item(dst, slice(None), new)


def _fill_diagonal(evaluator: Any, a: Any, val: Any) -> None:
    places = np.arange(min(a.shape))
    evaluator.set_item(a, (places, places), val)


_SELECTION = {
    "take": ("a indices axis mode", 2, _take),
    "choose": ("a choices", 2, _choose),
    "compress": ("condition a axis", 2, _compress),
    "extract": ("condition arr", 2, _extract),
    "partition": ("a kth axis", 2, _partition),
    "delete": ("arr obj axis", 2, _delete),
    "argwhere": ("a", 1, _argwhere),
    "putmask": ("a mask values", 3, _place),
    "place": ("a mask values", 3, _place),
    "copyto": ("dst src where", 2, _copyto),
    "fill_diagonal": ("a val", 2, _fill_diagonal),
}
SELECTION: dict[str, Any] = {name: primitive(name, *row) for name, row in _SELECTION.items()}
