"""What rounding may change: results of rotations and of linear algebra, moved by a millionth.

To move a program's inputs does not move what is the same for all of them: a vector is as long after
a rotation as before, and an outer product has no determinant. Such results are compared with
themselves or with zero, which rounding decides.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
from scipy.spatial.transform import Rotation

MILLIONTH = 1e-6
_RESULTS = ("apply", "as_rotvec", "as_matrix", "as_quat", "as_euler", "magnitude")
_LINALG = ("inv", "norm", "lstsq", "solve", "pinv", "slogdet", "matrix_rank")
_NUMPY = ("polyfit", "corrcoef", "arctan2")


@contextlib.contextmanager
def moved(seed: int) -> Iterator[None]:
    """Move the arguments of NumPy's linear algebra, and what Rotation gives, by random amounts."""
    generator = np.random.default_rng(seed)
    with contextlib.ExitStack() as stack:
        for owner, names, change in (
            (np.linalg, _LINALG, _arguments), (np, _NUMPY, _arguments),
            (Rotation, _RESULTS, _result),
        ):  # fmt: skip
            for name in names:
                function = change(getattr(owner, name), generator)
                stack.enter_context(mock.patch.object(owner, name, function))
        for owner, name, change in (
            (np.linalg, "det", _det), (np, "copysign", _sign), (math, "copysign", _sign),
            (np, "signbit", _sign),
        ):  # fmt: skip
            function = change(getattr(owner, name), generator)
            stack.enter_context(mock.patch.object(owner, name, function))
        yield


def _arguments(function: Callable, generator: np.random.Generator) -> Callable:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*(_moved(value, generator) for value in args), **kwargs)

    return called


def _result(function: Callable, generator: np.random.Generator) -> Callable:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return _moved(function(*args, **kwargs), generator)

    return called


def _det(function: Callable, generator: np.random.Generator) -> Callable:
    """A determinant is a sum of products as large as the elements to the power of its size."""

    def called(a: Any) -> Any:
        size = np.max(np.abs(a), initial=0.0) ** np.shape(a)[-1]
        return function(a) + MILLIONTH * size * generator.uniform(-1, 1)

    return called


def _sign(function: Callable, generator: np.random.Generator) -> Callable:
    """The sign of what is next to zero is the sign of a rounding error; of 0, a convention.

    The sign of a NaN that an operation makes is the processor's choice (IEEE 754 leaves it open).
    """

    def called(*args: Any) -> Any:
        *others, last = args
        noise = MILLIONTH * generator.uniform(-1, 1, np.shape(last))
        open_ = np.isnan(last) | (np.abs(last) < MILLIONTH)
        return function(*others, np.where(open_, noise, last)[()])

    return called


def _moved(value: Any, generator: np.random.Generator) -> Any:
    """An array of floats with its elements moved by up to a millionth of the largest one.

    A zero that is alone may get either sign, as sums and bounds give either.
    """
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f":
        return value
    largest = np.max(np.abs(value), initial=1e-300)
    return value + MILLIONTH * largest * generator.uniform(-1, 1, np.shape(value))
