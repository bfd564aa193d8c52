"""Methods of PyTorch's tensors."""

from __future__ import annotations

import ast
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import cast, sizes_of
from core_jax.reward_models.formal.indexing import converted
from core_jax.reward_models.formal.methods_table import call_method
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.torch_table import TORCH
from core_jax.reward_models.formal.values import Primitive, PythonRaises, is_traced
from core_jax.reward_models.formal.whole_numbers import check_cast

_METHODS = (
    "norm unsqueeze clamp abs exp pow sqrt square sin cos tanh sigmoid log round sign floor "
    "clamp_min clamp_max mul add sub div dot ge gt le lt eq ne logical_and logical_or logical_not"
)
_ALSO = (
    "sum mean max min any all argmax argmin std var prod squeeze softmax cross amax amin relu "
    "cumsum cumprod clip minimum maximum fmod remainder atan2 tan sinh cosh asin acos atan ceil "
    "trunc frac log2 log10 log1p expm1 rsqrt reciprocal neg negative isnan isinf isfinite "
    "nan_to_num logical_xor unbind split chunk transpose permute swapaxes flip roll gather "
    "index_select masked_fill sort argsort topk median quantile logsumexp matmul mm bmm dist lerp "
    "count_nonzero numel conj inverse diagonal outer erf isclose allclose not_equal greater less"
)
_SHAPE = ("view", "reshape", "expand", "expand_as", "repeat", "size", "dim", "flatten", "view_as")
_IN_PLACE = (
    "add_ sub_ mul_ div_ clamp_ clamp_min_ clamp_max_ abs_ neg_ exp_ sqrt_ square_ pow_ tanh_ "
    "sigmoid_ relu_ masked_fill_ nan_to_num_ clip_"
)
_SELF = ("to", "detach", "clone", "cpu", "cuda", "contiguous", "requires_grad_", "numpy")
_TYPES = {"float": "float32", "double": "float64", "int": "int32", "long": "int64", "bool": "bool"}
_FILLED = {"new_zeros": 0.0, "new_ones": 1.0}
TORCH_METHODS = frozenset(
    (
        *_METHODS.split(),
        *_ALSO.split(),
        *_SHAPE,
        *_SELF,
        *_TYPES,
        *_IN_PLACE.split(),
        *_FILLED,
        "device",
        "dtype",
        "type",
        "where",
        "fill_",
        "zero_",
        "item",
        "tolist",
    )
)


_TELLING = frozenset(  # methods of tensors that no other value has
    "unsqueeze clamp clone detach float masked_fill chunk unbind permute new_zeros index_select "
    "topk".split()
)


def uses_torch(tree: ast.Module) -> bool:
    """Whether a program is written for PyTorch: it reads `torch`, what is imported from it, or
    methods or options that only tensors have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("torch", "Tensor"):
            return True
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or ""] + [alias.name for alias in node.names]
            if any(name.split(".")[0] == "torch" for name in names):
                return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_numpy = ast.unparse(node.func.value).split(".")[0] in ("np", "numpy", "math")
            options = {keyword.arg for keyword in node.keywords}
            if not of_numpy and (node.func.attr in _TELLING or options & {"dim", "keepdim"}):
                return True
    return False


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
    if name in ("view", "reshape", "view_as"):
        shape = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        shape = np.shape(to_array(args[0])) if name == "view_as" else tuple(shape)
        return evaluator.memory.viewed(array, array.reshape(shape), lambda p: p.reshape(shape))
    if name in ("expand", "expand_as"):
        shape = np.shape(to_array(args[0])) if name == "expand_as" else (
            tuple(args[0]) if isinstance(args[0], list | tuple) else args)  # fmt: skip
        old = (1,) * (len(shape) - np.ndim(array)) + tuple(np.shape(array))
        shape = tuple(o if n == -1 else n for n, o in zip(shape, old, strict=True))
        return jnp.broadcast_to(to_jax(array), sizes_of(shape))
    if name in _FILLED:
        shape = args[0] if len(args) == 1 else args
        return np.full(sizes_of(shape), _FILLED[name])
    if name in ("item", "tolist"):
        return call_method(evaluator, array, name, args, kwargs)
    if name == "where":  # x.where(condition, other)
        return TORCH["where"].call(evaluator, (args[0], array, *args[1:]), kwargs)
    if name == "permute" and not isinstance(args[0], list | tuple):
        args = (args,)
    if name.endswith("_") and name not in TORCH:
        return _in_place(evaluator, owner, name, args, kwargs)
    if name == "repeat":
        reps = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        return NUMPY["tile"].call(evaluator, (array, tuple(reps)), {})
    if name == "flatten":
        return TORCH["flatten"].call(evaluator, (array, *args), kwargs)
    if name not in TORCH:
        raise PythonRaises(f"a tensor has no method `{name}` here")
    return TORCH[name].call(evaluator, (array, *args), kwargs)


def _in_place(evaluator: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """A method that writes its result into its tensor, such as `x.clamp_(0.0, 1.0)`."""
    if name in ("fill_", "zero_"):
        result = np.full(np.shape(owner), 0.0) if name == "zero_" else args[0]
    else:
        result = torch_method(evaluator, owner, name.removesuffix("_"), args, kwargs)
    new = jnp.broadcast_to(converted(to_array(result), owner), np.shape(owner))
    evaluator.write(owner, new)
    return new
