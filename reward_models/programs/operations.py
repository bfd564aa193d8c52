"""Arithmetic, comparisons and truth of an image program's values."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.loops import Loops
from core_jax.reward_models.programs.paths import both
from core_jax.reward_models.programs.values import (
    Array,
    Choice,
    Dict,
    Instance,
    List,
    Number,
    Picked,
    PythonRaises,
    Record,
    Stack,
    Text,
    ValueProblem,
    Window,
    describe,
    is_number,
    is_traced,
)


class Operations(Loops):
    """The part of the evaluator for operators."""

    def data(self, value: Any, what: str = "a number or an array") -> Any:
        """A number or array as plain data: Python's, NumPy's or JAX's.

        Raises:
            PythonRaises: it is neither.
        """
        if isinstance(value, Array):
            return self.store.get(value)
        if is_number(value):
            return numbers.data_of(value)
        if isinstance(value, tuple | List):
            return self.stacked(value)
        raise PythonRaises(f"{what} is needed here, not {describe(value)}")

    def stacked(self, value: Any) -> Any:
        """Nested tuples and lists of numbers as one array."""
        held = self.store.get(value) if isinstance(value, List) else value
        if isinstance(held, Stack):
            message = "how many numbers this list has depends on the picture"
            raise ValueProblem(message, "use its items one by one")
        rows = [self.data(item) for item in held]
        if any(getattr(item, "ragged", None) is not None for item in held):
            raise ValueProblem("arrays whose size depends on the picture cannot be stacked")
        if any(is_traced(row) for row in rows):
            wide = numbers.dtype_of(held[0])
            for item in held[1:]:
                wide = numbers.common(wide, numbers.dtype_of(item))
            return jnp.stack([jnp.asarray(row, wide) for row in rows])
        return np.asarray(rows)

    def wrapped(self, data: Any, python: bool = False, ragged: Any = None) -> Any:
        """Plain data as a value of the program."""
        if np.ndim(data) == 0:
            return numbers.made(data, python)
        if is_traced(data):
            self.work(int(data.size))
        return Array(data, ragged)

    def arithmetic(self, name: str, a: Any, b: Any) -> Any:
        """`a op b`."""
        for index, one in enumerate((a, b)):
            if isinstance(one, Choice):
                other = (lambda x: self.arithmetic(name, x, b)) if index == 0 else (
                    lambda x: self.arithmetic(name, a, x))  # fmt: skip
                return self.over(one, other)
        if isinstance(a, str | Text) or isinstance(b, str | Text):
            return self._texts(name, a, b)
        if isinstance(a, tuple | List) and (type(a) is type(b) or isinstance(b, int)):
            return self._sequences(name, a, b)
        pythons = (numbers.is_python(a), numbers.is_python(b))
        if name == "Div" and isinstance(a, Number) and a.ratio is not None:
            found = self._quotient(a, b)
            if found is not None:
                return found
        ragged = self.ragged_of(a, b)
        x, y = self.data(a), self.data(b)
        self._check_shapes(x, y)
        result, raised = numbers.binary(name, x, y, pythons)
        mixed = self._mixed(a, b, pythons)
        if mixed is not None and name in ("Div", "FloorDiv", "Mod"):
            raised = both(mixed, jnp.any(jnp.asarray(y) == 0))
        if raised is not None:
            self.raises(raised, "division by zero", "test for zero first")
        if mixed is not None and np.ndim(result) == 0:
            return Number(jnp.asarray(result), False, None, mixed)
        return self.wrapped(result, all(pythons), ragged)

    def _mixed(self, a: Any, b: Any, pythons: tuple[bool, bool]) -> Any:
        """Whether both operands are Python's own, where that depends on the path; else None."""
        owns = [numbers.own(one) for one in (a, b)]
        if all(pythons) or any(one is False for one in owns):
            return None
        return both(owns[0], owns[1])

    def _quotient(self, a: Number, b: Any) -> Any:
        """`a / b` of two exact quotients, such as m10 / m00; None if `b` is none."""
        if not isinstance(b, Number) or b.ratio is None or a.ratio is None:
            return None
        (above, under), (other, divisor) = a.ratio, b.ratio
        zero = other == 0
        self.raises(zero, "division by zero", "test for zero first")
        found = numbers.quotient(above * divisor, jnp.where(zero, 1, other * under))
        return Number(found, True)

    def _check_shapes(self, x: Any, y: Any) -> None:
        try:
            np.broadcast_shapes(np.shape(x), np.shape(y))
        except ValueError:
            message = f"arrays of shapes {np.shape(x)} and {np.shape(y)} do not fit"
            raise PythonRaises(message, "check their sizes and channels") from None

    def ragged_of(self, *values: Any) -> Any:
        """How much is there of what an elementwise operation of these values gives."""
        found = [one for one in values if isinstance(one, Array) and one.ragged is not None]
        if not found:
            return None
        first = found[0]
        for one in values:
            if not isinstance(one, Array) or one is first:
                continue
            if one.ragged is None:
                axes = 2 if isinstance(first.ragged, Window) else 1
                if len(one.shape) > len(first.shape) - axes:
                    message = "an array whose size depends on the picture, and another one"
                    raise ValueProblem(message, "slice both in the same way")
            elif isinstance(one.ragged, Window) and isinstance(first.ragged, Window):
                pairs = zip(one.ragged.parts(), first.ragged.parts(), strict=True)
                for mine, other in pairs:
                    if mine is not other:
                        self.raises(mine != other, "two slices of different sizes")
            elif one.ragged.parts()[0] is not first.ragged.parts()[0]:
                raise ValueProblem("the elements of two masks cannot be combined")
        return first.ragged

    def inside(self, array: Array) -> Any:
        """Which elements of a ragged array are there, broadcastable to it."""
        ragged, shape = array.ragged, array.shape
        if isinstance(ragged, Picked):
            return ragged.member.reshape(-1, *(1,) * (len(shape) - 1))
        rows = jnp.arange(shape[0])[:, None] < ragged.height
        columns = jnp.arange(shape[1])[None, :] < ragged.width
        return (rows & columns).reshape(*shape[:2], *(1,) * (len(shape) - 2))

    def _texts(self, name: str, a: Any, b: Any) -> Any:
        if isinstance(a, str) and isinstance(b, str | int) and name in ("Add", "Mult"):
            if name == "Mult" and isinstance(b, int) and len(a) * b > 1000:
                raise ValueProblem("the string is too long")
            return numbers.OPERATORS[name](a, b)
        if name in ("Add", "Mod"):
            return Text()
        raise PythonRaises(f"{describe(a)} and {describe(b)} have no such operation")

    def _sequences(self, name: str, a: Any, b: Any) -> Any:
        if name == "Add" and type(a) is type(b):
            if isinstance(a, tuple):
                return a + b
            held = [self.store.get(one) for one in (a, b)]
            if all(isinstance(one, tuple) for one in held):
                return List(held[0] + held[1])
            raise ValueProblem("lists whose length depends on the picture", "use .append")
        if name == "Mult" and isinstance(b, int):
            held = a if isinstance(a, tuple) else self.store.get(a)
            if isinstance(held, tuple) and len(held) * b <= 1000:
                return held * b if isinstance(a, tuple) else List(held * b)
        raise PythonRaises(f"{describe(a)} and {describe(b)} have no such operation")

    def truth(self, value: Any) -> Any:
        """Python's truth of a value: a bool, or a traced 0-d bool.

        Raises:
            PythonRaises: it is an array of several elements.
        """
        if isinstance(value, Choice):
            found = self.over(value, lambda one: numbers.made(self.truth(one), True))
            return self.truth(found)
        if isinstance(value, Number):
            return value.data if value.data.dtype == np.bool_ else value.data != 0
        if isinstance(value, Array):
            if np.prod(value.shape) != 1 or value.ragged is not None:
                message = f"the truth of {describe(value)} is ambiguous"
                raise PythonRaises(message, "use np.any(...), np.all(...) or `is not None`")
            data = self.store.get(value)
            return data.reshape(()) != 0 if is_traced(data) else bool(data)
        if isinstance(value, List):
            held = self.store.get(value)
            return held.length > 0 if isinstance(held, Stack) else bool(held)
        if isinstance(value, Dict):
            return bool(self.store.get(value))
        if isinstance(value, Text | Instance):
            return True
        if isinstance(value, Record):
            size = self.size(value)
            return size.data > 0 if isinstance(size, Number) else size > 0
        if isinstance(value, tuple | str | bool | int | float | np.generic):
            return bool(value)
        return value is not None

    def size(self, value: Any) -> Any:
        """`len(value)`."""
        raise NotImplementedError

    def not_of(self, value: Any) -> Any:
        """`not value`."""
        raise NotImplementedError

    def unary(self, name: str, value: Any) -> Any:
        """`-value`, `+value`, `~value` or `not value`."""
        if name == "Not":
            return self.not_of(value)
        if isinstance(value, Choice):
            return self.over(value, lambda one: self.unary(name, one))
        data: Any = self.data(value)
        python = numbers.is_python(value)
        kind = np.asarray(data).dtype.kind if not is_traced(data) else np.dtype(data.dtype).kind
        if kind == "b" and python:
            data = data.astype(jnp.int32) if is_traced(data) else int(data)
            kind = "i"
        if name == "USub" and is_traced(data) and data.dtype == np.uint32:
            hint = "make it an integer first: int(np.sum(x))"
            raise ValueProblem("the minus of a sum of unsigned numbers wraps around in NumPy", hint)
        if name == "Invert" and kind == "f" or name == "USub" and kind == "b":
            raise PythonRaises("this operation has no meaning for these numbers")
        result = {"USub": lambda: -data, "UAdd": lambda: +data, "Invert": lambda: ~data}[name]()
        return self.wrapped(result, python, getattr(value, "ragged", None))
