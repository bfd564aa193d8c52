"""Methods of PyTorch's tensors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import cast, sizes_of
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.torch_table import TORCH
from core_jax.reward_models.formal.values import Primitive, PythonRaises, is_traced
from core_jax.reward_models.formal.whole_numbers import check_cast

_METHODS = (
    "norm unsqueeze clamp abs exp pow sqrt square sin cos tanh sigmoid log round sign floor "
    "clamp_min clamp_max mul add sub div dot ge gt le lt eq ne logical_and logical_or logical_not"
)
_ALSO = "sum mean max min any all argmax argmin std var prod squeeze softmax cross amax amin"
_SHAPE = ("view", "reshape", "expand", "expand_as", "repeat", "size", "dim", "flatten")
_SELF = ("to", "detach", "clone", "cpu", "cuda", "contiguous", "requires_grad_", "numpy")
_TYPES = {"float": "float32", "double": "float64", "int": "int32", "long": "int64", "bool": "bool"}
TORCH_METHODS = frozenset(
    (
        *_METHODS.split(),
        *_ALSO.split(),
        *_SHAPE,
        *_SELF,
        *_TYPES,
        "device",
        "dtype",
        "type",
        "new_zeros",
    )
)


def torch_method(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """A method of a tensor."""
    array = to_array(owner)
    if name in _TYPES:
        check_cast(evaluator, array, _TYPES[name])
        return cast(array, _TYPES[name])
    if name in _SELF or name == "type":
        kind = next((a for a in (*args, kwargs.get("dtype")) if isinstance(a, Primitive)), None)
        if kind is not None:
            check_cast(evaluator, array, kind)
            return cast(array, kind)
        if name == "clone":
            return jnp.array(array, copy=True) if is_traced(array) else np.array(array)
        return array
    if name == "size":
        return int(np.shape(array)[args[0]]) if args else tuple(np.shape(array))
    if name == "dim":
        return np.ndim(array)
    if name in ("view", "reshape", "flatten"):
        shape = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        shape = (-1,) if name == "flatten" else tuple(shape)
        return evaluator.memory.viewed(array, array.reshape(shape), lambda p: p.reshape(shape))
    if name in ("expand", "expand_as"):
        shape = np.shape(to_array(args[0])) if name == "expand_as" else (
            tuple(args[0]) if isinstance(args[0], list | tuple) else args)  # fmt: skip
        old = (1,) * (len(shape) - np.ndim(array)) + tuple(np.shape(array))
        shape = tuple(o if n == -1 else n for n, o in zip(shape, old, strict=True))
        return jnp.broadcast_to(to_jax(array), sizes_of(shape))
    if name == "repeat":
        reps = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        return NUMPY["tile"].call(evaluator, (array, tuple(reps)), {})
    if name not in TORCH:
        raise PythonRaises(f"a tensor has no method `{name}` here")
    return TORCH[name].call(evaluator, (array, *args), kwargs)
