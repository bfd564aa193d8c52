"""PyTorch as rewards use it: the same functions under torch's names and options.

A program that uses torch is written for a batch of environments: its inputs are `[N, d]` tensors,
or `[N]` for single numbers. It is run with N = 1, and the results, of shape `[1]`, are its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import cast, cast_entry, sizes_of
from core_jax.reward_models.formal.modules_table import LINALG, MATH
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.torch_entries import floats, norm, numpy_entry, torch_entry
from core_jax.reward_models.formal.torch_functional import (
    FUNCTIONAL,
    relu,
    sigmoid,
    similarity,
    softmax,
)
from core_jax.reward_models.formal.torch_shapes import SHAPES
from core_jax.reward_models.formal.values import Primitive, ValueProblem, is_traced

_SAME = (
    "abs exp expm1 sin cos tan sinh cosh tanh sqrt square log log2 log10 log1p sign floor ceil "
    "round trunc minimum maximum logical_and logical_or logical_not logical_xor isnan isinf "
    "isfinite arccos arcsin arctan arctan2 acos asin atan atan2 zeros_like ones_like dot outer "
    "matmul multiply add subtract remainder fmod deg2rad rad2deg hypot eye linspace allclose "
    "isclose greater less nan_to_num einsum heaviside fmin fmax copysign cumprod diff trace inner "
    "positive sinc asinh acosh atanh arcsinh arccosh arctanh real kron tile isin diag "
    "logaddexp float_power floor_divide nansum nanmean vstack hstack array_equal signbit"
)
_OTHER = {"clip": "clamp", "true_divide": "div", "power": "pow", "negative": "neg",
          "multiply": "mul", "subtract": "sub", "divide": "divide", "greater_equal": "ge",
          "less_equal": "le", "greater": "gt", "less": "lt", "equal": "eq", "not_equal": "ne",
          "reciprocal": "reciprocal"}  # fmt: skip


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(evaluator: Any, input: Any, dim: Any = None, keepdim: Any = False) -> Any:
        given = {} if dim is None else {"axis": tuple(dim) if isinstance(dim, list) else dim}
        given |= {"keepdims": True} if keepdim else {}
        return NUMPY[name].call(evaluator, (input,), given)

    return reduce


def _extreme(name: str) -> Callable[..., Any]:
    def extreme(evaluator: Any, input: Any, dim: Any = None, keepdim: Any = False) -> Any:
        array = to_array(input)
        if dim is None:
            return NUMPY[name].call(evaluator, (array,), {})
        if not isinstance(dim, int):  # torch.max(a, b) of two tensors
            return NUMPY[{"max": "maximum", "min": "minimum"}[name]].call(
                evaluator, (array, dim), {}
            )
        values = NUMPY[name].call(evaluator, (array,), {"axis": dim, "keepdims": bool(keepdim)})
        places = jnp.argmax if name == "max" else jnp.argmin
        return values, places(to_jax(array), axis=dim, keepdims=bool(keepdim))

    return extreme


def _spread(name: str) -> Callable[..., Any]:
    def spread(evaluator: Any, input: Any, dim: Any = None, unbiased: Any = True,
               keepdim: Any = False) -> Any:  # fmt: skip
        given = {"ddof": 1 if unbiased else 0, "keepdims": bool(keepdim)}
        return NUMPY[name].call(evaluator, (input,), given | ({} if dim is None else {"axis": dim}))

    return spread


def _linalg_norm(evaluator: Any, input: Any, ord: Any = None, dim: Any = None,
                 keepdim: Any = False) -> Any:  # fmt: skip
    return norm(evaluator, input, 2 if ord is None else ord, dim, keepdim)


def _tensor(evaluator: Any, data: Any) -> Any:
    value = to_array(data)
    value = value if is_traced(value) else np.array(value)
    return value.astype(np.float32) if value.dtype == np.float64 else value


def _like(fill: float) -> Callable[..., Any]:
    def create(evaluator: Any, input: Any) -> Any:
        array = to_array(input)
        return np.full(np.shape(array), fill).astype(np.dtype(to_jax(array).dtype))

    return create


def _filled(fill: float) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        shape = args[0] if len(args) == 1 else kwargs.get("size", args)
        result = np.full(sizes_of(shape), fill)
        return cast(result, kwargs["dtype"]) if kwargs.get("dtype") is not None else result

    return Primitive("zeros" if fill == 0 else "ones", call, "array")


def _full(evaluator: Any, size: Any, fill_value: Any) -> Any:
    value = to_array(fill_value)
    return (jnp if is_traced(value) else np).full(sizes_of(size), value)


def _full_like(evaluator: Any, input: Any, fill_value: Any) -> Any:
    return _full(evaluator, np.shape(to_array(input)), fill_value)


def _joined(name: str) -> Callable[..., Any]:
    def join(evaluator: Any, tensors: Any, dim: Any = 0) -> Any:
        return NUMPY[name].call(evaluator, (tensors,), {"axis": dim})

    return join


def _where(evaluator: Any, condition: Any, input: Any = None, other: Any = None) -> Any:
    if input is None or other is None:
        raise ValueProblem("torch.where needs a value for both cases", "torch.where(c, x, y)")
    return NUMPY["where"].call(evaluator, (condition, input, other), {})


def _clamp(evaluator: Any, input: Any, min: Any = None, max: Any = None) -> Any:
    return NUMPY["clip"].call(evaluator, (input, min, max), {})


def _clamped(side: str) -> Callable[..., Any]:
    return lambda evaluator, input, bound: _clamp(evaluator, input, **{side: bound})


def _squeeze(evaluator: Any, input: Any, dim: Any = None) -> Any:
    array = to_array(input)
    if dim is not None and np.shape(array)[dim] != 1:
        return array
    view = lambda places: np.squeeze(places, axis=dim)
    return evaluator.memory.viewed(array, array.squeeze(dim), view)


def _unsqueeze(evaluator: Any, input: Any, dim: Any) -> Any:
    array = to_array(input)
    library = jnp if is_traced(array) else np
    view = lambda places: np.expand_dims(places, dim)
    return evaluator.memory.viewed(array, library.expand_dims(array, dim), view)


def _bmm(evaluator: Any, input: Any, mat2: Any) -> Any:
    return jnp.matmul(floats(input), floats(mat2))


def _cross(evaluator: Any, input: Any, other: Any, dim: Any = -1) -> Any:
    if dim not in (-1, np.ndim(to_array(input)) - 1):
        raise ValueProblem("torch.cross takes the last dimension here")
    return NUMPY["cross"].call(evaluator, (input, other), {})


def _lerp(evaluator: Any, input: Any, end: Any, weight: Any) -> Any:
    return floats(input) + to_jax(to_array(weight)) * (floats(end) - floats(input))


def _cdist(evaluator: Any, x1: Any, x2: Any, p: Any = 2.0) -> Any:
    a, b = floats(x1), floats(x2)
    return safe_math.norm(a[..., :, None, :] - b[..., None, :, :], ord=p, axis=-1)


def _same(evaluator: Any, input: Any) -> Any:
    """`torch.conj` of real numbers."""
    return to_array(input)


def _rsqrt(evaluator: Any, input: Any) -> Any:
    root = NUMPY["sqrt"].call(evaluator, (input,), {})
    return NUMPY["divide"].call(evaluator, (1.0, root), {})


def _frac(evaluator: Any, input: Any) -> Any:
    array = floats(input)
    return array - jnp.trunc(array)


def _dist(evaluator: Any, input: Any, other: Any, p: Any = 2) -> Any:
    return norm(evaluator, floats(input) - floats(other), p)


def _quantile(evaluator: Any, input: Any, q: Any, dim: Any = None, keepdim: Any = False) -> Any:
    found = NUMPY["quantile"].call(evaluator, (input, q), {"axis": dim})
    return jnp.expand_dims(found, dim) if keepdim else found


def _inverse(evaluator: Any, input: Any) -> Any:
    array = to_array(input)
    if np.ndim(array) == 3 and array.shape[0] == 1:  # the batch axis
        return to_jax(LINALG["inv"].call(evaluator, (array[0],), {}))[None]
    return LINALG["inv"].call(evaluator, (array,), {})


def _reshape(evaluator: Any, input: Any, shape: Any) -> Any:
    array = to_array(input)
    return evaluator.memory.viewed(array, array.reshape(shape), lambda p: p.reshape(shape))


def _flatten(evaluator: Any, input: Any, start_dim: Any = 0, end_dim: Any = -1) -> Any:
    shape = np.shape(to_array(input))
    end = end_dim % len(shape) + 1
    return _reshape(evaluator, input, (*shape[:start_dim], -1, *shape[end:]))


def _count_nonzero(evaluator: Any, input: Any, dim: Any = None) -> Any:
    return NUMPY["count_nonzero"].call(evaluator, (input,), {} if dim is None else {"axis": dim})


def _numel(evaluator: Any, args: tuple, kwargs: dict) -> int:
    (array,) = (*args, *kwargs.values())
    return int(np.size(to_array(array)))


def _arange(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    return NUMPY["arange"].call(evaluator, args, {k: v for k, v in kwargs.items() if k != "device"})


_FUNCTIONS = {
    "sum": ("input dim keepdim", _reduction("sum")),
    "prod": ("input dim keepdim", _reduction("prod")),
    "mean": ("input dim keepdim", _reduction("mean")),
    "any": ("input dim keepdim", _reduction("any")),
    "all": ("input dim keepdim", _reduction("all")),
    "amax": ("input dim keepdim", _reduction("max")),
    "amin": ("input dim keepdim", _reduction("min")),
    "max": ("input dim keepdim", _extreme("max")), "min": ("input dim keepdim", _extreme("min")),
    "argmax": ("input dim keepdim", _reduction("argmax")),
    "argmin": ("input dim keepdim", _reduction("argmin")),
    "cumsum": ("input dim", _reduction("cumsum")),
    "std": ("input dim unbiased keepdim", _spread("std")),
    "var": ("input dim unbiased keepdim", _spread("var")),
    "norm": ("input p dim keepdim", norm), "tensor": ("data", _tensor),
    "as_tensor": ("data", _tensor), "full": ("size fill_value", _full),
    "full_like": ("input fill_value", _full_like), "zeros_like": ("input", _like(0.0)),
    "ones_like": ("input", _like(1.0)), "empty_like": ("input", _like(0.0)),
    "cat": ("tensors dim", _joined("concatenate")),
    "concat": ("tensors dim", _joined("concatenate")),
    "stack": ("tensors dim", _joined("stack")), "where": ("condition input other", _where),
    "clamp": ("input min max", _clamp), "clip": ("input min max", _clamp),
    "clamp_min": ("input bound", _clamped("min")), "clamp_max": ("input bound", _clamped("max")),
    "sigmoid": ("input", sigmoid), "squeeze": ("input dim", _squeeze),
    "unsqueeze": ("input dim", _unsqueeze), "softmax": ("input dim", softmax),
    "bmm": ("input mat2", _bmm), "mm": ("input mat2", _bmm), "cross": ("input other dim", _cross),
    "lerp": ("input end weight", _lerp), "cdist": ("x1 x2 p", _cdist), "relu": ("input", relu),
    "cosine_similarity": ("x1 x2 dim eps", similarity), "conj": ("input", _same),
    "clone": ("input", _same), "rsqrt": ("input", _rsqrt), "frac": ("input", _frac),
    "dist": ("input other p", _dist), "quantile": ("input q dim keepdim", _quantile),
    "inverse": ("input", _inverse), "reshape": ("input shape", _reshape),
    "flatten": ("input start_dim end_dim", _flatten),
    "count_nonzero": ("input dim", _count_nonzero), **SHAPES,
}  # fmt: skip
TORCH: dict[str, Any] = {name: numpy_entry(name) for name in _SAME.split() if name in NUMPY}
TORCH |= {torch: numpy_entry(name) for name, torch in _OTHER.items() if name in NUMPY}
TORCH |= {name: torch_entry(name, *row) for name, row in _FUNCTIONS.items()}
TORCH |= {"zeros": _filled(0.0), "ones": _filled(1.0), "empty": _filled(0.0)}
TORCH |= {"arange": Primitive("arange", _arange, "array"), "pi": MATH["pi"], "inf": MATH["inf"],
          "erf": MATH["erf"], "numel": Primitive("numel", _numel, "own")}  # fmt: skip
TORCH |= {"sgn": TORCH["sign"],
          "mv": TORCH["matmul"], "swapdims": TORCH["swapaxes"], "not_equal": TORCH["ne"],
          "greater_equal": TORCH["ge"], "less_equal": TORCH["le"],
          "arctan2": TORCH["atan2"]}  # fmt: skip
for _new, _old in {"float": "float32", "float32": "float32", "float64": "float64", "int": "int32",
                   "int32": "int32", "int64": "int64", "long": "int64", "bool": "bool",
                   "double": "float64"}.items():  # fmt: skip
    TORCH[_new] = cast_entry(_old)
TORCH_MODULES: dict[str, dict[str, Any]] = {
    "torch": TORCH,
    "torch.nn": {},
    "torch.nn.functional": FUNCTIONAL,
    "torch.linalg": {
        "norm": torch_entry("linalg.norm", "input ord dim keepdim", _linalg_norm),
        "vector_norm": torch_entry("linalg.vector_norm", "input ord dim keepdim", _linalg_norm),
        "cross": TORCH["cross"],
        "inv": TORCH["inverse"],
    },
    "torch.special": {"expit": TORCH["sigmoid"], "logsumexp": TORCH["logsumexp"]},
}
