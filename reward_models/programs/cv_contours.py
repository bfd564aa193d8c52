"""OpenCV's functions of contours: found by following borders, and measured."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import components, labels, numbers, polygons
from core_jax.reward_models.programs.components import CAPACITY, Borders
from core_jax.reward_models.programs.contours import (
    MANY,
    Contours,
    Outline,
    Polygon,
    outline,
)
from core_jax.reward_models.programs.cv_pixels import picture
from core_jax.reward_models.programs.values import (
    Array,
    Dict,
    Number,
    Picked,
    PythonRaises,
    Text,
    ValueProblem,
    Window,
    is_number,
)

CONSTANTS: dict[str, Any] = {
    "RETR_EXTERNAL": 0, "RETR_LIST": 1, "RETR_CCOMP": 2, "RETR_TREE": 3,
    "CHAIN_APPROX_NONE": 1, "CHAIN_APPROX_SIMPLE": 2, "CC_STAT_LEFT": 0, "CC_STAT_TOP": 1,
    "CC_STAT_WIDTH": 2, "CC_STAT_HEIGHT": 3, "CC_STAT_AREA": 4, "CV_32S": 4,
}  # fmt: skip
_EXTERNAL, _LIST, _CCOMP, _TREE = range(4)


def mask_of(evaluator: Any, image: Any, what: str) -> Any:
    """[H, W] bool: what is not zero in an image of one channel."""
    data = picture(evaluator, image, what, (1,))
    mask = data.reshape(data.shape[:2]) != 0
    if isinstance(image.ragged, Window):
        mask = mask & evaluator.inside(image).reshape(mask.shape)
    return mask


def _find_contours(evaluator: Any, image: Any, mode: Any, method: Any) -> tuple:
    mask = mask_of(evaluator, image, "cv2.findContours")
    if mode not in range(4) or method not in (1, 2):
        raise ValueProblem("this mode of cv2.findContours is not available", "RETR_EXTERNAL")
    if method == 1:
        raise ValueProblem("CHAIN_APPROX_NONE keeps every point", "use cv2.CHAIN_APPROX_SIMPLE")
    if mask.shape[0] * mask.shape[1] >= 1 << 24:
        raise ValueProblem("contours of so large a picture", "make it smaller first")
    evaluator.work(20 * mask.size)
    found = components.borders(mask)
    evaluator.raises(found.count > CAPACITY, MANY, "close small gaps: cv2.morphologyEx")
    order, count = ordered(found, mode)
    return (Contours(found, order, count, mask.shape), Text())


def ordered(found: Borders, mode: int) -> tuple[jax.Array, jax.Array]:
    """[CAPACITY] the borders in OpenCV's order, and how many are in it."""
    slot = jnp.arange(CAPACITY)
    kept = slot < found.count
    if mode == _EXTERNAL:
        kept = kept & (found.parent < 0) & ~found.hole
    number = jnp.sum(kept, dtype=jnp.int32)
    if mode in (_EXTERNAL, _LIST):
        place = number - jnp.cumsum(kept)
    else:
        place = _nested(found, mode)
    place = jnp.where(kept, place, CAPACITY)
    return jnp.zeros(CAPACITY, jnp.int32).at[place].set(slot, mode="drop"), number


def _nested(found: Borders, mode: int) -> jax.Array:
    """Where each border comes: right after its parent, before what was found there earlier."""
    slot = jnp.arange(CAPACITY)
    parent = found.parent if mode == _TREE else jnp.where(found.hole, found.parent, -1)

    def insert(mine: jax.Array, places: jax.Array) -> jax.Array:
        place = jnp.where(parent[mine] >= 0, places[parent[mine]] + 1, 0)
        moved = jnp.where((slot < mine) & (places >= place), places + 1, places)
        return moved.at[mine].set(place)

    count = jnp.minimum(found.count, CAPACITY)
    return jax.lax.fori_loop(0, count, insert, jnp.zeros(CAPACITY, jnp.int32))


def sums_of(evaluator: Any, value: Outline) -> tuple[jax.Array, jax.Array]:
    """Twice the area and six times the moments of a contour, and 12 times the second ones."""
    if isinstance(value, Polygon):
        return polygons.sums(value.vertex, value.count)
    return value.fact("sums"), value.fact("squares")  # type: ignore[attr-defined]


