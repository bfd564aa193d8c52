"""OpenCV's drawing into masks: filled contours, rectangles, circles."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers, polygons
from core_jax.reward_models.programs.contours import Contours, outline
from core_jax.reward_models.programs.values import (
    Array,
    List,
    Number,
    PythonRaises,
    ValueProblem,
    is_number,
)

CONSTANTS: dict[str, Any] = {"FILLED": -1, "LINE_8": 8, "LINE_AA": 16}
_FILLED = "only filled shapes can be drawn"
_HINT = "pass thickness=-1"


def _draw(evaluator: Any, image: Any, mask: Any, color: Any) -> Array:
    """Write a colour into an image where a mask holds."""
    if not isinstance(image, Array) or image.ragged is not None:
        raise PythonRaises("a drawing needs an image")
    data = jnp.asarray(evaluator.data(image))
    channels = data.shape[2] if data.ndim == 3 else 1
    values = [color] if is_number(color) else list(evaluator.collected(color))
    values = (values + [0] * channels)[:channels]
    if np.dtype(data.dtype) != np.uint8:
        raise ValueProblem("drawing into anything but uint8", "np.zeros(shape, np.uint8)")
    row = [
        jnp.clip(jnp.round(jnp.asarray(numbers.data_of(v), jnp.float32)), 0, 255) for v in values
    ]
    paint = jnp.stack(row).astype(jnp.uint8)
    shaped = mask if data.ndim == 2 else mask[..., None]
    evaluator.write(image, jnp.where(shaped, paint if data.ndim == 3 else paint[0], data))
    return image


def _draw_contours(
    evaluator: Any, image: Any, contours: Any, contourIdx: Any, color: Any, thickness: Any = 1,
    lineType: Any = 8,
) -> Array:  # fmt: skip
    if thickness != -1:
        raise ValueProblem(f"cv2.drawContours: {_FILLED}", _HINT)
    if isinstance(contours, Contours) or isinstance(evaluator.size(contours), Number):
        if contourIdx == -1:
            raise ValueProblem("all contours of a picture drawn at once", "draw them in a loop")
        chosen = [evaluator.at_index(contours, contourIdx)]
    else:
        items = evaluator.collected(contours)
        chosen = items if contourIdx == -1 else [evaluator.listed(contours, contourIdx)]
    if len(chosen) > 1:
        raise ValueProblem("several contours drawn at once", "draw them one by one")
    height, width = image.shape[:2]
    for one in chosen:
        points, count = outline(evaluator, one, "cv2.drawContours").points(evaluator)
        mask = polygons.filled(points, count, height, width)
        _draw(evaluator, image, mask, color)
    return image


def _fill_poly(evaluator: Any, img: Any, pts: Any, color: Any) -> Array:
    if not isinstance(pts, List | tuple):
        raise ValueProblem(
            "cv2.fillPoly takes a list of polygons", "cv2.fillPoly(m, [points], 255)"
        )
    return _draw_contours(evaluator, img, pts, -1, color, -1)


def _grid(image: Array) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    return np.arange(height)[:, None], np.arange(width)[None, :]


def _corner(evaluator: Any, value: Any) -> list:
    items = evaluator.collected(value)
    found = [jnp.asarray(numbers.data_of(one)) for one in items]
    if len(found) != 2 or any(np.dtype(one.dtype).kind == "f" for one in found):
        raise PythonRaises("a point is two integers", "(int(x), int(y))")
    return found


def _rectangle(
    evaluator: Any, img: Any, pt1: Any, pt2: Any, color: Any, thickness: Any = 1
) -> Array:
    if thickness != -1:
        raise ValueProblem(f"cv2.rectangle: {_FILLED}", _HINT)
    (x0, y0), (x1, y1) = _corner(evaluator, pt1), _corner(evaluator, pt2)
    rows, columns = _grid(img)
    inside = (columns >= jnp.minimum(x0, x1)) & (columns <= jnp.maximum(x0, x1))
    inside = inside & (rows >= jnp.minimum(y0, y1)) & (rows <= jnp.maximum(y0, y1))
    return _draw(evaluator, img, inside, color)


def _unavailable(name: str) -> Any:
    def call(evaluator: Any, *args: Any, **kwargs: Any) -> Any:
        hint = "use a distance: (xs - cx) ** 2 + (ys - cy) ** 2 <= r ** 2"
        raise ValueProblem(f"cv2.{name} is not available", hint)

    return call


FUNCTIONS: dict[str, Any] = {
    "drawContours": _draw_contours,
    "fillPoly": _fill_poly,
    "rectangle": _rectangle,
    "circle": _unavailable("circle"),
    "ellipse": _unavailable("ellipse"),
}
