"""The few functions of SciPy that rewards use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import bind, entry
from core_jax.reward_models.formal.numpy_linalg import raises_if_not_finite
from core_jax.reward_models.formal.rotation import ROTATION
from core_jax.reward_models.formal.values import MAX_ELEMENTS, Primitive, PythonRaises, ValueProblem


def _euclidean(a: Any, b: Any) -> Any:
    return safe_math.norm(a - b, axis=-1)


def _cosine(a: Any, b: Any) -> Any:
    product = safe_math.norm(a, axis=-1) * safe_math.norm(b, axis=-1)
    found = 1.0 - safe_math.divide(jnp.sum(a * b, axis=-1), product)
    return jnp.where(jnp.isnan(found), jnp.nan, jnp.clip(found, 0.0, 2.0))


_METRICS: dict[str, Callable[[Any, Any], Any]] = {
    "euclidean": _euclidean,
    "sqeuclidean": lambda a, b: jnp.sum(jnp.square(a - b), axis=-1),
    "cosine": _cosine,
    "cityblock": lambda a, b: jnp.sum(jnp.abs(a - b), axis=-1),
    "chebyshev": lambda a, b: jnp.max(_unless_nan(jnp.abs(a - b)), axis=-1),
}


def _unless_nan(x: jax.Array) -> jax.Array:
    """`x` with zeros for NaN, which the largest difference of SciPy's cdist passes over."""
    return jnp.where(jnp.isnan(x), 0.0, x)


def _largest(a: jax.Array, b: jax.Array) -> jax.Array:
    """The largest difference by Python's max, which keeps NaN only if it comes first."""
    if not a.size:
        raise PythonRaises("the largest of no differences", "test the length first")
    away = jnp.abs(a - b)
    return jnp.where(jnp.isnan(away[0]), jnp.nan, jnp.max(_unless_nan(away)))


def _array(value: Any) -> Any:
    return to_jax(to_array(value)).astype(jnp.float32)


def _cdist(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("cdist", ("XA", "XB", "metric"), args, kwargs)
    metric = bound.get("metric", "euclidean")
    if metric not in _METRICS:
        known = ", ".join(_METRICS)
        raise ValueProblem(f"the metric {metric!r} of cdist is not here", f"use {known}")
    a, b = _array(bound["XA"]), _array(bound["XB"])
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        message = f"cdist takes matrices of as many columns, not shapes {a.shape} and {b.shape}"
        raise PythonRaises(message, "make rows of them: x.reshape(1, -1) or [x]")
    if a.shape[0] * b.shape[0] * a.shape[1] > MAX_ELEMENTS:
        raise ValueProblem("this cdist is too large")
    return _METRICS[metric](a[:, None, :], b[None, :, :])


def _distance(name: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(name, ("u", "v"), args, kwargs)
        u, v = _array(bound["u"]), _array(bound["v"])
        if u.ndim != 1 or u.shape != v.shape:
            raise PythonRaises(f"{name} takes two rows of as many numbers")
        if name == "euclidean":
            raises_if_not_finite(evaluator, "distance.euclidean", u - v)
        return _largest(u, v) if name == "chebyshev" else _METRICS[name](u, v)

    return Primitive(name, call)


def _softmax(x: Any, axis: Any = None) -> Any:
    x = safe_math._floating(x)
    return jax.nn.softmax(x.reshape(-1)).reshape(x.shape) if axis is None else (
        jax.nn.softmax(x, axis=axis))  # fmt: skip


def _numpy_softmax(x: Any, axis: Any = None) -> Any:
    moved = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return moved / np.sum(moved, axis=axis, keepdims=True)


def _numpy_logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top = np.max(a, axis=axis, keepdims=True)
    found = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return found if keepdims else np.squeeze(found, axis=axis)


def _expit(x: Any) -> Any:
    return jax.nn.sigmoid(safe_math._floating(x))


SPECIAL: dict[str, Any] = {
    "expit": entry("expit", _expit, lambda x: 1.0 / (1.0 + np.exp(-np.asarray(x, float)))),
    "logit": entry("logit", lambda x: safe_math.log(safe_math.divide(x, 1 - x)),
                   lambda x: np.log(np.asarray(x, float) / (1 - np.asarray(x, float)))),
    "softmax": entry("softmax", _softmax, _numpy_softmax, "x", "axis"),
    "logsumexp": entry(
        "logsumexp",
        lambda a, axis=None, keepdims=False: jax.scipy.special.logsumexp(
            safe_math._floating(a), axis=axis, keepdims=keepdims),
        _numpy_logsumexp, "a", "axis keepdims"),
    "erf": entry("erf", lambda x: jax.scipy.special.erf(safe_math._floating(x)),
                 special.erf),
    "xlogy": entry("xlogy", jax.scipy.special.xlogy,
                   special.xlogy, "x y"),
}  # fmt: skip
DISTANCE: dict[str, Any] = {name: _distance(name) for name in _METRICS}
DISTANCE["cdist"] = Primitive("cdist", _cdist, "array")
SCIPY_MODULES: dict[str, dict[str, Any]] = {
    "scipy": {},
    "scipy.special": SPECIAL,
    "scipy.spatial": {},
    "scipy.spatial.distance": DISTANCE,
    "scipy.spatial.transform": {},
    "scipy.spatial.transform.Rotation": ROTATION,
}