def _area(evaluator: Any, contour: Any, oriented: Any = False) -> Number:
    found = outline(evaluator, contour, "cv2.contourArea")
    if isinstance(found, Polygon):
        twice = polygons.twice_area(found.vertex, found.count)
    else:
        twice = found.fact("sums")[0]  # type: ignore[attr-defined]
    # OpenCV's sign is of a picture whose y points down
    twice = twice if oriented else jnp.abs(twice)
    return Number(twice.astype(jnp.float32) / 2, True, (twice, 2))


def _length(evaluator: Any, curve: Any, closed: Any) -> Number:
    found = outline(evaluator, curve, "cv2.arcLength")
    if not isinstance(closed, bool):
        raise ValueProblem("cv2.arcLength takes True or False", "cv2.arcLength(contour, True)")
    if isinstance(found, Polygon) or not closed:
        points, count = found.points(evaluator)
        return Number(polygons.length(points, count, closed), True)
    return Number(found.fact("length"), True)  # type: ignore[attr-defined]


def _bounding(evaluator: Any, array: Any) -> tuple:
    if isinstance(array, Array) and np.dtype(array.dtype) == np.uint8 and array.ragged is None:
        return _bounding_mask(evaluator, array)
    found = outline(evaluator, array, "cv2.boundingRect")
    if isinstance(found, Polygon):
        low_x, low_y, x, y = polygons.box(found.vertex, found.count)
    else:
        low_x, low_y, x, y = found.fact("box")  # type: ignore[attr-defined]
    return tuple(Number(one, True) for one in (low_x, low_y, x - low_x + 1, y - low_y + 1))


def _bounding_mask(evaluator: Any, array: Array) -> tuple:
    mask = mask_of(evaluator, array, "cv2.boundingRect")
    found = []
    for axis in (0, 1):
        line = jnp.any(mask, axis=axis)
        first, size = jnp.argmax(line), line.shape[0]
        last = size - 1 - jnp.argmax(line[::-1])
        found.append((first, jnp.where(jnp.any(line), last - first + 1, 0)))
    (x, width), (y, height) = found
    return tuple(Number(one.astype(jnp.int32), True) for one in (x, y, width, height))


def _moments(evaluator: Any, array: Any, binaryImage: Any = False) -> Dict:
    if isinstance(array, Array) and np.dtype(array.dtype) == np.uint8:
        return Dict(_of_pixels(evaluator, array, bool(binaryImage)))
    found = outline(evaluator, array, "cv2.moments")
    (twice, first, second), squares = sums_of(evaluator, found)
    sign = jnp.where(twice < 0, -1, 1)
    exact = {"m00": (twice * sign, 2)}
    for name, value in (("m10", first), ("m01", second)):
        exact[name] = (jnp.where(twice == 0, 0, value * sign), 6)
    held = {
        name: Number(value.astype(jnp.float32) / divisor, True, (value, divisor))
        for name, (value, divisor) in exact.items()
    }
    for name, value, divisor in zip(("m20", "m11", "m02"), squares, (12, 24, 12), strict=True):
        value = jnp.where(twice == 0, 0.0, value * sign) / divisor
        held[name] = Number(value, True)
    return Dict(held | _central(held))


def _of_pixels(evaluator: Any, array: Array, binary: bool) -> dict[str, Number]:
    data = picture(evaluator, array, "cv2.moments", (1,)).astype(jnp.int32)
    data = data.reshape(data.shape[:2])
    data = (data != 0).astype(jnp.int32) if binary else data
    if isinstance(array.ragged, Window):
        data = jnp.where(evaluator.inside(array).reshape(data.shape), data, 0)
    x, y = np.arange(data.shape[1]), np.arange(data.shape[0])
    rows, columns = jnp.sum(data, axis=1), jnp.sum(data, axis=0)
    totals = {"m00": jnp.sum(rows), "m10": jnp.sum(columns * x), "m01": jnp.sum(rows * y)}
    held = {name: Number(v.astype(jnp.float32), True, (v, 1)) for name, v in totals.items()}
    wide = data.astype(jnp.float32)
    held["m20"] = Number(jnp.sum(columns.astype(jnp.float32) * (x * x)), True)
    held["m11"] = Number(jnp.sum(wide * (x * y[:, None])), True)
    held["m02"] = Number(jnp.sum(rows.astype(jnp.float32) * (y * y)), True)
    return held | _central(held)


