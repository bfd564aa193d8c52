"""OpenCV on pixels: colours, masks, thresholds, differences and counts, exact to the bit."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.values import (
    Array,
    List,
    PythonRaises,
    ValueProblem,
    describe,
    is_number,
)

CONVERSIONS = "BGR2HSV RGB2HSV BGR2GRAY RGB2GRAY BGR2RGB RGB2BGR GRAY2BGR GRAY2RGB".split()
CONSTANTS: dict[str, Any] = {f"COLOR_{name}": name for name in CONVERSIONS}
CONSTANTS |= {"IMREAD_COLOR": 1, "IMREAD_GRAYSCALE": 0, "IMREAD_UNCHANGED": -1}
THRESHOLDS = ("BINARY", "BINARY_INV", "TRUNC", "TOZERO", "TOZERO_INV")
CONSTANTS |= {f"THRESH_{name}": index for index, name in enumerate(THRESHOLDS)}
CONSTANTS["THRESH_OTSU"] = 8

_SHIFT = 12
_GRAY = (9798, 19235, 3735)  # of red, green and blue, out of 1 << 15


def picture(evaluator: Any, value: Any, what: str, channels: tuple[int, ...] = (1, 3)) -> Any:
    """An array as OpenCV takes it: [H, W] or [H, W, C] of uint8.

    Raises:
        PythonRaises: OpenCV raises on what it is.
    """
    if not isinstance(value, Array):
        raise PythonRaises(f"{what} takes an image, not {describe(value)}", "test for None first")
    data = evaluator.data(value)
    count = data.shape[2] if data.ndim == 3 else 1
    if data.ndim not in (2, 3) or count not in channels:
        raise PythonRaises(f"{what} does not take an array of shape {tuple(data.shape)}")
    if np.dtype(data.dtype) != np.uint8:
        hint = "use mask.astype(np.uint8) * 255"
        raise PythonRaises(f"{what} takes arrays of uint8 here, not of {data.dtype}", hint)
    return jnp.asarray(data)


def to_hsv(data: Any, red_first: bool) -> Any:
    """OpenCV's HSV of [..., 3] uint8: hue 0 to 179, in its fixed-point arithmetic."""
    wide = data.astype(jnp.int32)
    r, g, b = (wide[..., i] for i in ((0, 1, 2) if red_first else (2, 1, 0)))
    value = jnp.maximum(jnp.maximum(r, g), b)
    span = value - jnp.minimum(jnp.minimum(r, g), b)
    half = 1 << (_SHIFT - 1)
    saturation = (span * _share(255, value) + half) >> _SHIFT
    turned = jnp.where(value == g, b - r + 2 * span, r - g + 4 * span)
    hue = jnp.where(value == r, g - b, turned)
    hue = (hue * _share(30, span) + half) >> _SHIFT
    hue = jnp.where(hue < 0, hue + 180, hue)
    return jnp.stack([hue, saturation, value], axis=-1).astype(jnp.uint8)


def _share(whole: int, parts: Any) -> Any:
    """What OpenCV's tables of quotients hold: `whole / parts` in fixed point, 0 of nothing."""
    found = jnp.rint((whole << _SHIFT) / jnp.maximum(parts, 1).astype(jnp.float32))
    return jnp.where(parts == 0, 0, found.astype(jnp.int32))


def to_gray(data: Any, red_first: bool) -> Any:
    """OpenCV's gray of [..., 3] uint8."""
    wide = data.astype(jnp.int32)
    r, g, b = (wide[..., i] for i in ((0, 1, 2) if red_first else (2, 1, 0)))
    red, green, blue = _GRAY
    return ((r * red + g * green + b * blue + (1 << 14)) >> 15).astype(jnp.uint8)


