"""Python's builtin functions, and `math`, for image programs."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.sequences import Iterator
from core_jax.reward_models.programs.values import (
    Array,
    Class,
    Dict,
    Instance,
    List,
    Number,
    Primitive,
    PythonRaises,
    Text,
    Type,
    ValueProblem,
    describe,
    is_number,
    is_traced,
)


def _len(evaluator: Any, value: Any) -> Any:
    return evaluator.size(value)


def _range(evaluator: Any, *bounds: Any) -> Any:
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if not all(isinstance(one, int | np.integer | Number) for one in (start, stop, step)):
        raise PythonRaises("range() takes integers", "use int(...)")
    if isinstance(step, Number):
        raise ValueProblem("a step of range() that depends on the picture", "use a constant step")
    if not isinstance(start, Number) and not isinstance(stop, Number):
        return Iterator("range", len(range(start, stop, step)), lambda i: _place(start, step, i))
    first, last = (jnp.asarray(numbers.data_of(one), jnp.int32) for one in (start, stop))
    span = last - first if step > 0 else first - last
    count = jnp.maximum((span + abs(step) - 1) // abs(step), 0)
    return Iterator("range", Number(count, True), lambda i: _place(start, step, i))


def _place(start: Any, step: int, index: Any) -> Any:
    if isinstance(start, Number) or isinstance(index, Number):
        return Number(jnp.asarray(numbers.data_of(start) + step * numbers.data_of(index)), True)
    return start + step * index


def _smaller(evaluator: Any, a: Any, b: Any) -> Any:
    """The smaller of two sizes."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return Number(jnp.minimum(*(jnp.int32(numbers.data_of(one)) for one in (a, b))), True)


def _enumerate(evaluator: Any, value: Any, start: Any = 0) -> Iterator:
    at = lambda i: (evaluator.arithmetic("Add", i, start), evaluator.at_index(value, i))
    return Iterator("enumerate", evaluator.size(value), at)


def _zip(evaluator: Any, *values: Any) -> Iterator:
    size = evaluator.size(values[0])
    for one in values[1:]:
        size = _smaller(evaluator, size, evaluator.size(one))
    return Iterator("zip", size, lambda i: tuple(evaluator.at_index(one, i) for one in values))


def _reversed(evaluator: Any, value: Any) -> Iterator:
    size = evaluator.size(value)
    last = evaluator.arithmetic("Sub", size, 1)
    at = lambda i: evaluator.at_index(value, evaluator.arithmetic("Sub", last, i))
    return Iterator("reversed", size, at)


def _map(evaluator: Any, function: Any, value: Any) -> Iterator:
    return evaluator.mapped(function, value)


def _filter(evaluator: Any, function: Any, value: Any) -> List:
    made = List(())

    def keep(item: Any) -> None:
        truth = evaluator.truth(item if function is None else evaluator.called(function, item))
        if is_traced(truth):
            evaluator.fork(truth, lambda: evaluator.append(made, item), lambda: None)
        elif truth:
            evaluator.append(made, item)

    evaluator.each(value, keep)
    return made


def _extreme(largest: bool) -> Any:
    def call(evaluator: Any, *values: Any, key: Any = None, default: Any = _NONE) -> Any:
        if len(values) > 1:
            values = (tuple(values),)
        (items,) = values
        given = () if default is _NONE else (default,)
        if isinstance(evaluator.size(items), Number) and not isinstance(items, Array):
            return evaluator.best(items, key, largest, given)
        if isinstance(items, Array):
            if len(items.shape) != 1:
                raise PythonRaises("max() or min() of an array of several axes", "use np.max")
            name = "max" if largest else "min"
            return evaluator.modules["numpy"][name].call(evaluator, items)
        held = evaluator.collected(items)
        if not held:
            if given:
                return given[0]
            raise PythonRaises("max() or min() of an empty sequence", "test its length first")
        found, best = held[0], _key(evaluator, key, held[0])
        for one in held[1:]:
            rank = _key(evaluator, key, one)
            better = evaluator.truth(evaluator.compare("Gt" if largest else "Lt", rank, best))
            if is_traced(better):
                found, best = (
                    evaluator.merged(better, *pair) for pair in ((one, found), (rank, best))
                )
            elif better:
                found, best = one, rank
        return found

    return call