def _central(held: dict[str, Number]) -> dict[str, Number]:
    """Second moments about the centroid."""
    m = {name: one.data for name, one in held.items()}
    area = jnp.where(m["m00"] == 0, 1.0, m["m00"])
    x, y = m["m10"] / area, m["m01"] / area
    found = {
        "mu20": m["m20"] - x * m["m10"],
        "mu11": m["m11"] - x * m["m01"],
        "mu02": m["m02"] - y * m["m01"],
    }
    return {name: Number(one, True) for name, one in found.items()}


def _approximate(evaluator: Any, curve: Any, epsilon: Any, closed: Any) -> Polygon:
    if closed is not True:
        raise ValueProblem("cv2.approxPolyDP of an open curve", "cv2.approxPolyDP(c, eps, True)")
    if not is_number(epsilon):
        raise PythonRaises("cv2.approxPolyDP takes a number as epsilon")
    found = outline(evaluator, curve, "cv2.approxPolyDP")
    points, count = found.points(evaluator)
    limit = jnp.asarray(numbers.data_of(epsilon), jnp.float32)
    made, number = polygons.approximate(points, count, limit)
    return Polygon(made, number, found.shape)  # type: ignore[attr-defined]


def _hull(evaluator: Any, points: Any, **options: Any) -> Polygon:
    if options:
        raise ValueProblem("the options of cv2.convexHull are not available", "convexHull(contour)")
    found = outline(evaluator, points, "cv2.convexHull")
    corners, count = found.points(evaluator)
    height = found.shape[0]  # type: ignore[attr-defined]
    made, number = polygons.hull(corners, count, height)
    return Polygon(made, number, found.shape)  # type: ignore[attr-defined]


def _point_test(evaluator: Any, contour: Any, pt: Any, measureDist: Any) -> Number:
    found = outline(evaluator, contour, "cv2.pointPolygonTest")
    if measureDist is not False:
        message = "cv2.pointPolygonTest with a distance"
        raise ValueProblem(message, "pass False: 1 is inside, 0 on the edge, -1 outside")
    x, y = (jnp.asarray(evaluator.data(one), jnp.float32) for one in evaluator.collected(pt))
    points, count = found.points(evaluator)
    return Number(polygons.signed_distance(points, count, x, y), True)


def _is_convex(evaluator: Any, contour: Any) -> Number:
    found = outline(evaluator, contour, "cv2.isContourConvex")
    points, count = found.points(evaluator)
    index = jnp.arange(points.shape[0])
    at = lambda k: points[jnp.where(index + k >= count, index + k - count, index + k)]
    (a, b), (c, d) = (at(1) - at(0)).T, (at(2) - at(1)).T
    turn = jnp.where(index < count, a * d - b * c, 0)
    convex = ~(jnp.any(turn > 0) & jnp.any(turn < 0)) & (count > 2)
    return Number(convex, True)


def _components(evaluator: Any, image: Any, connectivity: Any = 8) -> tuple:
    return _labelled(evaluator, image, connectivity)[:2]


def _labelled(evaluator: Any, image: Any, connectivity: Any) -> tuple:
    """The number of components with the background, their labels, and each label's mask."""
    if connectivity != 8:
        raise ValueProblem("components of four neighbours", "use connectivity=8")
    mask = mask_of(evaluator, image, "cv2.connectedComponents")
    evaluator.work(30 * mask.size)
    found = components.borders(mask)
    evaluator.raises(found.count > CAPACITY, MANY)
    numbered, count = labels.numbered(mask, found)
    return Number(count + 1, True), Array(numbered), mask, count


def _with_stats(evaluator: Any, image: Any, connectivity: Any = 8) -> tuple:
    number, numbered, mask, count = _labelled(evaluator, image, connectivity)
    stats, centres = labels.statistics(mask, numbered.initial)
    there = Picked(jnp.arange(CAPACITY + 1) <= count)
    return (number, numbered, Array(stats, there), Array(centres, there))


FUNCTIONS: dict[str, Any] = {
    "findContours": _find_contours,
    "contourArea": _area,
    "arcLength": _length,
    "boundingRect": _bounding,
    "moments": _moments,
    "approxPolyDP": _approximate,
    "convexHull": _hull,
    "pointPolygonTest": _point_test,
    "isContourConvex": _is_convex,
    "connectedComponents": _components,
    "connectedComponentsWithStats": _with_stats,
}
