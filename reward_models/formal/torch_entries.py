"""How a function of PyTorch is called: arguments under torch's names, `device` left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import bind, cast
from core_jax.reward_models.formal.modules_table import LINALG
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.values import Primitive


def floats(value: Any) -> Any:
    """A tensor of float32."""
    return to_jax(to_array(value)).astype(jnp.float32)


def torch_entry(name: str, parameters: str, function: Callable[..., Any]) -> Primitive:
    """A function of the table, of arguments bound by torch's names."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        kwargs = {"dim" if k == "axis" else k: v for k, v in kwargs.items() if k != "device"}
        bound = bind(f"torch.{name}", (*parameters.split(), "dtype", "requires_grad"), args, kwargs)
        dtype = bound.pop("dtype", None)
        bound.pop("requires_grad", None)
        result = function(evaluator, **bound)
        return cast(result, dtype) if dtype is not None else result

    return Primitive(name, call, "array")


def numpy_entry(name: str) -> Primitive:
    """A function that is NumPy's of that name."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        known = {"input": "x", "other": "y", "exponent": "y", "device": None, "dtype": None}
        kept = [value for key, value in kwargs.items() if known.get(key)]
        rest = {key: value for key, value in kwargs.items() if key not in known}
        return NUMPY[name].call(evaluator, (*args, *kept), rest)

    return Primitive(name, call, "array")


def norm(evaluator: Any, input: Any, p: Any = 2, dim: Any = None, keepdim: Any = False) -> Any:
    """`torch.norm`."""
    array = to_array(input)
    order = 2 if p in ("fro", None) else float(p) if isinstance(p, str) else p
    if dim is None:
        array, dim = array.reshape(-1), -1
    dim = dim[0] if isinstance(dim, list | tuple) and len(dim) == 1 else dim
    return LINALG["norm"].call(
        evaluator, (array,), {"ord": order, "axis": dim, "keepdims": bool(keepdim)}
    )
