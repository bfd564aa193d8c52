"""How a function of the tables is called: arguments bound, converted, guarded and folded.

Calls whose arguments are all static are folded with NumPy itself; all others go to `jax.numpy`.
The dangerous argument of a function (the number under a square root) is replaced by a harmless
one on branches that are not taken, see `Evaluator.guard`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import dtypes

from core_jax.reward_models.formal import safe_math
from core_jax.reward_models.formal.conversions import to_array, weak
from core_jax.reward_models.formal.values import (
    Primitive,
    ValueProblem,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
)
from core_jax.reward_models.formal.whole_numbers import check_cast

_FOLD_ELEMENTS = 256
_DTYPE_NOTE = "dtype"
_OPTIONS = "name the options, as in `axis=0`"
_ONLY_BY_NAME = ("keepdims", "ddof")  # NumPy has other arguments before these


def bind(name: str, parameters: tuple[str, ...], args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by parameter name.

    Raises:
        ValueProblem: too many arguments, an unknown keyword, or one given twice.
    """
    if len(args) > len(parameters):
        raise ValueProblem(f"{name} takes at most {len(parameters)} arguments here")
    bound = dict(zip(parameters, args, strict=False))
    for key, value in kwargs.items():
        if key not in parameters or key in bound:
            known = ", ".join(parameters)
            raise ValueProblem(f"{name} has no argument `{key}` here", f"its arguments: {known}")
        bound[key] = value
    return bound


def entry(
    name: str,
    jax_function: Callable,
    numpy_function: Callable,
    arrays: str = "x",
    options: str = "",
    guards: dict[int, float] | None = None,
    sequence: bool = False,
    gives: str = "",
) -> Primitive:
    """A table function: array arguments are converted and guarded, options must be static."""
    names, option_names = tuple(arrays.split()), tuple(options.split())
    named = _by_name(numpy_function, names)
    positional = names + tuple(key for key in option_names if key not in _ONLY_BY_NAME)

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        dtype = kwargs.get(_DTYPE_NOTE)
        result = plain(evaluator, args, kwargs)
        if dtype is None:
            return result
        if not getattr(dtype, "name", dtype).startswith(("float", "double", "single", "half")):
            raise ValueProblem(f"np.{name} gives floats only here", "use .astype on its result")
        return cast(result.item() if isinstance(result, np.generic) else result, dtype)

    def plain(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        if len(args) > len(positional):
            raise ValueProblem(
                f"np.{name} takes at most {len(positional)} arguments in order here", _OPTIONS
            )
        for key in kwargs:
            if key in (*names, _DTYPE_NOTE) and key not in named:
                raise ValueProblem(f"np.{name} has no argument `{key}`", "pass the arrays in order")
        bound = bind(f"np.{name}", names + option_names + (_DTYPE_NOTE,), args, kwargs)
        bound.pop(_DTYPE_NOTE, None)
        chosen = {key: bound.pop(key) for key in option_names if key in bound}
        if holds_traced(chosen):
            raise ValueProblem(f"the options of np.{name} must be constants")
        if [key for key in names if key in bound] != list(names[: len(bound)]) or not bound:
            raise ValueProblem(f"np.{name} needs the arguments {', '.join(names)}")
        values = [bound[key] for key in names if key in bound]
        if sequence:
            if not isinstance(values[0], list | tuple):
                values = [list(evaluator.items(values[0]))]
            values = [to_array(value) for value in values[0]]
        else:
            values = [None if value is None else to_array(value) for value in values]
            _check_truths(name, numpy_function, values)
        static = not any(is_traced(value) for value in values)
        if (
            static
            and sum(np.size(value) for value in values if value is not None) <= _FOLD_ELEMENTS
        ):
            with np.errstate(all="ignore"):
                return numpy_function(*([values] if sequence else values), **chosen)
        for index, fill in (guards or {}).items():
            values[index] = evaluator.guard(values[index], fill)
        if sequence:
            return jax_function([jnp.asarray(weak(value)) for value in values], **chosen)
        values = [None if value is None else weak(value) for value in values]
        if len(values) == 1:
            values = [jnp.asarray(values[0])]
        return jax_function(*values, **chosen)

    return Primitive(name, call, gives)


def _check_truths(name: str, function: Callable, values: list[Any]) -> None:
    """Refuses a function of truth values alone that NumPy has not, or has in half precision."""
    if not isinstance(function, np.ufunc) or any(dtype_of(value) != np.bool_ for value in values):
        return
    hint = f"make it a number, as in `np.{name}(x.astype(float))` or `float(x)`"
    try:
        with np.errstate(all="ignore"):
            result = function(*(np.ones((), np.bool_) for _ in values))
    except TypeError:
        raise ValueProblem(f"NumPy has no np.{name} of a truth value", hint) from None
    if result.dtype == np.float16:
        raise ValueProblem(f"np.{name} of a truth value is in half precision in NumPy", hint)


def dtype_of(value: Any) -> np.dtype | None:
    """The type of a number or an array; None of None."""
    return None if value is None else np.dtype(getattr(value, "dtype", type(value)))


def _by_name(function: Callable, arrays: tuple[str, ...]) -> tuple[str, ...]:
    """What a function of NumPy takes by name."""
    if isinstance(function, np.ufunc):
        return (_DTYPE_NOTE,)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some of those written in C do not tell
        return (*arrays, _DTYPE_NOTE)
    return tuple(one.name for one in parameters if one.kind is not one.POSITIONAL_ONLY)


def sizes_of(value: Any) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(size, int) and 0 <= size <= 1_000 for size in sizes) or len(sizes) > 4:
        raise ValueProblem("a shape must be made of constant integers of at most 1000")
    if math.prod(sizes) > 10_000:
        raise ValueProblem("the array is too large (limit 10000 elements)")
    return sizes


