"""Runs a jaxpr with NumPy, in float32: what the compiler made, without compiling it by XLA.

XLA takes seconds for what a thousand small programs need, NumPy milliseconds. The rules give XLA's
results where NumPy's differ (integer division, conversion to integers, indices out of range); an
operation without a rule is run by JAX. The tests and `judge.py` compare some programs with XLA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy import special

from formal_fuzz import indexed

_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr",
          "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
          "custom_vjp_call": "call_jaxpr", "custom_vmap_call": "call"}  # fmt: skip


class Interpreted:
    """A closed jaxpr as a list of NumPy calls on numbered slots."""

    def __init__(self, closed: Any):
        self.slots: list[Any] = []
        self.steps: list[tuple[Callable, list[int], list[int], list[Any]]] = []
        self.inputs = [self._slot() for _ in closed.jaxpr.invars]
        self.outputs = self._inline(closed.jaxpr, closed.consts, self.inputs)

    def _slot(self, value: Any = None) -> int:
        self.slots.append(value)
        return len(self.slots) - 1

    def _inline(self, jaxpr: Any, consts: Any, inputs: list[int]) -> list[int]:
        names = dict(zip(jaxpr.invars, inputs, strict=True))
        names |= {var: self._slot(np.asarray(value))
                  for var, value in zip(jaxpr.constvars, consts, strict=True)}  # fmt: skip

        def place(var: Any) -> int:
            if hasattr(var, "val"):
                return self._slot(np.asarray(var.val, var.aval.dtype))
            return names[var]

        for eqn in jaxpr.eqns:
            given = [place(var) for var in eqn.invars]
            inner = eqn.params.get(_CALLS.get(eqn.primitive.name, ""))
            if inner is not None:
                made = self._inline(inner.jaxpr, inner.consts, given)
            else:
                made = [self._slot() for _ in eqn.outvars]
                types = [var.aval.dtype for var in eqn.outvars]
                self.steps.append((rule(eqn), given, made, types))
            names |= dict(zip(eqn.outvars, made, strict=True))
        return [place(var) for var in jaxpr.outvars]

    def __call__(self, *args: Any) -> list[Any]:
        """The outputs for one set of inputs."""
        slots = list(self.slots)
        for slot, value in zip(self.inputs, args, strict=True):
            slots[slot] = value
        for function, given, made, types in self.steps:
            found = function(*[slots[slot] for slot in given])
            if len(made) == 1 and not isinstance(found, list | tuple):
                slots[made[0]] = found if found.dtype == types[0] else found.astype(types[0])
            else:
                for slot, value, kind in zip(made, found, types, strict=True):
                    slots[slot] = np.asarray(value, kind)
        return [slots[slot] for slot in self.outputs]


def on_batch(closed: Any, batch: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs for each row of a batch, stacked."""
    program = Interpreted(closed)
    with np.errstate(all="ignore"):
        rows = [program(*row) for row in zip(*batch, strict=True)]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def rule(eqn: Any) -> Callable:
    """A function of the inputs of an equation."""
    name, params = eqn.primitive.name, eqn.params
    if name in PLAIN:
        return PLAIN[name]
    found = MADE[name](eqn, **params) if name in MADE else None
    if found is not None:
        return found
    return lambda *args: jax.tree.map(np.asarray, eqn.primitive.bind(*args, **params))


def _div(x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return np.divide(x, y)
    safe = np.where(y == 0, 1, y)
    return np.where(y == 0, -1, np.trunc(np.divide(x, safe, dtype=np.float64)))


def _rem(x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return np.fmod(x, y)
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, 1, y)))


def _select(which: Any, *cases: Any) -> Any:
    if which.dtype == np.bool_:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


PLAIN: dict[str, Callable] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _div, "rem": _rem,
    "add_any": np.add, "pow": lambda x, y: np.power(x, y, dtype=x.dtype), "max": np.maximum,
    "min": np.minimum, "neg": np.negative, "abs": np.abs, "sign": np.sign, "square": np.square,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "cbrt": np.cbrt, "exp": np.exp,
    "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "atan2": np.arctan2, "floor": np.floor, "ceil": np.ceil,
    "logistic": _logistic, "erf": special.erf, "lgamma": special.gammaln,
    "is_finite": np.isfinite, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "select_n": _select,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "copy": lambda x: x, "copy_p": lambda x: x, "stop_gradient": lambda x: x,
    "nextafter": np.nextafter,
}  # fmt: skip


def _converted(eqn: Any, new_dtype: Any, **_: Any) -> Callable:
    kind = np.dtype(new_dtype)
    if kind.kind not in "iu" or eqn.invars[0].aval.dtype.kind != "f":
        return lambda x: np.not_equal(x, 0) if kind == np.bool_ else x.astype(kind)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return lambda x: np.where(np.isnan(x), 0, np.clip(x.astype(np.float64), low, high)).astype(kind)


def _reduction(function: Callable, start: Any = None) -> Callable:
    def make(eqn: Any, axes: Any, **_: Any) -> Callable:
        if start is None:
            return lambda x: np.asarray(function(x, axis=axes))
        kind = eqn.invars[0].aval.dtype
        if kind.kind == "b":
            return lambda x: np.asarray(function(x, axis=axes))
        first = (np.finfo(kind).dtype.type(start) if kind.kind == "f" else
                 np.iinfo(kind).min if start < 0 else np.iinfo(kind).max)  # fmt: skip
        return lambda x: np.asarray(function(x, axis=axes, initial=first))

    return make