_NONE = object()


def _key(evaluator: Any, key: Any, value: Any) -> Any:
    return value if key is None else evaluator.called(key, value)


def _sum(evaluator: Any, value: Any, start: Any = 0) -> Any:
    if isinstance(value, Array):
        found = evaluator.modules["numpy"]["sum"].call(evaluator, value, axis=0)
        return evaluator.arithmetic("Add", found, start)
    total = Dict({"sum": start})

    def add(item: Any) -> None:
        new = evaluator.arithmetic("Add", evaluator.store.get(total)["sum"], item)
        evaluator.store.set(total, {"sum": new})

    evaluator.each(value, add)
    return evaluator.store.get(total)["sum"]


def _sorted(evaluator: Any, value: Any, key: Any = None, reverse: Any = False) -> Any:
    if isinstance(evaluator.size(value), Number):
        return evaluator.ordered(value, key, bool(reverse))
    items = evaluator.collected(value)
    keys = [_key(evaluator, key, one) for one in items]
    if all(isinstance(one, int | float | str) for one in keys):
        order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
        return List(tuple(items[i] for i in order))
    if len(items) > 8:
        raise ValueProblem("sorted() of many items by the picture", "use np.sort or max(..., key=)")
    items, keys = list(items), list(keys)
    for end in range(len(items) - 1, 0, -1):  # a stable sort by exchanging neighbours
        for i in range(end):
            wrong = evaluator.compare("Lt" if reverse else "Gt", keys[i], keys[i + 1])
            truth = evaluator.truth(wrong)
            for row in (items, keys):
                swapped = (row[i + 1], row[i])
                if is_traced(truth):
                    pairs = zip(swapped, (row[i], row[i + 1]), strict=True)
                    row[i], row[i + 1] = (evaluator.merged(truth, a, b) for a, b in pairs)
                elif truth:
                    row[i], row[i + 1] = swapped
    return List(tuple(items))


def _any(evaluator: Any, value: Any) -> Any:
    return evaluator.merged_truths(value, True)


def _all(evaluator: Any, value: Any) -> Any:
    return evaluator.merged_truths(value, False)


def _abs(evaluator: Any, value: Any) -> Any:
    data = evaluator.data(value)
    found = jnp.abs(data) if is_traced(data) else abs(data)
    return evaluator.wrapped(found, numbers.is_python(value), getattr(value, "ragged", None))


def _round(evaluator: Any, value: Any, digits: Any = None) -> Any:
    data = evaluator.data(value)
    if not is_traced(data):
        return round(data, digits) if digits is not None else round(data)
    found = jnp.round(data.astype(jnp.float32), digits or 0)
    return numbers.made(numbers.cast(found, "int64") if digits is None else found, True)


def _print(evaluator: Any, *values: Any, **options: Any) -> None:
    """`print`: what it shows is not needed."""


def _tuple(evaluator: Any, value: Any = ()) -> Any:
    size = evaluator.size(value)
    return evaluator.list_of(value) if isinstance(size, Number) else evaluator.collected(value)


def _list(evaluator: Any, value: Any = ()) -> Any:
    return evaluator.list_of(value)


def _dict(evaluator: Any, value: Any = None, **entries: Any) -> Dict:
    held = {} if value is None else dict(evaluator.store.get(value))
    return Dict(held | entries)


def _isinstance(evaluator: Any, value: Any, kinds: Any) -> Any:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    names = {getattr(kind, "name", "") for kind in kinds}
    if isinstance(value, Array):
        return "ndarray" in names
    if is_number(value):
        dtype = numbers.dtype_of(value).kind
        return {"b": "bool", "i": "int", "u": "int", "f": "float"}[dtype] in names
    held = {tuple: "tuple", List: "list", Dict: "dict", str: "str"}.get(type(value), "")
    if isinstance(value, Instance):
        return any(isinstance(kind, Class) and kind is value.cls for kind in kinds)
    return held in names


def _hasattr(evaluator: Any, owner: Any, name: Any) -> Any:
    if not isinstance(owner, Instance) or not isinstance(name, str):
        raise ValueProblem("hasattr() of anything but `self`", "set a flag in __init__")
    if name in owner.cls.names:
        return True
    return evaluator.compare("In", name, Dict(evaluator.store.get(owner)))


