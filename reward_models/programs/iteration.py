"""Python's builtin functions that go through something."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.programs import numbers
from core_jax.reward_models.programs.sequences import Iterator
from core_jax.reward_models.programs.values import (
    Array,
    Dict,
    List,
    Number,
    PythonRaises,
    ValueProblem,
    is_traced,
)


def length(evaluator: Any, value: Any) -> Any:
    return evaluator.size(value)


def range_of(evaluator: Any, *bounds: Any) -> Any:
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


def enumerated(evaluator: Any, value: Any, start: Any = 0) -> Iterator:
    at = lambda i: (evaluator.arithmetic("Add", i, start), evaluator.at_index(value, i))
    return Iterator("enumerate", evaluator.size(value), at)


def zipped(evaluator: Any, *values: Any) -> Iterator:
    size = evaluator.size(values[0])
    for one in values[1:]:
        size = _smaller(evaluator, size, evaluator.size(one))
    return Iterator("zip", size, lambda i: tuple(evaluator.at_index(one, i) for one in values))


def backwards(evaluator: Any, value: Any) -> Iterator:
    size = evaluator.size(value)
    last = evaluator.arithmetic("Sub", size, 1)
    at = lambda i: evaluator.at_index(value, evaluator.arithmetic("Sub", last, i))
    return Iterator("reversed", size, at)


def map_of(evaluator: Any, function: Any, value: Any) -> Iterator:
    return evaluator.mapped(function, value)


def filtered(evaluator: Any, function: Any, value: Any) -> List:
    made = List(())

    def keep(item: Any) -> None:
        truth = evaluator.truth(item if function is None else evaluator.called(function, item))
        if is_traced(truth):
            evaluator.fork(truth, lambda: evaluator.append(made, item), lambda: None)
        elif truth:
            evaluator.append(made, item)

    evaluator.each(value, keep)
    return made


def extreme(largest: bool) -> Any:
    def call(evaluator: Any, *values: Any, key: Any = None, default: Any = _NONE) -> Any:
        if len(values) > 1:
            values = (tuple(values),)
        items: Any = next(iter(values), ())
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


def summed(evaluator: Any, value: Any, start: Any = 0) -> Any:
    if isinstance(value, Array):
        found = evaluator.modules["numpy"]["sum"].call(evaluator, value, axis=0)
        return evaluator.arithmetic("Add", found, start)
    total = Dict({"sum": start})

    def add(item: Any) -> None:
        new = evaluator.arithmetic("Add", evaluator.store.get(total)["sum"], item)
        evaluator.store.set(total, {"sum": new})

    evaluator.each(value, add)
    return evaluator.store.get(total)["sum"]


def in_order(evaluator: Any, value: Any, key: Any = None, reverse: Any = False) -> Any:
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


def any_of(evaluator: Any, value: Any) -> Any:
    return evaluator.merged_truths(value, True)


def all_of(evaluator: Any, value: Any) -> Any:
    return evaluator.merged_truths(value, False)