def _cvt_color(evaluator: Any, src: Any, code: Any) -> Any:
    if code not in CONVERSIONS:
        known = ", ".join(f"COLOR_{name}" for name in CONVERSIONS)
        raise ValueProblem("this colour conversion is not available", f"there are {known}")
    if code.startswith("GRAY"):
        data = picture(evaluator, src, "cv2.cvtColor from GRAY", (1,))
        found = jnp.repeat(data.reshape(*data.shape[:2], 1), 3, axis=2)
    else:
        data = picture(evaluator, src, "cv2.cvtColor", (3,))
        red_first = code.startswith("RGB")
        if code.endswith("HSV"):
            found = to_hsv(data, red_first)
        else:
            found = to_gray(data, red_first) if code.endswith("GRAY") else data[..., ::-1]
    return evaluator.wrapped(found, False, src.ragged)


def _bounds(evaluator: Any, bound: Any, channels: int, what: str) -> Any:
    if is_number(bound):
        if channels != 1:
            raise ValueProblem(f"one number as a {what} bound of {channels} channels")
        data = jnp.asarray(numbers.data_of(bound))[None]
    elif isinstance(bound, List):
        raise PythonRaises("a list as a bound", "np.array([...]), or a tuple")
    else:
        data = jnp.asarray(evaluator.data(bound)).reshape(-1)
    if data.size < channels or isinstance(bound, Array) and data.size != channels:
        raise PythonRaises(f"the {what} bound has {data.size} numbers for {channels} channels")
    return data[:channels]


def _in_range(evaluator: Any, src: Any, lowerb: Any, upperb: Any) -> Any:
    data = picture(evaluator, src, "cv2.inRange")
    channels = data.shape[2] if data.ndim == 3 else 1
    wide = data.reshape(*data.shape[:2], channels).astype(jnp.float32)
    low, high = (
        _bounds(evaluator, bound, channels, what)
        for bound, what in ((lowerb, "lower"), (upperb, "upper"))
    )
    if isinstance(lowerb, Array) and isinstance(upperb, Array):
        kinds = [np.dtype(evaluator.data(one).dtype) for one in (lowerb, upperb)]
        if kinds[0] != kinds[1] and "f" in (kinds[0].kind, kinds[1].kind):
            message = f"bounds of different types, {kinds[0]} and {kinds[1]}"
            raise PythonRaises(message, "write both as integers: np.array([20, 100, 100])")
    inside = jnp.all((wide >= low) & (wide <= high), axis=-1)
    return evaluator.wrapped(_mask(inside), False, src.ragged)


def _mask(truth: Any) -> Any:
    return jnp.where(truth, 255, 0).astype(jnp.uint8)


def _masked(evaluator: Any, found: Any, mask: Any) -> Any:
    """Zero outside of the mask, as OpenCV's new arrays are."""
    if mask is None:
        return found
    inside = picture(evaluator, mask, "a mask", (1,)) != 0
    if inside.shape[:2] != found.shape[:2]:
        raise PythonRaises("the mask has another size than the image")
    inside = inside.reshape(*inside.shape[:2], *(1,) * (found.ndim - 2))
    return jnp.where(inside, found, 0).astype(found.dtype)


def _two(evaluator: Any, a: Any, b: Any, what: str) -> tuple[Any, Any, Any]:
    x = picture(evaluator, a, what)
    if is_number(b) or isinstance(b, tuple):
        first = numbers.data_of(b) if is_number(b) else evaluator.data(b)
        if x.ndim == 3:
            raise ValueProblem(f"{what} of an image and a number", "use np functions")
        return x, jnp.full(x.shape, jnp.clip(first, 0, 255), jnp.uint8), a.ragged
    y = picture(evaluator, b, what)
    ragged = evaluator.ragged_of(a, b)
    if x.shape != y.shape:
        raise PythonRaises(f"{what} of images of shapes {x.shape} and {y.shape}")
    return x, y, ragged


def _bitwise(name: str) -> Any:
    functions = {"and": jnp.bitwise_and, "or": jnp.bitwise_or, "xor": jnp.bitwise_xor}

    def call(evaluator: Any, src1: Any, src2: Any, dst: Any = None, mask: Any = None) -> Any:
        x, y, ragged = _two(evaluator, src1, src2, f"cv2.bitwise_{name}")
        found = functions[name](x, y)
        return evaluator.wrapped(_masked(evaluator, found, mask), False, ragged)

    return call


