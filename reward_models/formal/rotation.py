"""`scipy.spatial.transform.Rotation` of single rotations, as unit quaternions (x, y, z, w)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import bind
from core_jax.reward_models.formal.values import Primitive, PythonRaises, Record, ValueProblem


@dataclass(frozen=True, eq=False)
class Rotation(Record):
    """A rotation; `quat` is a [4] unit quaternion, the real part last."""

    quat: Any

    def parts(self) -> tuple:
        return (self.quat,)

    def made(self, parts: tuple) -> Rotation:
        return Rotation(*parts)

    def times(self, evaluator: Any, other: Rotation) -> Rotation:
        """This rotation after the other; SciPy refuses a product that is NaN."""
        return _unit(evaluator, _product(self.quat, other.quat), False)


_LOCKED = 1e-6  # an angle; SciPy's is 1e-7, in float64
_HALF_TURN = 3.1415929  # an angle; the next number of float32 after pi
_LARGEST = 1e30  # what is larger stands for numbers whose squares overflow float64, too
METHODS = ("as_quat", "as_matrix", "as_euler", "as_rotvec", "apply", "inv", "magnitude")


def _vector(value: Any, size: int, what: str) -> Any:
    array = to_jax(to_array(value)).astype(jnp.float32)
    if array.shape != (size,):
        raise ValueProblem(f"{what} takes {size} numbers here, not shape {array.shape}")
    return array


def _product(a: Any, b: Any) -> Any:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return jnp.stack([
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ])  # fmt: skip


def _unit(evaluator: Any, quat: Any, order: bool) -> Rotation:
    largest = jnp.max(jnp.abs(quat))
    wrong = ~(largest > 0)
    evaluator.raises(wrong, "a rotation from a quaternion of zeros or NaN", "it needs norm 1")
    quat = quat / jnp.where(wrong, 1.0, largest)  # squares of what is large overflow in float32
    quat = quat / jnp.where(wrong, 1.0, safe_math.norm(quat))
    return Rotation(jnp.roll(quat, -1) if order else quat)


def _from_quat(evaluator: Any, quat: Any, scalar_first: Any = False) -> Rotation:
    return _unit(evaluator, _vector(quat, 4, "Rotation.from_quat"), scalar_first is True)


def _about(axis: str, angle: Any) -> Any:
    half = angle / 2
    place = "xyz".index(axis)
    parts = [jnp.zeros(()), jnp.zeros(()), jnp.zeros(()), jnp.cos(half)]
    parts[place] = jnp.sin(half)
    return jnp.stack(parts)


def _from_euler(evaluator: Any, seq: Any, angles: Any, degrees: Any = False) -> Rotation:
    if not isinstance(seq, str) or not seq or set(seq.lower()) - set("xyz") or len(seq) > 3:
        raise ValueProblem("Rotation.from_euler needs axes such as 'xyz'")
    array = to_jax(to_array(angles)).astype(jnp.float32).reshape(-1)
    if array.shape != (len(seq),):
        raise PythonRaises(f"{len(seq)} axes and {array.shape[0]} angles")
    array = array * (math.pi / 180) if degrees is True else array
    quat = _about(seq[0].lower(), array[0])
    for axis, angle in zip(seq[1:].lower(), array[1:], strict=True):
        one = _about(axis, angle)
        quat = _product(one, quat) if seq.islower() else _product(quat, one)
    return Rotation(quat)


def _from_matrix(evaluator: Any, matrix: Any) -> Rotation:
    m = to_jax(to_array(matrix)).astype(jnp.float32)
    if m.shape != (3, 3):
        raise ValueProblem("Rotation.from_matrix takes a 3x3 matrix here")
    determinant = jnp.linalg.det(m)
    evaluator.raises(~(determinant > 0), "a rotation from a matrix that is none")
    left, _, right = jnp.linalg.svd(m)
    m = left @ right
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    options = [jnp.stack([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1 + trace])]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        parts = [jnp.zeros(())] * 4
        parts[i] = 1 + 2 * m[i, i] - trace
        parts[j], parts[k] = m[j, i] + m[i, j], m[k, i] + m[i, k]
        parts[3] = m[k, j] - m[j, k]
        options.append(jnp.stack(parts))
    best = jnp.argmax(jnp.stack([trace, m[0, 0], m[1, 1], m[2, 2]]))
    quat = jnp.stack(options)[best]
    return Rotation(quat / safe_math.norm(quat))


def _check_writable(evaluator: Any, array: Any, what: str) -> None:
    """SciPy's compiled code takes no array that cannot be written."""
    if not evaluator.memory.writable(array):
        message = (
            f"SciPy's {what} takes no read-only array, as NumPy's broadcasts and diagonals are"
        )
        raise ValueProblem(message, "pass a copy: x.copy()")


def _from_rotvec(evaluator: Any, rotvec: Any, degrees: Any = False) -> Rotation:
    _check_writable(evaluator, rotvec, "Rotation.from_rotvec")
    vector = _vector(rotvec, 3, "Rotation.from_rotvec")
    vector = vector * (math.pi / 180) if degrees is True else vector
    # SciPy squares: of the largest numbers, such as those of np.nan_to_num, NaN is left.
    angle = jnp.where(jnp.all(jnp.abs(vector) < _LARGEST), safe_math.norm(vector), jnp.nan)
    scale = 0.5 * jnp.sinc(angle / (2 * math.pi))
    return Rotation(jnp.append(vector * scale, jnp.cos(angle / 2)))


