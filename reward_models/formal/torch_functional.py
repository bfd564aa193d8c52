"""`torch.nn.functional`: distances, losses and activations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.torch_entries import floats, norm, numpy_entry, torch_entry
from core_jax.reward_models.formal.values import ValueProblem


def sigmoid(evaluator: Any, input: Any) -> Any:
    """`torch.nn.functional.sigmoid`."""
    return jax.nn.sigmoid(floats(input))


def _normalize(evaluator: Any, input: Any, p: Any = 2, dim: Any = 1, eps: Any = 1e-12) -> Any:
    size = norm(evaluator, input, p, dim, True)
    return floats(input) / jnp.maximum(to_jax(size), eps)


def similarity(evaluator: Any, x1: Any, x2: Any, dim: Any = 1, eps: Any = 1e-8) -> Any:
    """`torch.nn.functional.cosine_similarity`."""
    a, b = floats(x1), floats(x2)
    sizes = [jnp.maximum(safe_math.norm(x, axis=dim), eps) for x in (a, b)]
    return jnp.sum(a * b, axis=dim) / (sizes[0] * sizes[1])


def _mean_of(value: Any, reduction: str) -> Any:
    if reduction not in ("mean", "sum", "none"):
        raise ValueProblem("a reduction is 'mean', 'sum' or 'none'")
    return value if reduction == "none" else getattr(jnp, reduction)(value)


def _mse(evaluator: Any, input: Any, target: Any, reduction: Any = "mean") -> Any:
    return _mean_of(jnp.square(floats(input) - floats(target)), reduction)


def _l1(evaluator: Any, input: Any, target: Any, reduction: Any = "mean") -> Any:
    return _mean_of(jnp.abs(floats(input) - floats(target)), reduction)


def _smooth_l1(evaluator: Any, input: Any, target: Any, reduction: Any = "mean",
               beta: Any = 1.0) -> Any:  # fmt: skip
    away = jnp.abs(floats(input) - floats(target))
    return _mean_of(jnp.where(away < beta, 0.5 * away**2 / beta, away - 0.5 * beta), reduction)


def _softplus(evaluator: Any, input: Any, beta: Any = 1) -> Any:
    return jax.nn.softplus(beta * floats(input)) / beta


def relu(evaluator: Any, input: Any) -> Any:
    """`torch.nn.functional.relu`."""
    return jnp.maximum(to_jax(to_array(input)), 0)


def softmax(evaluator: Any, input: Any, dim: Any = -1) -> Any:
    """`torch.nn.functional.softmax`."""
    return jax.nn.softmax(floats(input), axis=dim)


def _huber(evaluator: Any, input: Any, target: Any, reduction: Any = "mean",
           delta: Any = 1.0) -> Any:  # fmt: skip
    away = jnp.abs(floats(input) - floats(target))
    loss = jnp.where(away <= delta, 0.5 * away**2, delta * (away - 0.5 * delta))
    return _mean_of(loss, reduction)


def _leaky(evaluator: Any, input: Any, negative_slope: Any = 0.01) -> Any:
    return jax.nn.leaky_relu(floats(input), negative_slope)


def _elu(evaluator: Any, input: Any, alpha: Any = 1.0) -> Any:
    return jax.nn.elu(floats(input), alpha)


def _log_softmax(evaluator: Any, input: Any, dim: Any = -1) -> Any:
    return jax.nn.log_softmax(floats(input), axis=dim)


def _log_sigmoid(evaluator: Any, input: Any) -> Any:
    return jax.nn.log_sigmoid(floats(input))


def _hardtanh(evaluator: Any, input: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Any:
    return jnp.clip(floats(input), min_val, max_val)


def _pairwise(evaluator: Any, x1: Any, x2: Any, p: Any = 2.0, eps: Any = 1e-6) -> Any:
    return safe_math.norm(floats(x1) - floats(x2) + eps, ord=p, axis=-1)


_FUNCTIONS = {
    "normalize": ("input p dim eps", _normalize),
    "cosine_similarity": ("x1 x2 dim eps", similarity),
    "mse_loss": ("input target reduction", _mse),
    "l1_loss": ("input target reduction", _l1),
    "smooth_l1_loss": ("input target reduction beta", _smooth_l1),
    "huber_loss": ("input target reduction delta", _huber),
    "pairwise_distance": ("x1 x2 p eps", _pairwise),
    "softplus": ("input beta", _softplus),
    "leaky_relu": ("input negative_slope", _leaky),
    "elu": ("input alpha", _elu),
    "hardtanh": ("input min_val max_val", _hardtanh),
    "log_softmax": ("input dim", _log_softmax),
    "logsigmoid": ("input", _log_sigmoid),
    "sigmoid": ("input", sigmoid),
    "relu": ("input", relu),
    "softmax": ("input dim", softmax),
}
FUNCTIONAL: dict[str, Any] = {name: torch_entry(name, *row) for name, row in _FUNCTIONS.items()}
FUNCTIONAL["tanh"] = numpy_entry("tanh")
