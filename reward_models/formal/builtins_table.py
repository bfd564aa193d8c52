"""Python's builtin functions that formal rewards may use.

The reductions keep Python's meaning on static values and become JAX operations on traced ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import Choice
from core_jax.reward_models.formal.entries import cast, number, scalar
from core_jax.reward_models.formal.indexing import constant
from core_jax.reward_models.formal.iterables import Lazy, Rows, View
from core_jax.reward_models.formal.kinds import known
from core_jax.reward_models.formal.memory import fresh
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.texts import formatted
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Holder,
    Primitive,
    PythonRaises,
    Text,
    ValueProblem,
    describe,
    holds_traced,
    is_array,
    is_number,
    is_traced,
    to_array,
    to_jax,
)

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
    joined = NUMPY[{"max": "maximum", "min": "minimum"}[name]]
    python = {"max": max, "min": min}[name]

    def call(evaluator: Any, *args: Any, default: Any = _NONE, key: Any = None) -> Any:
        values = list(args) if len(args) != 1 else evaluator.items(args[0])
        if not values:
            if default is _NONE:
                raise PythonRaises(f"{name}() of nothing", "give it a default: default=0.0")
            return default
        if key is not None:
            return by_key(evaluator, values, key)
        if any(isinstance(value, tuple | list | str) for value in values):
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
        result = fresh(joined.call(evaluator, (a, b), {}), (a, b))
        first = lambda: jnp.logical_not(b > a if name == "max" else b < a)
        return evaluator.memory.kinds.chosen(first, result, a, b)

    return call


def _sum(evaluator: Any, values: Any, start: Any = 0) -> Any:
    return reduce(lambda a, b: evaluator.arithmetic("Add", a, b), evaluator.items(values), start)


def _truth(name: str) -> Callable[..., Any]:
    join = {"any": jnp.logical_or, "all": jnp.logical_and}[name]

    def call(evaluator: Any, values: Any) -> Any:
        truths = []
        with evaluator.passing() as passed:  # Python looks no further than it must
            for value in _each(evaluator, values):
                truths.append(evaluator.truth(value))
                if is_traced(truths[-1]):
                    passed.append((truths[-1], name == "all"))
                elif truths[-1] == (name == "any"):
                    break
        if holds_traced(truths):
            return fresh(reduce(join, truths), truths)
        return any(truths) if name == "any" else all(truths)

    return call


def _each(evaluator: Any, values: Any) -> Iterator[Any]:
    """The items of a value; those that `map` makes, each when it is asked for."""
    if isinstance(values, Lazy):
        values.use()
        yield from (evaluator._checked(values.at(index)) for index in range(values.count))
    else:
        yield from evaluator.items(values)


def _abs(evaluator: Any, x: Any) -> Any:
    kinds = evaluator.memory.kinds
    if not is_array(x) and isinstance(x, list | tuple):
        raise ValueProblem(f"abs() of {describe(x)}", "use np.abs")
    return kinds.of_all(fresh(NUMPY["abs"].call(evaluator, (x,), {}), (x,)), (x,))


def _round(evaluator: Any, x: Any, ndigits: int | None = None) -> Any:
    value, kinds = number(x, "round()"), evaluator.memory.kinds
    hint = "use np.round(x, n), or round(float(x), n)"
    evaluator.raises(known(kinds.array(x)), "round() of an array, as np.where gives one", hint)
    if not is_traced(value):
        return round(value, ndigits)
    if ndigits is None:
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


def _range(evaluator: Any, *bounds: Any) -> tuple | list:
    if holds_traced(bounds):
        start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        return evaluator.counted(start, stop, step)
    values = range(*bounds)
    if len(values) > MAX_ITEMS:
        raise ValueProblem(f"range() of {len(values)} steps is too long")
    return tuple(values)


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


def _zip(evaluator: Any, *sequences: Any, strict: bool = False) -> Lazy:
    parts = [_part(evaluator, values) for values in sequences]
    found = Lazy("zip", parts, lambda *row: row)
    if strict and len(set(found.sizes)) > 1:
        raise ValueProblem(f"zip() of different lengths: {found.sizes}")
    return found


def _sorted(evaluator: Any, values: Any, key: Any = None, reverse: bool = False) -> list:
    items = evaluator.items(values)
    keys = items if key is None else [evaluator.apply_to(key, item) for item in items]
    if any(isinstance(one, Holder | Text) for one in keys):
        raise ValueProblem("sorted() by a value that depends on the state")
    if keys and all(isinstance(one, tuple) and one for one in keys):
        first = [one[0] for one in keys]
        if not holds_traced(first) and len(set(first)) == len(first):
            keys = first  # as of a dict's items: what follows decides nothing
    if holds_traced(keys):
        if key is not None or any(np.ndim(to_array(item)) for item in items):
            return _sorted_by(evaluator, items, keys, reverse)
        ordered = list(jnp.sort(jnp.stack([to_jax(scalar(item)) for item in items])))
        return ordered[::-1] if reverse else ordered
    order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
    return [items[i] for i in order]


def _sorted_by(evaluator: Any, items: list, keys: list, reverse: bool) -> list:
    """A stable sort by keys that depend on the state, by exchanging neighbours."""
    if len(items) > 12:
        raise ValueProblem(f"sorted() of {len(items)} items by the state", "use np.argsort")
    items, keys = list(items), list(keys)
    for end in range(len(items) - 1, 0, -1):
        for i in range(end):
            wrong = evaluator.compare("Lt" if reverse else "Gt", keys[i], keys[i + 1])
            wrong = evaluator.truth(wrong)
            for row in (items, keys):
                a, b = row[i], row[i + 1]
                if is_traced(wrong):
                    row[i], row[i + 1] = (
                        evaluator.merged(wrong, *pair) for pair in ((b, a), (a, b))
                    )
                elif wrong:
                    row[i], row[i + 1] = b, a
    return items


def _map(evaluator: Any, function: Any, *sequences: Any) -> Lazy:
    parts = [_part(evaluator, values) for values in sequences]
    return Lazy("map", parts, lambda *row: evaluator.apply_to(function, *row))


def _enumerate(evaluator: Any, iterable: Any, start: int = 0) -> Lazy:
    part = _part(evaluator, iterable)
    count = len(part) if isinstance(part, list) else part.count
    return Lazy("enumerate", [list(range(start, start + count)), part], lambda *row: row)


def _reversed(evaluator: Any, sequence: Any) -> Lazy:
    if isinstance(sequence, Lazy):
        raise ValueProblem(f"reversed() of {describe(sequence)}", "make a list of it first")
    return Lazy("reversed", [_part(evaluator, sequence)], lambda item: item, backwards=True)


def _part(evaluator: Any, values: Any) -> Any:
    """What an iterator reads from: a list, iterator or array, or the items of anything else."""
    values = evaluator.rows(values)
    return values if isinstance(values, list | Lazy | Rows) else evaluator.items(values)


def _filter(evaluator: Any, function: Any, values: Any) -> list:
    items = evaluator.items(values)
    call = lambda item: item if function is None else evaluator.apply_to(function, item)
    truths = [evaluator.truth(call(item)) for item in items]
    return evaluator.collected(
        [(t, x) for t, x in zip(truths, items, strict=True) if t is not False]
    )


def _divmod(evaluator: Any, x: Any, y: Any) -> tuple:
    return evaluator.arithmetic("FloorDiv", x, y), evaluator.arithmetic("Mod", x, y)


def _str(evaluator: Any, x: Any = "") -> str | Text:
    return formatted(x, "")


def _next(evaluator: Any, iterator: Any, *default: Any) -> Any:
    if not isinstance(iterator, Lazy):
        message = f"next() of {describe(iterator)}"
        raise ValueProblem(message, "next() takes a generator here: next((x for x in xs), 0.0)")
    iterator.use()
    if iterator.count:
        return evaluator._checked(iterator.at(0))
    if not default:
        raise PythonRaises("next() of nothing", "give it a default: next(..., 0.0)")
    return default[0]


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
        "range": _range,
        "dict": to_dict,
        "zip": _zip,
        "sorted": _sorted,
        "map": _map,
        "filter": _filter,
        "divmod": _divmod,
        "str": _str,
        "next": _next,
        "list": lambda evaluator, x=(): list(evaluator.items(x)),
        "tuple": lambda evaluator, x=(): tuple(evaluator.items(x)),
        "reversed": _reversed,
        "enumerate": _enumerate,
        "slice": _slice,
        "isinstance": _isinstance,
        "abs": _abs,
        "pow": lambda evaluator, x, y: evaluator.arithmetic("Pow", x, y),
    }.items()
}
BUILTINS["print"] = Primitive("print", lambda evaluator, args, kwargs: None)