def _bitwise_not(evaluator: Any, src: Any, dst: Any = None, mask: Any = None) -> Any:
    found = jnp.bitwise_not(picture(evaluator, src, "cv2.bitwise_not"))
    return evaluator.wrapped(_masked(evaluator, found, mask), False, src.ragged)


def _saturated(name: str) -> Any:
    def call(evaluator: Any, src1: Any, src2: Any, dst: Any = None, mask: Any = None) -> Any:
        x, y, ragged = _two(evaluator, src1, src2, f"cv2.{name}")
        x, y = x.astype(jnp.int32), y.astype(jnp.int32)
        found = {"add": x + y, "subtract": x - y, "absdiff": jnp.abs(x - y)}[name]
        found = jnp.clip(found, 0, 255).astype(jnp.uint8)
        return evaluator.wrapped(_masked(evaluator, found, mask), False, ragged)

    return call


def _extreme(name: str) -> Any:
    def call(evaluator: Any, src1: Any, src2: Any) -> Any:
        x, y, ragged = _two(evaluator, src1, src2, f"cv2.{name}")
        return evaluator.wrapped(getattr(jnp, f"{name}imum")(x, y), False, ragged)

    return call


def _threshold(evaluator: Any, src: Any, thresh: Any, maxval: Any, type: Any) -> Any:
    data = picture(evaluator, src, "cv2.threshold")
    if type not in range(5):
        raise ValueProblem("this kind of threshold is not available", "use cv2.THRESH_BINARY")
    level = jnp.floor(jnp.asarray(numbers.data_of(thresh), jnp.float32))
    above = data.astype(jnp.float32) > level
    top = jnp.clip(jnp.round(jnp.asarray(numbers.data_of(maxval), jnp.float32)), 0, 255)
    cut = jnp.clip(level, 0, 255)
    found = (
        jnp.where(above, top, 0),
        jnp.where(above, 0, top),
        jnp.where(above, cut, data),
        jnp.where(above, data, 0),
        jnp.where(above, 0, data),
    )[type]
    given = evaluator.converted_float(thresh)
    return (given, evaluator.wrapped(found.astype(jnp.uint8), False, src.ragged))


def _split(evaluator: Any, m: Any) -> tuple:
    data = picture(evaluator, m, "cv2.split")
    data = data.reshape(*data.shape[:2], -1)
    return tuple(Array(data[..., i], m.ragged) for i in range(data.shape[2]))


def _merge(evaluator: Any, mv: Any) -> Any:
    parts = evaluator.collected(mv)
    data = [picture(evaluator, one, "cv2.merge", (1,)) for one in parts]
    return Array(jnp.stack(data, axis=-1), evaluator.ragged_of(*parts))


def _imread(evaluator: Any, filename: Any, flags: Any = 1) -> Any:
    """`cv2.imread` of the frame: the picture in BGR."""
    if filename is not evaluator.frame and filename not in evaluator.frames:
        raise ValueProblem("cv2.imread of anything but the frame", "read the parameter itself")
    data = evaluator.data(filename)[..., :: -1 if evaluator.red_first else 1]
    if flags == 0:
        data = to_gray(data, False)
    return Array(data)


FUNCTIONS: dict[str, Any] = {
    "cvtColor": _cvt_color,
    "inRange": _in_range,
    "bitwise_and": _bitwise("and"),
    "bitwise_or": _bitwise("or"),
    "bitwise_xor": _bitwise("xor"),
    "bitwise_not": _bitwise_not,
    "add": _saturated("add"),
    "subtract": _saturated("subtract"),
    "absdiff": _saturated("absdiff"),
    "max": _extreme("max"),
    "min": _extreme("min"),
    "threshold": _threshold,
    "split": _split,
    "merge": _merge,
    "imread": _imread,
}
