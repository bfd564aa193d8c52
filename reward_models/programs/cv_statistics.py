"""OpenCV's numbers of a picture: counts, means, norms and extremes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.cv_pixels import picture
from core_jax.reward_models.programs.reductions import reduced
from core_jax.reward_models.programs.values import (
    Array,
    Number,
    PythonRaises,
    ValueProblem,
    describe,
)

CONSTANTS: dict[str, Any] = {"NORM_L2": 4, "NORM_L1": 2, "NORM_INF": 1}


def _count_non_zero(evaluator: Any, src: Any) -> Any:
    if isinstance(src, Array):
        data = evaluator.data(src)
        if data.ndim > 2 and data.shape[2] != 1:
            raise PythonRaises("cv2.countNonZero takes one channel", "convert to gray first")
        if np.dtype(data.dtype) == np.bool_:
            raise PythonRaises("cv2.countNonZero does not take truth values", "np.count_nonzero")
        found = reduced(evaluator, "sum", evaluator.compare("NotEq", src, 0))
        return numbers.made(numbers.data_of(found), True)
    raise PythonRaises(f"cv2.countNonZero takes an image, not {describe(src)}")


def _mean(evaluator: Any, src: Any, mask: Any = None) -> tuple:
    data = picture(evaluator, src, "cv2.mean")
    data = data.reshape(*data.shape[:2], -1).astype(jnp.float32)
    there = jnp.ones(data.shape[:2], jnp.bool_)
    if mask is not None:
        there = picture(evaluator, mask, "a mask", (1,)) != 0
    if src.ragged is not None:
        there = there & evaluator.inside(src).reshape(there.shape)
    count = jnp.sum(there, dtype=jnp.float32)
    sums = jnp.sum(jnp.where(there[..., None], data, 0), axis=(0, 1))
    means = jnp.where(count > 0, sums / jnp.maximum(count, 1), 0.0)
    found = [numbers.made(means[i], True) for i in range(data.shape[2])]
    return (*found, *[0.0] * (4 - len(found)))


def _norm(evaluator: Any, src1: Any, src2: Any = None, normType: Any = 4) -> Any:
    x = jnp.asarray(evaluator.data(src1), jnp.float32)
    if src2 is not None:
        x = x - jnp.asarray(evaluator.data(src2), jnp.float32)
    if normType not in (1, 2, 4) or getattr(src1, "ragged", None) is not None:
        raise ValueProblem("this kind of cv2.norm is not available", "use np.linalg.norm")
    norms = {4: lambda: jnp.sqrt(jnp.sum(x * x)), 2: lambda: jnp.sum(jnp.abs(x))}
    found = norms.get(normType, lambda: jnp.max(jnp.abs(x)))()
    return Number(found, True)


def _min_max_loc(evaluator: Any, src: Any) -> tuple:
    data = picture(evaluator, src, "cv2.minMaxLoc", (1,))
    if src.ragged is not None:
        raise ValueProblem("cv2.minMaxLoc of what depends on the picture in size")
    wide = data.astype(jnp.float32).reshape(-1)
    found = []
    for place in (jnp.argmin(wide), jnp.argmax(wide)):
        place = place.astype(jnp.int32)
        width = data.shape[1]
        found.append(
            (Number(wide[place], True), (Number(place % width, True), Number(place // width, True)))
        )
    (low, first), (high, last) = found
    return (low, high, first, last)


FUNCTIONS: dict[str, Any] = {
    "countNonZero": _count_non_zero,
    "mean": _mean,
    "norm": _norm,
    "minMaxLoc": _min_max_loc,
}
