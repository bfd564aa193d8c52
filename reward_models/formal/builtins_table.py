"""Python's builtin functions that formal rewards may use.

The reductions keep Python's meaning on static values and become JAX operations on traced ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.builtins_iteration import ITERATION
from core_jax.reward_models.formal.choices import Choice, depends
from core_jax.reward_models.formal.conversions import tidy, weak
from core_jax.reward_models.formal.entries import cast, number, scalar
from core_jax.reward_models.formal.indexing import constant
from core_jax.reward_models.formal.iterables import Lazy, View
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.texts import formatted
from core_jax.reward_models.formal.values import (
    Primitive,
    PythonRaises,
    Text,
    ValueProblem,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
)
from core_jax.reward_models.formal.whole_numbers import check_cast

_CONTAINERS, _SCALARS = ("list", "tuple", "dict", "str"), ("float", "int", "bool")
_NO_INT = "guard the operation that made it, as in `x / (y + 1e-6)`"
_LARGE = "scale the number down first, or leave out int()"
_NONE = object()
_NON_NUMBERS = ("inf", "infinity", "nan")


def _number(kind: str) -> Callable[..., Any]:
    python = {"float": float, "int": int, "bool": bool}[kind]

    def call(evaluator: Any, x: Any = 0) -> Any:
        if kind == "bool" and not (is_number(x) or is_array(x)):
            return evaluator.truth(x)
        if kind == "float" and isinstance(x, str) and x.strip("+-").lower() in _NON_NUMBERS:
            return float(x)
        value = scalar(x) if kind == "bool" else number(x, f"{kind}()")
        if kind == "int" and is_traced(value) and jnp.issubdtype(value.dtype, jnp.floating):
            evaluator.raises(~jnp.isfinite(value), "int() of NaN or infinity", _NO_INT)
            evaluator.raises(jnp.abs(value) >= 2.0**30, "int() of a number beyond 2**30", _LARGE)
        return cast(value, kind) if is_traced(value) else python(value)

    return call


def _extreme(name: str) -> Callable[..., Any]:
    python = {"max": max, "min": min}[name]

    def call(evaluator: Any, *args: Any, default: Any = _NONE, key: Any = None) -> Any:
        values = list(args) if len(args) != 1 else evaluator.items(args[0])
        if not values:
            if default is _NONE:
                raise PythonRaises(f"{name}() of nothing", "give it a default: default=0.0")
            return default
        if key is not None:
            return by_key(evaluator, values, key)
        if any(isinstance(value, tuple | list | str) or depends(value) for value in values):
            return by_key(evaluator, values, None)
        if not holds_traced(values):
            return python(values)
        values = [number(value, f"{name}()") for value in values]
        return reduce(lambda a, b: chosen(evaluator, a, b), values)

    def by_key(evaluator: Any, values: list, key: Any) -> Any:
        keys = values if key is None else [evaluator.apply_to(key, value) for value in values]
        best, found = keys[0], values[0]
        for one, value in zip(keys[1:], values[1:], strict=True):
            better = evaluator.truth(evaluator.compare("Gt" if name == "max" else "Lt", one, best))
            if is_traced(better):
                best = evaluator.merged(better, one, best)
                found = evaluator.merged(better, value, found)
            elif better:
                best, found = one, value
        return found

    def chosen(evaluator: Any, a: Any, b: Any) -> Any:
        """The first, unless the second is beyond it: also where one of them is NaN."""
        if depends(a) or depends(b):
            return by_key(evaluator, [a, b], None)
        later = b > a if name == "max" else b < a
        if not is_traced(later):
            return b if later else a
        if evaluator.memory.kinds.differ(a, b):
            return evaluator.merged(later, b, a)
        result = tidy(fresh(jnp.where(later, weak(b), weak(a)), (a, b)))
        return evaluator.memory.kinds.chosen(lambda: jnp.logical_not(later), result, a, b)

    return call


def _sum(evaluator: Any, values: Any, start: Any = 0) -> Any:
    return reduce(lambda a, b: evaluator.arithmetic("Add", a, b), evaluator.items(values), start)


def _truth(name: str) -> Callable[..., Any]:
    join = {"any": jnp.logical_or, "all": jnp.logical_and}[name]

    def call(evaluator: Any, values: Any) -> Any:
        truths = []
        before = evaluator.noted() if isinstance(values, Lazy) else []
        with evaluator.passing() as passed:  # Python looks no further than it must
            for value in _each(evaluator, values):
                truths.append(evaluator.truth(value))
                if is_traced(truths[-1]):
                    passed.append((truths[-1], name == "all"))
                elif truths[-1] == (name == "any"):
                    break
        if holds_traced(truths):
            evaluator.check_unchanged(evaluator.place, before)
            return fresh(reduce(join, truths), truths)
        return any(truths) if name == "any" else all(truths)

    return call


def _each(evaluator: Any, values: Any) -> Iterator[Any]:
    """The items of a value; those that `map` makes, each when it is asked for."""
    if isinstance(values, Lazy):
        values.use()
        yield from (evaluator._checked(values.at(index)) for index in range(values.count))
        values.end()
    else:
        yield from evaluator.items(values)


def _abs(evaluator: Any, x: Any) -> Any:
    kinds = evaluator.memory.kinds
    if not is_array(x) and isinstance(x, list | tuple):
        raise ValueProblem(f"abs() of {describe(x)}", "use np.abs")
    _check_constant("abs()", x)
    if is_traced(x) and x.dtype == jnp.bool_ and not x.ndim and kinds.python(x) is not False:
        if kinds.python(x) is not True:
            raise ValueProblem("a truth value that may be Python's or NumPy's", "write int(x)")
        return kinds.as_python(x.astype(jnp.int32))  # NumPy's stays a truth value
    return kinds.of_all(fresh(NUMPY["abs"].call(evaluator, (x,), {}), (x,)), (x,))


def _check_constant(what: str, x: Any) -> None:
    """Refuses a constant truth value where Python's is a number and NumPy's is not."""
    if isinstance(x, bool):
        raise ValueProblem(f"{what} of a constant truth value", "make a number of it: int(x)")


def _round(evaluator: Any, x: Any, ndigits: int | None = None) -> Any:
    value, kinds = number(x, "round()"), evaluator.memory.kinds
    hint = "use np.round(x, n), or round(float(x), n)"
    evaluator.raises(known(kinds.array(x)), "round() of an array, as np.where gives one", hint)
    if not is_traced(value):
        _check_constant("round()", x)
        return round(value, ndigits)
    if ndigits is None:
        check_cast(evaluator, value, "int")
        if jnp.issubdtype(value.dtype, jnp.floating):
            evaluator.raises(~jnp.isfinite(value), "round() of NaN or infinity", _NO_INT)
        return kinds.as_python(jnp.round(value).astype(jnp.int32))
    return kinds.of_all(fresh(jnp.round(value, ndigits), (x,)), (x,))


def _len(evaluator: Any, x: Any) -> int:
    if isinstance(x, View):
        return len(x.owner)
    if is_array(x) and not x.ndim or not (is_array(x) or isinstance(x, list | tuple | dict | str)):
        raise ValueProblem(f"len() of {describe(x)}")
    return len(x)


def to_dict(evaluator: Any, items: Any = (), **named: Any) -> dict:
    made: dict = {}
    with evaluator.holding([made]):
        if isinstance(items, dict):
            evaluator.update(made, items)
            items = ()
        for pair in evaluator.items(items):
            if isinstance(pair, Choice):
                evaluator.over(pair, lambda one: evaluator.set_item(made, *evaluator.items(one)))
            else:
                evaluator.set_item(made, *evaluator.items(pair))
    evaluator.update(made, named)
    return made


def from_keys(evaluator: Any, args: tuple, kwargs: dict) -> dict:
    """`dict.fromkeys(keys, value)`."""
    keys, value = (*args, None)[:2]
    return dict.fromkeys((constant(key) for key in evaluator.items(keys)), value)


def _divmod(evaluator: Any, x: Any, y: Any) -> tuple:
    return evaluator.arithmetic("FloorDiv", x, y), evaluator.arithmetic("Mod", x, y)


def _str(evaluator: Any, x: Any = "") -> str | Text:
    return formatted(x, "")


def _slice(evaluator: Any, *bounds: Any) -> slice:
    if holds_traced(bounds):
        raise ValueProblem("slice() needs constants")
    return slice(*bounds)


def _isinstance(evaluator: Any, value: Any, kinds: Any) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if isinstance(value, Text):
        value = ""
    names = {kind.name for kind in kinds if isinstance(kind, Primitive)}
    if len(names) < len(kinds) or not names <= {*_CONTAINERS, "ndarray", *_SCALARS}:
        raise ValueProblem("isinstance() takes types of Python and np.ndarray here")
    if is_number(value) or is_array(value) and not value.ndim:
        if names & {*_SCALARS, "ndarray"}:  # float or np.float32? that is lost in lowering
            raise ValueProblem("the type of a number is not known here", "use float(x)")
        return False
    kind = "ndarray" if is_array(value) else type(value).__name__
    return kind in names


def _on_evaluator(name: str, function: Callable[..., Any]) -> Primitive:
    gives = "python" if name in ("float", "int", "bool", "any", "all") else "own"
    call = lambda evaluator, args, kwargs: function(evaluator, *args, **kwargs)
    return Primitive(name, call, gives)


BUILTINS: dict[str, Any] = {
    name: _on_evaluator(name, function)
    for name, function in {
        **ITERATION,
        "sum": _sum,
        "max": _extreme("max"),
        "min": _extreme("min"),
        "any": _truth("any"),
        "all": _truth("all"),
        "float": _number("float"),
        "int": _number("int"),
        "bool": _number("bool"),
        "round": _round,
        "len": _len,
        "dict": to_dict,
        "divmod": _divmod,
        "str": _str,
        "list": lambda evaluator, x=(): list(evaluator.items(x)),
        "tuple": lambda evaluator, x=(): tuple(evaluator.items(x)),
        "slice": _slice,
        "isinstance": _isinstance,
        "abs": _abs,
        "pow": lambda evaluator, x, y: evaluator.arithmetic("Pow", x, y),
    }.items()
}
BUILTINS["print"] = Primitive("print", lambda evaluator, args, kwargs: None)
