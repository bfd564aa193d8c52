"""Statistics and decompositions of small matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax, weak
from core_jax.reward_models.formal.entries import as_of, bind, entry, library_of, primitive
from core_jax.reward_models.formal.values import (
    Primitive,
    Undetermined,
    ValueProblem,
    holds_traced,
    is_traced,
)

_MAX_SIDE = 16


def raises_if_singular(evaluator: Any, name: str, matrix: jax.Array) -> None:
    """NumPy's inverse raises where a pivot is exactly 0, and only there."""
    triangles, _, _ = jax.lax.linalg.lu(matrix)
    fails = jnp.any(jnp.diagonal(triangles) == 0)
    evaluator.raises(fails, f"np.linalg.{name} of a singular matrix", "test its determinant first")


def raises_if_not_finite(evaluator: Any, name: str, array: Any) -> None:
    """NumPy's decompositions by iteration do not converge then, and SciPy asks: both raise."""
    library = library_of(array)
    fails = ~library.all(library.isfinite(array))
    evaluator.raises(fails, f"{name} of NaN or infinity", "test with np.isfinite first")


def cov(evaluator: Any, m: Any, y: Any = None, rowvar: Any = True, ddof: Any = None) -> Any:
    library = library_of(m, y)
    rows = library.atleast_2d(as_of(library, m).astype(float))
    rows = rows if rowvar or rows.shape[0] == 1 else rows.T
    if y is not None:
        rows = library.concatenate([rows, library.atleast_2d(as_of(library, y).astype(float))])
    free = 1 if ddof is None else ddof
    away = rows - library.mean(rows, axis=1, keepdims=True)
    return library.squeeze(away @ away.T / (rows.shape[1] - free))


def corrcoef(evaluator: Any, x: Any, y: Any = None, rowvar: Any = True) -> Any:
    covered = cov(evaluator, x, y, rowvar)
    if not np.ndim(covered):
        return covered / covered
    library = library_of(covered)
    root = (safe_math.sqrt if library is jnp else np.sqrt)(library.diag(covered))
    product = root[:, None] * root[None, :]
    found = safe_math.divide(covered, product) if library is jnp else covered / product
    return library.clip(found, -1.0, 1.0)


def polyfit(evaluator: Any, x: Any, y: Any, deg: Any) -> Any:
    if not isinstance(deg, int) or not 0 <= deg <= 6:
        raise ValueProblem("np.polyfit takes a constant degree of at most 6")
    if not holds_traced([x, y]):
        return np.polyfit(to_array(x), to_array(y), deg)
    x, y = (jnp.asarray(weak(v), jnp.float32) for v in (x, y))
    raises_if_not_finite(evaluator, "np.polyfit", x)
    table = jnp.vander(x, deg + 1)
    scale = jnp.sqrt(jnp.sum(table * table, axis=0))
    return (jnp.linalg.lstsq(table / scale, y)[0].T / scale).T


def _lstsq(evaluator: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    if not holds_traced([a, b]):
        return tuple(np.linalg.lstsq(to_array(a), to_array(b), rcond=None))
    a, b = (jnp.asarray(weak(v), jnp.float32) for v in (a, b))
    _small("lstsq", a)
    raises_if_not_finite(evaluator, "np.linalg.lstsq", a)
    found, left, rank, values = jnp.linalg.lstsq(a, b)
    left = np.zeros(0) if a.shape[0] <= a.shape[1] else left  # as NumPy has none then
    return found, left, rank, values


def _small(name: str, matrix: Any) -> None:
    if np.ndim(matrix) != 2 or max(matrix.shape) > _MAX_SIDE:
        raise ValueProblem(f"np.linalg.{name} needs a matrix of at most {_MAX_SIDE} rows")


def _svd(evaluator: Any, a: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    _small("svd", to_array(a))
    if not is_traced(to_array(a)):
        found = np.linalg.svd(to_array(a), bool(full_matrices), bool(compute_uv))
        return tuple(found) if compute_uv else found
    matrix = to_jax(a).astype(jnp.float32)
    raises_if_not_finite(evaluator, "np.linalg.svd", matrix)
    values = jnp.linalg.svd(matrix, compute_uv=False)
    if not compute_uv:
        return values
    message = "the signs of the vectors of np.linalg.svd are not determined"
    vectors = Undetermined(message, "use the singular values alone: np.linalg.svd(x)[1]")
    return vectors, values, vectors


def _symmetric(name: str) -> Callable:
    def call(evaluator: Any, a: Any) -> Any:
        matrix = to_array(a)
        _small(name, matrix)
        if not is_traced(matrix):
            found = getattr(np.linalg, name)(matrix)
            return tuple(found) if name == "eigh" else found
        matrix = matrix.astype(jnp.float32)
        lower = jnp.tril(matrix)  # what lies above the diagonal is not read
        raises_if_not_finite(evaluator, f"np.linalg.{name}", lower)
        if name == "eigh":
            values, vectors = jnp.linalg.eigh(matrix, symmetrize_input=False)
            return values, vectors
        return jnp.linalg.eigvalsh(matrix)

    return call


def _pinv(evaluator: Any, a: Any) -> Any:
    matrix = to_array(a)
    _small("pinv", matrix)
    if not is_traced(matrix):
        return np.linalg.pinv(matrix)
    matrix = matrix.astype(jnp.float32)
    raises_if_not_finite(evaluator, "np.linalg.pinv", matrix)
    return jnp.linalg.pinv(matrix)


def _matrix_power(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    bound = bind("np.linalg.matrix_power", ("a", "n"), args, kwargs)
    matrix, n = to_array(bound.get("a")), bound.get("n")
    if is_traced(matrix) and isinstance(n, int) and n < 0 and np.ndim(matrix) == 2:
        raises_if_singular(evaluator, "matrix_power", matrix.astype(jnp.float32))
    return _POWER.call(evaluator, args, kwargs)


_POWER = entry("matrix_power", jnp.linalg.matrix_power, np.linalg.matrix_power, "a", "n")
WIDE_LINALG: dict[str, Any] = {
    "svd": primitive("linalg.svd", "a full_matrices compute_uv", 1, _svd),
    "svdvals": primitive("linalg.svdvals", "a", 1, lambda e, a: _svd(e, a, True, False)),
    "eigvalsh": primitive("linalg.eigvalsh", "a", 1, _symmetric("eigvalsh")),
    "eigh": primitive("linalg.eigh", "a", 1, _symmetric("eigh")),
    "lstsq": primitive("linalg.lstsq", "a b rcond", 2, _lstsq),
    "pinv": primitive("linalg.pinv", "a", 1, _pinv),
    "matrix_power": Primitive("matrix_power", _matrix_power),
}