def _pow(evaluator: Any, a: Any, b: Any) -> Any:
    return evaluator.arithmetic("Pow", a, b)


def _divmod(evaluator: Any, a: Any, b: Any) -> Any:
    return (evaluator.arithmetic("FloorDiv", a, b), evaluator.arithmetic("Mod", a, b))


_WHOLE = {"len", "print", "isinstance", "any", "all", "list", "tuple"}
BUILTINS: dict[str, Any] = {
    name: Primitive(name, call, name in _WHOLE)
    for name, call in {
        "len": _len, "range": _range, "enumerate": _enumerate, "zip": _zip, "map": _map,
        "reversed": _reversed, "filter": _filter, "max": _extreme(True), "min": _extreme(False),
        "sum": _sum, "sorted": _sorted, "any": _any, "all": _all, "abs": _abs, "round": _round,
        "print": _print, "tuple": _tuple, "list": _list, "dict": _dict, "hasattr": _hasattr,
        "isinstance": _isinstance, "pow": _pow, "divmod": _divmod,
    }.items()
}  # fmt: skip
BUILTINS |= {name: Type(name) for name in ("int", "float", "bool", "str")}
BUILTINS |= {"object": Class("object", {})}
EXCEPTIONS = frozenset(
    "Exception ValueError IndexError KeyError TypeError ZeroDivisionError AttributeError "
    "RuntimeError BaseException ArithmeticError".split()
)


def converted(evaluator: Any, kind: Type, value: Any = 0) -> Any:
    """`int(value)`, `float(value)`, `np.uint8(value)` and so on."""
    name = kind.name
    if name == "bool":
        return numbers.made(evaluator.truth(value), True)
    if name == "str":
        return value if isinstance(value, str) else Text()
    if isinstance(value, str | Text) or value is None:
        raise PythonRaises(f"{name}() of {describe(value)}")
    data = evaluator.data(value)
    if name in ("int", "float"):
        if np.size(data) != 1 or np.ndim(data) and getattr(value, "ragged", None) is not None:
            raise PythonRaises(f"{name}() of {describe(value)}", "reduce it first, or index it")
        data = data.reshape(()) if np.ndim(data) else data
        if not is_traced(data):
            if isinstance(data, float | np.floating) and not math.isfinite(data) and name == "int":
                raise PythonRaises(f"int() of {data}")
            return (int if name == "int" else float)(data)
        if name == "int" and np.dtype(data.dtype).kind == "f":
            evaluator.raises(~jnp.isfinite(data), "int() of NaN or infinity", "test for it first")
        return numbers.made(numbers.cast(data, "int64" if name == "int" else "float64"), True)
    from core_jax.reward_models.programs.attributes import astype

    return astype(evaluator, value, kind)


def _math(name: str) -> Primitive:
    def call(evaluator: Any, *values: Any) -> Any:
        if not all(is_number(one) for one in values):
            raise PythonRaises(f"math.{name} takes numbers")
        data = [numbers.data_of(one) for one in values]
        if not any(map(is_traced, data)):
            try:
                return getattr(math, name)(*data)
            except (ValueError, OverflowError) as error:
                raise PythonRaises(f"math.{name}: {error}") from None
        wide = [jnp.asarray(one, jnp.float32) for one in data]
        found = getattr(jnp, _JAX_NAMES.get(name, name))(*wide)
        if name in ("sqrt", "log"):
            evaluator.raises(wide[0] < 0 if name == "sqrt" else wide[0] <= 0, f"math.{name}")
        whole = name in ("floor", "ceil", "trunc")
        return numbers.made(numbers.cast(found, "int64") if whole else found, True)

    return Primitive(f"math.{name}", call)


_JAX_NAMES = {"atan2": "arctan2", "fabs": "abs", "pow": "power", "asin": "arcsin",
              "acos": "arccos", "atan": "arctan", "log1p": "log1p"}  # fmt: skip
MATH: dict[str, Any] = {
    name: _math(name)
    for name in "sqrt exp log log2 log10 sin cos tan atan2 atan asin acos hypot floor ceil trunc "
    "fabs pow degrees radians tanh isnan isinf isfinite".split()
}
MATH |= {name: getattr(math, name) for name in ("pi", "e", "inf", "nan", "tau")}