def _accumulated(function: Any) -> Callable:
    def make(eqn: Any, axis: int, reverse: bool, **_: Any) -> Callable:
        kind = eqn.outvars[0].aval.dtype
        if reverse:
            flip = lambda x: np.flip(x, axis)
            return lambda x: flip(function.accumulate(flip(x), axis=axis, dtype=kind))
        return lambda x: function.accumulate(x, axis=axis, dtype=kind)

    return make


def _round(eqn: Any, rounding_method: Any, **_: Any) -> Callable:
    if int(rounding_method) == 1:
        return np.rint
    return lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x)


def _broadcast(eqn: Any, shape: Any, broadcast_dimensions: Any, **_: Any) -> Callable | None:
    old = [1] * len(shape)
    for place, size in zip(broadcast_dimensions, eqn.invars[0].aval.shape, strict=True):
        old[place] = size
    return lambda x: np.broadcast_to(np.reshape(x, old), shape)


def _slice(eqn: Any, start_indices: Any, limit_indices: Any, strides: Any, **_: Any) -> Callable:
    steps = strides or (1,) * len(start_indices)
    key = tuple(map(slice, start_indices, limit_indices, steps))
    return lambda x: x[key]


def _pad(eqn: Any, padding_config: Any, **_: Any) -> Callable | None:
    if any(low < 0 or high < 0 or inner for low, high, inner in padding_config):
        return None
    widths = [(low, high) for low, high, _ in padding_config]
    return lambda x, value: np.pad(x, widths, constant_values=value)


def _dot(eqn: Any, dimension_numbers: Any, **_: Any) -> Callable | None:
    (left, right), (batch, _) = dimension_numbers
    if batch:
        return None
    return lambda x, y: np.asarray(np.tensordot(x, y, (left, right)))


def _sort(eqn: Any, dimension: int, num_keys: int, **_: Any) -> Callable | None:
    if num_keys > 1:
        return None
    if len(eqn.invars) == 1:
        return lambda x: [np.sort(x, axis=dimension, kind="stable")]

    def run(*arrays: Any) -> list:
        order = np.argsort(arrays[0], axis=dimension, kind="stable")
        return [np.take_along_axis(x, order, dimension) for x in arrays]

    return run


def _scan(eqn: Any, jaxpr: Any, length: int, num_consts: int, num_carry: int, reverse: bool,
          **_: Any) -> Callable:  # fmt: skip
    body = Interpreted(jaxpr)

    def run(*args: Any) -> list:
        consts, carry = args[:num_consts], list(args[num_consts : num_consts + num_carry])
        rows, ys = args[num_consts + num_carry :], []
        for index in reversed(range(length)) if reverse else range(length):
            found = body(*consts, *carry, *(x[index] for x in rows))
            carry, y = found[:num_carry], found[num_carry:]
            ys.append(y)
        ys = ys[::-1] if reverse else ys
        return [*carry, *(np.stack(column) for column in zip(*ys, strict=True))]

    return run


def _while(eqn: Any, cond_jaxpr: Any, cond_nconsts: int, body_jaxpr: Any, body_nconsts: int,
           **_: Any) -> Callable:  # fmt: skip
    test, body = Interpreted(cond_jaxpr), Interpreted(body_jaxpr)

    def run(*args: Any) -> list:
        first, rest = args[:cond_nconsts], args[cond_nconsts:]
        second, values = rest[:body_nconsts], list(rest[body_nconsts:])
        while test(*first, *values)[0]:
            values = body(*second, *values)
        return values

    return run


def _extreme_place(function: Callable) -> Callable:
    return lambda eqn, axes, **_: lambda x: np.asarray(function(x, axis=axes[0]))


MADE: dict[str, Callable] = {
    "convert_element_type": _converted, "reduce_sum": _reduction(np.sum),
    "reduce_prod": _reduction(np.prod), "reduce_max": _reduction(np.max, -np.inf),
    "reduce_min": _reduction(np.min, np.inf), "reduce_and": _reduction(np.all),
    "reduce_or": _reduction(np.any), "argmax": _extreme_place(np.argmax),
    "argmin": _extreme_place(np.argmin), "cumsum": _accumulated(np.add),
    "cumprod": _accumulated(np.multiply), "cummax": _accumulated(np.maximum),
    "cummin": _accumulated(np.minimum), "round": _round, "broadcast_in_dim": _broadcast,
    "integer_pow": lambda eqn, y: (lambda x: np.power(x, y, dtype=x.dtype)) if y >= 0 else (
        lambda x: 1 / np.power(x, -y, dtype=x.dtype)),
    "reshape": lambda eqn, new_sizes, **_: lambda x: np.reshape(x, new_sizes),
    "squeeze": lambda eqn, dimensions: lambda x: np.squeeze(x, dimensions),
    "expand_dims": lambda eqn, dimensions: lambda x: np.expand_dims(x, dimensions),
    "transpose": lambda eqn, permutation: lambda x: np.transpose(x, permutation),
    "concatenate": lambda eqn, dimension: lambda *xs: np.concatenate(xs, dimension),
    "stack": lambda eqn, axis: lambda *xs: np.stack(xs, axis),
    "tile": lambda eqn, reps: lambda x: np.tile(x, reps),
    "rev": lambda eqn, dimensions: lambda x: np.flip(x, dimensions),
    "iota": lambda eqn, dtype, shape, dimension, **_: lambda: np.indices(shape, dtype)[dimension],
    "slice": _slice, "pad": _pad, "dot_general": _dot, "sort": _sort, "scan": _scan,
    "while": _while, "gather": indexed.gather, "scatter": indexed.scatter(None),
    "scatter-add": indexed.scatter(np.add), "dynamic_slice": indexed.dynamic_slice,
    "dynamic_update_slice": indexed.dynamic_update_slice,
}  # fmt: skip