def creator(name: str, parameters: str, create: Callable[..., Any]) -> Primitive:
    names = tuple(parameters.split())

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", (*names, _DTYPE_NOTE), args, kwargs)
        dtype = bound.pop(_DTYPE_NOTE, None)
        result = create(**bound)
        if dtype is None:
            return result
        check_cast(evaluator, result, dtype)
        return cast(result, dtype)

    return Primitive(name, call, gives="array")


def cast(value: Any, dtype: Any, scalars: bool = False) -> Any:
    """`value` with NumPy type `dtype`, given by a name of the table (`float`, `np.int32`).

    With `scalars` an array without dimensions becomes a number.
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", "")
    kind = next((kind for kind in ("float", "int", "bool") if name.startswith(kind)), None)
    if kind is None and name not in ("double", "single", "half", "longdouble"):
        raise ValueProblem(f"{describe(dtype)} is not a number type", "use np.float32")
    value, kind = to_array(value), kind or "float"
    types = {"int": jnp.int32, "bool": jnp.bool_}
    if is_traced(value):
        if value.dtype == jnp.bool_ and kind not in types:
            return safe_math.number_of(value)
        return value.astype(types.get(kind, jnp.float32))
    found = np.asarray(value).astype({"int": np.int64, "bool": np.bool_}.get(kind, np.float64))
    return found if is_array(value) and not scalars else found[()]


def arange(start: Any, stop: Any = None, step: Any = 1) -> Any:
    start, stop = (0, start) if stop is None else (start, stop)
    if holds_traced([start, stop, step]) or not step or abs((stop - start) / step) > 1_000:
        raise ValueProblem("np.arange needs constant bounds and at most 1000 steps")
    return np.arange(start, stop, step)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    sizes_of(num)
    if holds_traced([start, stop]):
        return jnp.linspace(weak(start), weak(stop), num, endpoint=bool(endpoint))
    return np.linspace(start, stop, num, endpoint=bool(endpoint))


def full(shape: Any, fill_value: Any) -> Any:
    value = to_array(fill_value)
    return (jnp if is_traced(value) else np).full(sizes_of(shape), value)


def like(fill: float | None) -> Callable[..., Any]:
    def create(a: Any, fill_value: Any = fill) -> Any:
        value, fill_value = to_array(a), to_array(fill_value)
        kind = value.dtype if is_array(value) else np.asarray(value).dtype  # of ints: ints
        if is_traced(fill_value):
            return jnp.full(np.shape(value), fill_value).astype(dtypes.canonicalize_dtype(kind))
        return np.full(np.shape(value), fill_value).astype(kind)

    return create


def array(object: Any) -> Any:
    value = to_array(object)
    return value if is_traced(value) else np.asarray(value)


def repeat(name: str, function: Callable, count: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", ("a", count, "axis")[: 2 + (name == "repeat")], args, kwargs)
        value = jnp.asarray(weak(bound.pop("a")))
        sizes_of(bound[count])
        if value.size * math.prod(sizes_of(bound[count])) > 10_000:
            raise ValueProblem("the array is too large (limit 10000 elements)")
        return function(value, **bound)

    return Primitive(name, call)


def cast_entry(name: str) -> Primitive:
    """The number type `name` as a function."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        (value,) = args or (0.0,)
        check_cast(evaluator, value, name)
        return cast(value, name, scalars=True)

    return Primitive(name, call)


def number(value: Any, what: str) -> Any:
    """A number, or an array without dimensions as one.

    Raises:
        ValueProblem: anything else, an array or list of one element included.
    """
    if is_number(value) or is_array(value) and not value.ndim:
        return scalar(value)
    hint = "take its element, as in `x[0]`, or reduce it with np.sum, np.mean or np.linalg.norm"
    raise ValueProblem(f"{what} takes a single number, not {describe(value)}", hint)


def scalar(value: Any, what: str = "a single number") -> Any:
    """A number, or an array of one element as a 0-d array.

    Raises:
        ValueProblem: anything else.
    """
    value = to_array(value)
    if np.size(value) != 1:
        raise ValueProblem(
            f"{what} is needed here, not {describe(value)}",
            "reduce it with np.sum, np.mean, np.max or np.linalg.norm",
        )
    if is_traced(value):
        return value.reshape(()) if value.ndim else value
    return value.item() if isinstance(value, np.ndarray) else value


def primitive(name: str, parameters: str, required: int, function: Callable) -> Primitive:
    """A function of bound arguments; traced and static alike."""

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        bound = bind(f"np.{name}", tuple(parameters.split()), args, kwargs)
        if len(bound) < required:
            raise ValueProblem(f"np.{name} needs the arguments {parameters}")
        return function(evaluator, **bound)

    return Primitive(name, call)


def library_of(*values: Any) -> Any:
    return jnp if holds_traced([*values]) else np


def as_of(library: Any, value: Any) -> Any:
    return jnp.asarray(weak(value)) if library is jnp else np.asarray(to_array(value))
