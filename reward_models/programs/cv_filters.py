"""OpenCV's morphology, smoothing and resizing, in its own integer arithmetic."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs.cv_pixels import picture
from core_jax.reward_models.programs.values import (
    Array,
    Number,
    PythonRaises,
    ValueProblem,
    is_traced,
)

MORPHOLOGY = ("ERODE", "DILATE", "OPEN", "CLOSE", "GRADIENT", "TOPHAT", "BLACKHAT")
CONSTANTS: dict[str, Any] = {f"MORPH_{name}": index for index, name in enumerate(MORPHOLOGY)}
CONSTANTS |= {"MORPH_RECT": 0, "MORPH_CROSS": 1, "MORPH_ELLIPSE": 2}
CONSTANTS |= {"INTER_NEAREST": 0, "INTER_LINEAR": 1, "INTER_CUBIC": 2, "INTER_AREA": 3}
CONSTANTS |= {"BORDER_DEFAULT": 4, "BORDER_REFLECT_101": 4, "BORDER_CONSTANT": 0}
MAX_KERNEL = 31
MAX_SIDE = 1_024
_BINOMIAL = {1: (256,), 3: (64, 128, 64), 5: (16, 64, 96, 64, 16), 7: (8, 28, 56, 72, 56, 28, 8)}


def _pair(evaluator: Any, value: Any, what: str) -> tuple[int, int]:
    """Two constant whole numbers."""
    items = evaluator.collected(value)
    if len(items) != 2 or not all(isinstance(one, int | np.integer) for one in items):
        raise ValueProblem(f"{what} must be two constant integers", "as in (5, 5)")
    return int(items[0]), int(items[1])


def _whole(src: Any, what: str) -> None:
    if getattr(src, "ragged", None) is not None:
        hint = "filter the whole picture, then slice it"
        raise ValueProblem(f"{what} of a slice that depends on the picture", hint)


def _element(evaluator: Any, shape: Any, ksize: Any, anchor: Any = None) -> Array:
    width, height = _pair(evaluator, ksize, "the size of a structuring element")
    if shape not in (0, 1, 2) or anchor is not None and evaluator.collected(anchor) != (-1, -1):
        raise ValueProblem("this structuring element is not available", "use cv2.MORPH_RECT")
    if not (1 <= width <= MAX_KERNEL and 1 <= height <= MAX_KERNEL):
        raise ValueProblem(f"a structuring element is 1 to {MAX_KERNEL} pixels wide and high")
    found = np.ones((height, width), np.uint8)
    middle, across = height // 2, width // 2
    if shape == 1:
        found[:] = 0
        found[middle], found[:, across] = 1, 1
    elif shape == 2:
        found[:] = 0
        for row in range(height):
            dy = row - middle
            if abs(dy) <= middle:
                share = (middle * middle - dy * dy) / (middle * middle) if middle else 0.0
                span = int(np.rint(across * np.sqrt(share)))
                found[row, max(across - span, 0) : min(across + span + 1, width)] = 1
    return Array(found)


def _kernel(evaluator: Any, kernel: Any) -> np.ndarray:
    if kernel is None:
        return np.ones((3, 3), np.uint8)
    data = evaluator.data(kernel)
    if is_traced(data) or np.ndim(data) != 2 or max(data.shape) > MAX_KERNEL:
        raise ValueProblem("a kernel must be a constant array", "np.ones((5, 5), np.uint8)")
    if data.dtype != np.uint8:
        raise PythonRaises(f"a kernel of {data.dtype}", "np.ones((5, 5), np.uint8)")
    return np.asarray(data)


def _extreme(data: Any, kernel: np.ndarray, largest: bool) -> Any:
    """The least or greatest element under the kernel; what lies outside does not count."""
    if kernel.all() and min(kernel.shape) > 1:  # a rectangle: first along rows, then columns
        once = _extreme(data, np.ones((1, kernel.shape[1]), np.uint8), largest)
        return _extreme(once, np.ones((kernel.shape[0], 1), np.uint8), largest)
    height, width = data.shape[:2]
    top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    sides = ((top, kernel.shape[0] - 1 - top), (left, kernel.shape[1] - 1 - left))
    pad = (*sides, *((0, 0),) * (data.ndim - 2))
    padded = jnp.pad(data, pad, constant_values=0 if largest else 255)
    parts = [padded[y : y + height, x : x + width] for y, x in np.argwhere(kernel)]
    if not parts:
        return data
    return functools.reduce(jnp.maximum if largest else jnp.minimum, parts)


def _repeated(data: Any, kernel: np.ndarray, largest: bool, iterations: int) -> Any:
    for _ in range(iterations):
        data = _extreme(data, kernel, largest)
    return data


def _times(evaluator: Any, iterations: Any, data: Any, kernel: np.ndarray) -> int:
    if not isinstance(iterations, int) or not 0 <= iterations <= 20:
        raise ValueProblem("the iterations must be a constant of at most 20")
    evaluator.work(iterations * data.size * (sum(kernel.shape) if kernel.all() else kernel.sum()))
    return iterations


def _morphology(largest: bool) -> Any:
    name = "cv2.dilate" if largest else "cv2.erode"

    def call(
        evaluator: Any, src: Any, kernel: Any = None, dst: Any = None, anchor: Any = None,
        iterations: Any = 1,
    ) -> Any:  # fmt: skip
        data = picture(evaluator, src, name)
        _whole(src, name)
        shape = _kernel(evaluator, kernel)
        count = _times(evaluator, iterations, data, shape)
        return evaluator.wrapped(_repeated(data, shape, largest, count))

    return call


def _morphology_ex(
    evaluator: Any, src: Any, op: Any, kernel: Any = None, dst: Any = None, anchor: Any = None,
    iterations: Any = 1,
) -> Any:  # fmt: skip
    data = picture(evaluator, src, "cv2.morphologyEx")
    _whole(src, "cv2.morphologyEx")
    if op not in range(len(MORPHOLOGY)):
        raise ValueProblem("this operation of cv2.morphologyEx is not available")
    shape = _kernel(evaluator, kernel)
    count = _times(evaluator, iterations, data, shape)
    erode = lambda x: _repeated(x, shape, False, count)
    dilate = lambda x: _repeated(x, shape, True, count)
    less = lambda a, b: (a.astype(jnp.int32) - b).clip(0, 255).astype(jnp.uint8)
    found = {
        "ERODE": lambda: erode(data),
        "DILATE": lambda: dilate(data),
        "OPEN": lambda: dilate(erode(data)),
        "CLOSE": lambda: erode(dilate(data)),
        "GRADIENT": lambda: less(dilate(data), erode(data)),
        "TOPHAT": lambda: less(data, dilate(erode(data))),
        "BLACKHAT": lambda: less(erode(dilate(data)), data),
    }[MORPHOLOGY[op]]()
    return evaluator.wrapped(found)


def _padded(data: Any, y: int, x: int, mode: str) -> Any:
    if y >= data.shape[0] or x >= data.shape[1]:
        raise ValueProblem("this filter is larger than the picture")
    return jnp.pad(data, ((y, y), (x, x), *((0, 0),) * (data.ndim - 2)), mode=mode)


def _blur(evaluator: Any, src: Any, ksize: Any, dst: Any = None) -> Any:
    data = picture(evaluator, src, "cv2.blur")
    _whole(src, "cv2.blur")
    width, height = _pair(evaluator, ksize, "the size of cv2.blur")
    if not (width % 2 and height % 2 and 0 < width <= MAX_KERNEL and 0 < height <= MAX_KERNEL):
        raise ValueProblem("the size of cv2.blur must be odd", "as in (5, 5)")
    wide = _padded(data.astype(jnp.int32), height // 2, width // 2, "reflect")
    rows, columns = data.shape[:2]
    total: Any = sum(wide[y : y + rows] for y in range(height))
    total = sum(total[:, x : x + columns] for x in range(width))
    area = width * height
    evaluator.work(data.size * (width + height))
    return evaluator.wrapped(((2 * total + area) // (2 * area)).astype(jnp.uint8))


def _gaussian(
    evaluator: Any, src: Any, ksize: Any, sigmaX: Any = 0, dst: Any = None, sigmaY: Any = 0
) -> Any:
    data = picture(evaluator, src, "cv2.GaussianBlur")
    _whole(src, "cv2.GaussianBlur")
    width, height = _pair(evaluator, ksize, "the size of cv2.GaussianBlur")
    if sigmaX != 0 or sigmaY != 0 or width not in _BINOMIAL or height not in _BINOMIAL:
        message = "cv2.GaussianBlur with a sigma, or larger than 7 pixels"
        raise ValueProblem(message, "use cv2.GaussianBlur(image, (5, 5), 0)")
    wide = _padded(data.astype(jnp.int32), height // 2, width // 2, "reflect")
    rows, columns = data.shape[:2]
    across: Any = sum(w * wide[:, x : x + columns] for x, w in enumerate(_BINOMIAL[width]))
    total: Any = sum(w * across[y : y + rows] for y, w in enumerate(_BINOMIAL[height]))
    evaluator.work(data.size * (width + height))
    return evaluator.wrapped(((total + (1 << 15)) >> 16).astype(jnp.uint8))


def _median(evaluator: Any, src: Any, ksize: Any) -> Any:
    data = picture(evaluator, src, "cv2.medianBlur")
    _whole(src, "cv2.medianBlur")
    if ksize not in (3, 5):
        raise ValueProblem("cv2.medianBlur of this size", "use 3 or 5")
    wide = _padded(data, ksize // 2, ksize // 2, "edge")
    rows, columns = data.shape[:2]
    parts = [wide[y : y + rows, x : x + columns] for y in range(ksize) for x in range(ksize)]
    evaluator.work(data.size * 5 * len(parts))
    return evaluator.wrapped(jnp.sort(jnp.stack(parts), axis=0)[len(parts) // 2])


def _resize(
    evaluator: Any, src: Any, dsize: Any, dst: Any = None, fx: Any = 0, fy: Any = 0,
    interpolation: Any = 1,
) -> Any:  # fmt: skip
    data = picture(evaluator, src, "cv2.resize")
    _whole(src, "cv2.resize")
    height, width = data.shape[:2]
    if dsize is None:
        if isinstance(fx, Number) or isinstance(fy, Number) or not fx or not fy:
            raise PythonRaises("cv2.resize needs a size, or fx and fy")
        dsize = (int(np.rint(width * fx)), int(np.rint(height * fy)))
    columns, rows = _pair(evaluator, dsize, "the size of cv2.resize")
    if not (1 <= rows <= MAX_SIDE and 1 <= columns <= MAX_SIDE):
        raise ValueProblem(f"cv2.resize to {rows} x {columns}", f"at most {MAX_SIDE} a side")
    evaluator.work(rows * columns * (data.shape[2] if data.ndim == 3 else 1) * 4)
    if interpolation == 0:
        y = np.minimum((np.arange(rows) * (height / rows)).astype(int), height - 1)
        x = np.minimum((np.arange(columns) * (width / columns)).astype(int), width - 1)
        return evaluator.wrapped(data[y][:, x])
    if (rows, columns) == (height, width):
        return evaluator.wrapped(data)
    if interpolation == 3 and height % rows == 0 and width % columns == 0:
        return evaluator.wrapped(_averaged(data, rows, columns))
    if interpolation != 1:
        raise ValueProblem("this interpolation of cv2.resize", "INTER_LINEAR or INTER_NEAREST")
    if 2 * rows == height and 2 * columns == width:
        return evaluator.wrapped(_averaged(data, rows, columns))
    return evaluator.wrapped(_linear(data, rows, columns))


def _averaged(data: Any, rows: int, columns: int) -> Any:
    y, x = data.shape[0] // rows, data.shape[1] // columns
    parts = data.astype(jnp.int32).reshape(rows, y, columns, x, *data.shape[2:])
    total, area = jnp.sum(parts, axis=(1, 3)), x * y
    if area == 4:
        return ((total + 2) >> 2).astype(jnp.uint8)
    return jnp.round(total.astype(jnp.float32) * np.float32(1 / area)).astype(jnp.uint8)


def _taps(size: int, new: int, rows: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel the two old ones, and their weights of 2048 in all."""
    place = ((np.arange(new) + 0.5) * (size / new) - 0.5).astype(np.float32)
    first = np.floor(place).astype(int)
    share = (place - first).astype(np.float32)
    if not rows:  # at the edges OpenCV takes one column, but the same row twice
        share = np.where((first < 0) | (first >= size - 1), 0, share).astype(np.float32)
    weights = np.stack([np.rint((1 - share) * 2048), np.rint(share * 2048)]).astype(np.int32)
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), weights


def _linear(data: Any, rows: int, columns: int) -> Any:
    wide = data.astype(jnp.int32)
    left, right, (a, b) = _taps(data.shape[1], columns, False)
    top, bottom, (c, d) = _taps(data.shape[0], rows, True)
    ones = (1,) * (data.ndim - 2)
    a, b = a.reshape(1, -1, *ones), b.reshape(1, -1, *ones)
    across = wide[:, left] * a + wide[:, right] * b
    c, d = c.reshape(-1, 1, *ones), d.reshape(-1, 1, *ones)
    upper, lower = across[top] >> 4, across[bottom] >> 4
    total = ((upper * c) >> 16) + ((lower * d) >> 16)
    return ((total + 2) >> 2).clip(0, 255).astype(jnp.uint8)


FUNCTIONS: dict[str, Any] = {
    "getStructuringElement": _element,
    "erode": _morphology(False),
    "dilate": _morphology(True),
    "morphologyEx": _morphology_ex,
    "blur": _blur,
    "GaussianBlur": _gaussian,
    "medianBlur": _median,
    "resize": _resize,
}
