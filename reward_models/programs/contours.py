"""Contours as values of a program: what `cv2.findContours` returns, and polygons made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import polygons
from core_jax.reward_models.programs.components import CAPACITY, Borders
from core_jax.reward_models.programs.values import (
    Array,
    Cell,
    Number,
    Picked,
    PythonRaises,
    Record,
    ValueProblem,
)

MANY = f"a picture with more than {CAPACITY} contours"


@dataclass(frozen=True, eq=False)
class Contours(Record):
    """The contours of a mask, in OpenCV's order.

    Attributes:
        borders: their facts.
        order: [CAPACITY] int32 which border each contour of the tuple is.
        count: 0-d int32 how many contours there are.
        shape: height and width of the mask.
        serial: as a cell has.
    """

    borders: Borders
    order: jax.Array
    number: jax.Array
    shape: tuple[int, int]
    serial: int = field(default_factory=lambda: Cell(None).serial)

    def parts(self) -> tuple:
        return (*self.borders, self.order, self.number)

    def made(self, parts: tuple) -> Contours:
        return Contours(Borders(*parts[:-2]), parts[-2], parts[-1], self.shape)

    def size(self, evaluator: Any) -> Number:
        """`len(contours)`."""
        return Number(self.number, True)

    def item(self, evaluator: Any, key: Any) -> Any:
        """`contours[key]`."""
        if isinstance(key, slice):
            return evaluator.sliced(self, key)
        place = jnp.asarray(key.data if isinstance(key, Number) else key, jnp.int32)
        outside = (place < -self.number) | (place >= self.number)
        evaluator.raises(outside, "an index beyond the contours", "test `if contours:` first")
        place = jnp.clip(jnp.where(place < 0, place + self.number, place), 0, CAPACITY - 1)
        return Contour(self, self.order[place])

    def each(self, values: jax.Array) -> tuple[jax.Array, jax.Array]:
        """[CAPACITY] a fact of the borders in the contours' order, and which are there."""
        return values[self.order], jnp.arange(CAPACITY) < self.number


class Outline(Record):
    """A contour or polygon.

    Attributes:
        shape: height and width of the picture that it lies in.
    """

    shape: tuple[int, int]

    def points(self, evaluator: Any) -> tuple[jax.Array, jax.Array]:
        """[P, 2] points and their number."""
        raise NotImplementedError

    def vertices(self, evaluator: Any) -> Number:
        """How many points there are."""
        raise NotImplementedError

    def size(self, evaluator: Any) -> Number:
        """`len(contour)`."""
        return self.vertices(evaluator)

    def array(self, evaluator: Any) -> Array:
        """OpenCV's array of it: [count, 1, 2] int32."""
        points, count = self.points(evaluator)
        member = jnp.arange(points.shape[0]) < count
        return Array(points[:, None, :], Picked(member))

    def item(self, evaluator: Any, key: Any) -> Any:
        """`contour[key]`."""
        return evaluator.item(self.array(evaluator), key)

    def attribute(self, evaluator: Any, name: str) -> Any:
        """`contour.name`."""
        if name in ("reshape", "squeeze"):
            from core_jax.reward_models.programs.values import Primitive

            return Primitive(f"contour.{name}", self._flat)
        return evaluator.attribute(self.array(evaluator), name)

    def _flat(self, evaluator: Any, *shape: Any) -> Array:
        """`contour.reshape(-1, 2)`, `contour.squeeze()`."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if sizes not in ((), (-1, 2), (1,)):
            raise ValueProblem("this shape of a contour", "use contour.reshape(-1, 2)")
        found = self.array(evaluator)
        return Array(found.initial[:, 0], found.ragged)


@dataclass(frozen=True, eq=False)
class Contour(Outline):
    """One of the contours of a picture.

    Attributes:
        family: all of them.
        index: 0-d int32 its border.
    """

    family: Contours
    index: jax.Array

    def parts(self) -> tuple:
        return (self.index,)

    def made(self, parts: tuple) -> Contour:
        return Contour(self.family, parts[0])

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.family.shape

    def lone(self) -> Border:
        """The same without the others."""
        borders = self.family.borders
        facts = [part[self.index] for part in borders[1:-1]]
        return Border((borders.bits, *facts), self.family.shape)

    def fact(self, name: str) -> jax.Array:
        """One of the fields of `Borders`."""
        return getattr(self.family.borders, name)[self.index]

    def vertices(self, evaluator: Any) -> Number:
        return Number(self.fact("vertices"), True)

    def points(self, evaluator: Any) -> tuple[jax.Array, jax.Array]:
        return self.lone().points(evaluator)


_FIELDS = Borders._fields[1:-1]


@dataclass(frozen=True, eq=False)
class Border(Outline):
    """A contour by itself: `facts` are the fields of `Borders`, of one border."""

    facts: tuple
    shape: tuple[int, int]

    def parts(self) -> tuple:
        return self.facts

    def made(self, parts: tuple) -> Border:
        return Border(parts, self.shape)

    def lone(self) -> Border:
        return self

    def fact(self, name: str) -> jax.Array:
        """One of the fields of `Borders`."""
        return self.facts[1 + _FIELDS.index(name)]

    def vertices(self, evaluator: Any) -> Number:
        return Number(self.fact("vertices"), True)

    def points(self, evaluator: Any) -> tuple[jax.Array, jax.Array]:
        found = polygons.trace(self.facts[0], self.fact("start"), self.fact("hole"), self.shape[1])
        many = found[1] > polygons.POINTS
        evaluator.raises(many, f"a contour of more than {polygons.POINTS} points")
        return found


@dataclass(frozen=True, eq=False)
class Polygon(Outline):
    """Points in order: what approxPolyDP or convexHull give.

    Attributes:
        vertex: [P, 2] int32
        count: 0-d int32
        shape: of the picture that the points lie in.
    """

    vertex: jax.Array
    count: jax.Array
    shape: tuple[int, int]

    def parts(self) -> tuple:
        return (self.vertex, self.count)

    def made(self, parts: tuple) -> Polygon:
        return Polygon(parts[0], parts[1], self.shape)

    def vertices(self, evaluator: Any) -> Number:
        return Number(self.count, True)

    def points(self, evaluator: Any) -> tuple[jax.Array, jax.Array]:
        return self.vertex, self.count


def outline(evaluator: Any, value: Any, what: str) -> Outline:
    """A contour, polygon or array of points.

    Raises:
        PythonRaises: it is neither.
    """
    if isinstance(value, Outline):
        return value
    if isinstance(value, Array) and value.shape[-1] == 2 and len(value.shape) in (2, 3):
        data = jnp.asarray(evaluator.data(value)).reshape(-1, 2)
        if np.dtype(data.dtype).kind == "f":
            raise ValueProblem(f"{what} of points that are no whole numbers")
        if len(data) > polygons.POINTS and value.ragged is None:
            raise ValueProblem(f"{what} of more than {polygons.POINTS} points")
        member = jnp.ones(len(data), jnp.bool_)
        if isinstance(value.ragged, Picked):
            member = value.ragged.member
        count = jnp.sum(member, dtype=jnp.int32)
        evaluator.raises(count > polygons.POINTS, f"{what} of too many points")
        place = jnp.where(member, jnp.cumsum(member) - 1, polygons.POINTS)
        points = jnp.zeros((polygons.POINTS, 2), jnp.int32)
        points = points.at[place].set(data.astype(jnp.int32), mode="drop")
        return Polygon(points, count, (1024, 1024))
    raise PythonRaises(f"{what} takes a contour", "test for None first, or take contours[0]")
