"""Python's builtin functions that loop: what they go through may depend on the state."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal.choices import depends
from core_jax.reward_models.formal.conversions import to_array, to_jax
from core_jax.reward_models.formal.entries import scalar
from core_jax.reward_models.formal.iterables import Lazy, Rows, View, size_now, turns
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Holder,
    PythonRaises,
    Text,
    ValueProblem,
    describe,
    holds_traced,
    is_traced,
)


def _range(evaluator: Any, *bounds: Any) -> tuple | list:
    if holds_traced(bounds):
        start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        return evaluator.counted(start, stop, step)
    values = range(*bounds)
    if len(values) > MAX_ITEMS:
        raise ValueProblem(f"range() of {len(values)} steps is too long")
    return tuple(values)


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
        _note_nan(evaluator, keys)
        if key is not None or any(np.ndim(to_array(item)) for item in items):
            return _sorted_by(evaluator, items, keys, reverse)
        ordered = list(jnp.sort(jnp.stack([to_jax(scalar(item)) for item in items])))
        return ordered[::-1] if reverse else ordered
    order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
    return [items[i] for i in order]


def _note_nan(evaluator: Any, keys: Any) -> None:
    """Where what is sorted has NaN, its order is an accident of the algorithm."""
    for one in keys:
        if isinstance(one, list | tuple):
            _note_nan(evaluator, one)
        elif is_traced(one) and jnp.issubdtype(one.dtype, jnp.floating):
            fails = jnp.any(jnp.isnan(one))
            evaluator.raises(fails, "an order of NaN", "guard the operation that made it")


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
    numbers = list(
        range(start, start + size_now(part) + 1)
    )  # one more: a list that grows is noticed
    return Lazy("enumerate", [numbers, part], lambda *row: row)


def _reversed(evaluator: Any, sequence: Any) -> Lazy:
    if isinstance(sequence, Lazy):
        raise ValueProblem(f"reversed() of {describe(sequence)}", "make a list of it first")
    return Lazy("reversed", [_part(evaluator, sequence)], lambda item: item, backwards=True)


def _part(evaluator: Any, values: Any) -> Any:
    """What an iterator reads from: a list, iterator or array, the keys, values or items of a dict,
    or the items of anything else."""
    values = evaluator.rows(values)
    if isinstance(values, dict | View) and not depends(values):
        return values if isinstance(values, View) else View(values, "keys")
    return values if isinstance(values, list | Lazy | Rows) else evaluator.items(values)


def _filter(evaluator: Any, function: Any, values: Any) -> list:
    items = evaluator.items(values)
    ended = values.end if isinstance(values, Lazy) else turns(values, lambda _: items).ended
    call = lambda item: item if function is None else evaluator.apply_to(function, item)
    truths = [evaluator.truth(call(item)) for item in items]
    ended()  # Python looks at each item when its turn comes
    return evaluator.collected(
        [(t, x) for t, x in zip(truths, items, strict=True) if t is not False]
    )


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


ITERATION: dict[str, Any] = {
    "range": _range,
    "zip": _zip,
    "sorted": _sorted,
    "map": _map,
    "filter": _filter,
    "next": _next,
    "reversed": _reversed,
    "enumerate": _enumerate,
}
