"""PyTorch's functions on NumPy's arrays, after PyTorch's documentation: the reference for programs
that use it, which needs no PyTorch."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class Tensor(np.ndarray):
    """An array with the methods of a tensor."""

    device = None

    def __getattr__(self, name: str) -> Any:
        function = FUNCTIONS.get(name)
        if function is None:
            raise AttributeError(name)
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    def _of(name: str) -> Any:  # noqa: N805
        return lambda self, *args, **kwargs: FUNCTIONS[name](self, *args, **kwargs)

    sum, mean, max, min, any, all, std, var, prod, squeeze, cumsum, round = map(
        _of, "sum mean max min any all std var prod squeeze cumsum round".split()
    )
    argmax, argmin = _of("argmax"), _of("argmin")

    def view(self, *shape: Any) -> Any:
        """The same elements in another shape."""
        if len(shape) == 1 and isinstance(shape[0], type):
            return super().view(shape[0])
        return self.reshape(shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape)


class Extreme(NamedTuple):
    """What torch.max of a dimension gives."""

    values: Any
    indices: Any


def tensor(value: Any) -> Tensor:
    """A value as a tensor."""
    return np.asarray(value).view(Tensor) if not isinstance(value, Tensor) else value


def _bare(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, Tensor) else value


def _plain(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return tensor(function(*(_bare(arg) for arg in args), **kwargs))

    return call


def _along(function: Any) -> Any:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return tensor(function(_bare(x), axis=dim, keepdims=keepdim))

    return call


def _spread(function: Any) -> Any:
    def call(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Any:
        return tensor(function(_bare(x), axis=dim, ddof=int(unbiased), keepdims=keepdim))

    return call


def _extreme(name: str) -> Any:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        x = _bare(x)
        if dim is None:
            return tensor(getattr(np, name)(x))
        if isinstance(dim, np.ndarray):
            return tensor(getattr(np, f"{name}imum")(x, _bare(dim)))
        values = getattr(np, name)(x, axis=dim, keepdims=keepdim)
        places = getattr(np, f"arg{name}")(x, axis=dim, keepdims=keepdim)
        return Extreme(tensor(values), tensor(places))

    return call


def _norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    x = _bare(x) if dim is not None else _bare(x).reshape(-1)
    return tensor(np.linalg.norm(x, ord=p, axis=-1 if dim is None else dim, keepdims=keepdim))


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return tensor(np.clip(_bare(x), min, max))


def _softmax(x: Any, dim: int) -> Any:
    moved = np.exp(_bare(x) - np.max(_bare(x), axis=dim, keepdims=True))
    return tensor(moved / moved.sum(axis=dim, keepdims=True))


def _squeeze(x: Any, dim: Any = None) -> Any:
    x = _bare(x)
    return tensor(x if dim is not None and x.shape[dim] != 1 else np.squeeze(x, dim))


def _normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    return tensor(_bare(x) / np.maximum(_bare(_norm(x, p, dim, True)), eps))


def _similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    sizes = [np.maximum(_bare(_norm(x, 2, dim)), eps) for x in (a, b)]
    return tensor(np.sum(_bare(a) * _bare(b), axis=dim) / (sizes[0] * sizes[1]))


def _cdist(a: Any, b: Any) -> Any:
    away = _bare(a)[..., :, None, :] - _bare(b)[..., None, :, :]
    return tensor(np.linalg.norm(away, axis=-1))


def _tensor(data: Any, device: Any = None, dtype: Any = None) -> Any:
    return tensor(np.array(data, dtype))


def _to(x: Any, dtype: Any = None) -> Any:
    return tensor(np.asarray(x).astype(dtype)) if dtype is not None else x


_SAME = (
    "abs exp sqrt square tanh sin cos log log1p sign floor ceil trunc round minimum maximum where "
    "zeros_like ones_like isfinite logical_or fmod remainder zeros"
)
FUNCTIONS: dict[str, Any] = {name: _plain(getattr(np, name)) for name in _SAME.split()}
FUNCTIONS |= {name: _along(getattr(np, name)) for name in "sum mean prod any all".split()}
FUNCTIONS |= {name: _extreme(name) for name in ("max", "min")}
FUNCTIONS |= {name: _spread(getattr(np, name)) for name in ("std", "var")}
FUNCTIONS |= {
    "argmax": lambda x, dim=None: tensor(np.argmax(_bare(x), axis=dim)),
    "argmin": lambda x, dim=None: tensor(np.argmin(_bare(x), axis=dim)),
    "atan2": _plain(lambda y, x: np.arctan2(y, x)), "pow": _plain(np.power), "norm": _norm,
    "clamp": _clamp,
    "clip": _clamp, "squeeze": _squeeze, "softmax": _softmax, "cdist": _cdist, "tensor": _tensor,
    "cumsum": lambda x, dim: tensor(np.cumsum(_bare(x), axis=dim)),
    "sigmoid": lambda x: tensor(1 / (1 + np.exp(-_bare(x)))),
    "relu": lambda x: tensor(np.maximum(_bare(x), 0)),
    "cat": lambda xs, dim=0: tensor(np.concatenate([_bare(x) for x in xs], axis=dim)),
    "stack": lambda xs, dim=0: tensor(np.stack([_bare(x) for x in xs], axis=dim)),
    "unsqueeze": lambda x, dim: tensor(np.expand_dims(_bare(x), dim)),
    "cross": lambda a, b, dim=-1: tensor(np.cross(_bare(a), _bare(b), axis=dim)),
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "full_like": lambda x, value: tensor(np.full_like(_bare(x), value)),
    "bmm": lambda a, b: tensor(_bare(a) @ _bare(b)),
    "float": lambda x: _to(x, float), "to": _to, "clone": _plain(np.copy),
    "detach": lambda x: x, "ge": lambda a, b: a >= b, "gt": lambda a, b: a > b,
}  # fmt: skip
_FUNCTIONAL = {
    "softplus": lambda x: tensor(np.logaddexp(_bare(x), 0.0)), "normalize": _normalize,
    "cosine_similarity": _similarity, "softmax": _softmax, "relu": FUNCTIONS["relu"],
    "sigmoid": FUNCTIONS["sigmoid"],
}  # fmt: skip


def _module(name: str, functions: dict[str, Any]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(functions)
    return module


TORCH: Any = _module("torch", FUNCTIONS | {"float32": np.float32, "Tensor": Tensor, "pi": np.pi})
TORCH.linalg = _module("torch.linalg", {"norm": lambda x, ord=2, dim=None, keepdim=False:
                                        _norm(x, ord or 2, dim, keepdim)})  # fmt: skip
TORCH.nn = _module("torch.nn", {"functional": _module("torch.nn.functional", _FUNCTIONAL)})
