"""The parts of Python's standard library, besides `math`, that rewards use."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.choices import Choice, Kept, Varied, content_of
from core_jax.reward_models.formal.entries import number
from core_jax.reward_models.formal.iterables import Lazy
from core_jax.reward_models.formal.numpy_table import NUMPY
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Namespace,
    Primitive,
    PythonRaises,
    ValueProblem,
    check_items,
    is_array,
    is_traced,
)


def _of_items(name: str) -> Primitive:
    """A function of `itertools`, of sequences whose lengths are known."""
    function = getattr(itertools, name)

    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        counts = {"combinations": 1, "permutations": 1, "islice": 1}.get(name, len(args))
        sequences = [evaluator.items(value) for value in args[:counts]]
        numbers = (*args[counts:], *kwargs.values())
        if not all(one is None or isinstance(one, int) for one in numbers):
            raise ValueProblem(f"itertools.{name} needs constants")
        found = list(
            itertools.islice(function(*sequences, *args[counts:], **kwargs), MAX_ITEMS + 1)
        )
        return Lazy(name, [check_items(found)], lambda item: item)

    return Primitive(f"itertools.{name}", call, "own")


def _accumulate(evaluator: Any, args: tuple, kwargs: dict) -> Lazy:
    values, *function = args
    add = lambda a, b: evaluator.arithmetic("Add", a, b)
    join = (lambda a, b: evaluator.apply_to(function[0], a, b)) if function else add
    items = [*([kwargs["initial"]] if "initial" in kwargs else []), *evaluator.items(values)]
    return Lazy("accumulate", [list(itertools.accumulate(items, join))], lambda item: item)


def _reduce(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    function, values, *start = args
    items = [*start, *evaluator.items(values)]
    if not items:
        raise PythonRaises("reduce() of nothing", "give it a start value")
    return reduce(lambda a, b: evaluator.apply_to(function, a, b), items)


def _partial(evaluator: Any, args: tuple, kwargs: dict) -> Primitive:
    function, *first = args

    def call(inner: Any, more: tuple, named: dict) -> Any:
        return inner.apply_to(function, *first, *more, **(kwargs | named))

    return Primitive("partial", call, "own")


# copy


def _copied(value: Any) -> Any:
    """A list, dict or array of its own, with the same items."""
    if is_array(value):
        return jnp.array(value, copy=True) if is_traced(value) else np.array(value)
    if isinstance(value, list | dict):
        return list(value) if isinstance(value, list) else dict(value)
    return value


def _deep(value: Any, known: dict[int, Any]) -> Any:
    if id(value) in known:
        return known[id(value)]
    content = content_of(value)
    if isinstance(content, Varied):
        items = [_deep(item, known) for item in content.items]
        made: Any = [Varied(content.length, items, content.least)]
    elif isinstance(content, Kept):
        values = {key: _deep(item, known) for key, item in content.values.items()}
        made = Kept(values, dict(content.present), content.ordered).content()
    elif isinstance(value, Choice):
        raise ValueProblem("a copy of a value whose structure depends on the state")
    elif isinstance(value, dict):
        made = {key: _deep(item, known) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        items = [_deep(item, known) for item in value]
        made = items if isinstance(value, list) else tuple(items)
    else:
        made = _copied(value)
    known[id(value)] = made
    return made


# statistics


def _statistic(name: str, least: int, function: Callable[[Any, list], Any]) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        (values,) = args
        items = [number(value, f"statistics.{name}") for value in evaluator.items(values)]
        if len(items) < least:
            raise PythonRaises(f"statistics.{name} of {len(items)} values")
        return function(evaluator, items)

    return Primitive(f"statistics.{name}", call)


def _by_numpy(name: str, **options: Any) -> Callable[[Any, list], Any]:
    return lambda evaluator, items: NUMPY[name].call(evaluator, (items,), options)


# operator

_ARITHMETIC = {"add": "Add", "sub": "Sub", "mul": "Mult", "truediv": "Div", "pow": "Pow",
               "floordiv": "FloorDiv", "mod": "Mod", "matmul": "MatMult"}  # fmt: skip
_COMPARED = {"lt": "Lt", "le": "LtE", "gt": "Gt", "ge": "GtE", "eq": "Eq", "ne": "NotEq"}


def _binary(name: str) -> Primitive:
    def call(evaluator: Any, args: tuple, kwargs: dict) -> Any:
        left, right = args
        if name in _COMPARED:
            return evaluator.compare(_COMPARED[name], left, right)
        return evaluator.arithmetic(_ARITHMETIC[name], left, right)

    return Primitive(f"operator.{name}", call, "own")


def _itemgetter(evaluator: Any, args: tuple, kwargs: dict) -> Primitive:
    def call(inner: Any, more: tuple, named: dict) -> Any:
        (owner,) = more
        found = [inner.item(owner, key) for key in args]
        return found[0] if len(found) == 1 else tuple(found)

    return Primitive("itemgetter", call, "own")


def _unbound(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    message = "a defaultdict that is handed on to something else"
    raise ValueProblem(message, "use a dict and `d[key] = d.get(key, 0.0) + x`")


def _plain(name: str, function: Callable[[Any], Any]) -> Primitive:
    """A function of one argument that does not need the evaluator."""
    return Primitive(name, lambda evaluator, args, kwargs: function(*args), "own")


MORE_MODULES: dict[str, dict[str, Any]] = {
    "itertools": {
        name: _of_items(name)
        for name in "combinations permutations product chain islice pairwise".split()
    }
    | {"accumulate": Primitive("accumulate", _accumulate, "own")},
    "functools": {
        "reduce": Primitive("reduce", _reduce, "own"),
        "partial": Primitive("partial", _partial, "own"),
    },
    "copy": {
        "copy": _plain("copy.copy", _copied),
        "deepcopy": _plain("copy.deepcopy", lambda value: _deep(value, {})),
    },
    "statistics": {
        "mean": _statistic("mean", 1, _by_numpy("mean")),
        "fmean": _statistic("fmean", 1, _by_numpy("mean")),
        "median": _statistic("median", 1, _by_numpy("median")),
        "pstdev": _statistic("pstdev", 1, _by_numpy("std")),
        "pvariance": _statistic("pvariance", 1, _by_numpy("var")),
        "stdev": _statistic("stdev", 2, _by_numpy("std", ddof=1)),
        "variance": _statistic("variance", 2, _by_numpy("var", ddof=1)),
    },
    "operator": {name: _binary(name) for name in (*_ARITHMETIC, *_COMPARED)}
    | {"itemgetter": Primitive("itemgetter", _itemgetter, "own")},
    "sys": {
        "float_info": Namespace(
            "float_info", {key: getattr(sys.float_info, key) for key in ("epsilon", "max", "min")}
        ),
        "maxsize": sys.maxsize,
    },
    "collections": {
        "OrderedDict": BUILTINS["dict"],
        "defaultdict": Primitive("defaultdict", _unbound, "own"),
    },
    "dataclasses": {"dataclass": Primitive("dataclass", _unbound, "own")},
}