def _matrix(quat: Any) -> Any:
    x, y, z, w = quat
    xx, yy, zz, ww = quat * quat
    # SciPy's formula: what it makes exactly zero is so here, which infinity shows.
    return jnp.stack([
        jnp.stack([xx - yy - zz + ww, 2 * (x * y - z * w), 2 * (x * z + y * w)]),
        jnp.stack([2 * (x * y + z * w), -xx + yy - zz + ww, 2 * (y * z - x * w)]),
        jnp.stack([2 * (x * z - y * w), 2 * (y * z + x * w), -xx - yy + zz + ww]),
    ])  # fmt: skip


def _rotvec(quat: Any) -> Any:
    quat = jnp.where(quat[3] < 0, -quat, quat)
    size = safe_math.norm(quat[:3])
    angle = 2 * safe_math.arctan2(size, quat[3])
    scale = jnp.where(size < 1e-6, 2.0, angle / jnp.where(size < 1e-6, 1.0, size))
    return quat[:3] * scale


def _euler(quat: Any, seq: Any, degrees: Any = False) -> Any:
    """Angles about three different fixed (lower case) or turning (upper case) axes."""
    axes = seq.lower() if isinstance(seq, str) else ""
    if len(axes) != 3 or set(axes) != set("xyz") or not (seq.islower() or seq.isupper()):
        raise ValueProblem("Rotation.as_euler needs three different axes, such as 'xyz'")
    turning = seq.isupper()
    i, j, k = ("xyz".index(axis) for axis in (axes if not turning else axes[::-1]))
    sign = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    # Bernardes and Viollet (2022), as in SciPy, which decides between pi and -pi.
    a, b = quat[3] - quat[j], quat[i] + sign * quat[k]
    c, d = quat[j] + quat[3], sign * quat[k] - quat[i]
    half_sum, half_difference = safe_math.arctan2(b, a), safe_math.arctan2(d, c)
    high, low = (safe_math.norm(jnp.stack(pair)) for pair in ((c, d), (a, b)))
    middle = 2 * safe_math.arctan2(high, low)
    first, last = half_sum - half_difference, sign * (half_sum + half_difference)
    up, down = middle <= _LOCKED, middle >= math.pi - _LOCKED  # the outer axes coincide: one is 0
    # SciPy sets the angle of the last turn to 0.
    only = jnp.where(up, 2 * half_sum, 2 * half_difference * (1.0 if turning else -1.0))
    first = jnp.where(up | down, jnp.zeros(()) if turning else only, first)
    last = jnp.where(up | down, sign * only if turning else jnp.zeros(()), last)
    first, last = (jnp.where(jnp.abs(x) > _HALF_TURN, x - jnp.sign(x) * 2 * math.pi, x)
                   for x in (first, last))  # fmt: skip
    middle = middle - math.pi / 2
    angles = jnp.stack([last, middle, first] if turning else [first, middle, last])
    return angles * (180 / math.pi) if degrees is True else angles


def call_method(evaluator: Any, owner: Rotation, name: str, args: tuple, kwargs: dict) -> Any:
    """A method of a rotation."""
    quat = owner.quat
    if name == "as_quat":
        bound = bind("as_quat", ("canonical", "scalar_first"), args, kwargs)
        found = jnp.where(quat[3] < 0, -quat, quat) if bound.get("canonical") is True else quat
        return jnp.roll(found, 1) if bound.get("scalar_first") is True else found
    if name == "as_euler":
        return _euler(quat, **bind("as_euler", ("seq", "degrees"), args, kwargs))
    if name == "as_matrix":
        return _matrix(quat)
    if name == "as_rotvec":
        bound = bind("as_rotvec", ("degrees",), args, kwargs)
        return _rotvec(quat) * (180 / math.pi if bound.get("degrees") is True else 1.0)
    if name == "inv":
        return Rotation(quat * jnp.asarray([-1.0, -1.0, -1.0, 1.0]))
    if name == "magnitude":
        size = safe_math.norm(quat[:3])
        return 2 * safe_math.arctan2(size, jnp.abs(quat[3]))
    bound = bind("apply", ("vectors", "inverse"), args, kwargs)
    matrix = _matrix(quat)
    matrix = matrix.T if bound.get("inverse") is True else matrix
    _check_writable(evaluator, bound["vectors"], "Rotation.apply")
    vectors = to_jax(to_array(bound["vectors"])).astype(jnp.float32)
    if vectors.shape[-1:] != (3,) or vectors.ndim > 2:
        raise ValueProblem(f"Rotation.apply takes vectors of 3 numbers, not shape {vectors.shape}")
    return vectors @ matrix.T


def _maker(name: str, parameters: str, function: Callable) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"Rotation.{name}", tuple(parameters.split()), args, kwargs)
        return function(evaluator, **bound)

    return Primitive(name, call, "own")


ROTATION: dict[str, Any] = {
    "from_quat": _maker("from_quat", "quat scalar_first", _from_quat),
    "from_euler": _maker("from_euler", "seq angles degrees", _from_euler),
    "from_matrix": _maker("from_matrix", "matrix", _from_matrix),
    "from_rotvec": _maker("from_rotvec", "rotvec degrees", _from_rotvec),
    "identity": _maker(
        "identity", "", lambda evaluator: Rotation(jnp.asarray(np.array([0, 0, 0, 1], np.float32)))
    ),
}
