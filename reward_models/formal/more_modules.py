"""The few functions of `itertools` and `functools` that rewards use."""

from __future__ import annotations

import itertools
from functools import reduce
from typing import Any

from core_jax.reward_models.formal.iterables import Lazy
from core_jax.reward_models.formal.values import (
    MAX_ITEMS,
    Primitive,
    PythonRaises,
    ValueProblem,
    check_items,
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


def _reduce(evaluator: Any, args: tuple, kwargs: dict) -> Any:
    function, values, *start = args
    items = [*start, *evaluator.items(values)]
    if not items:
        raise PythonRaises("reduce() of nothing", "give it a start value")
    return reduce(lambda a, b: evaluator.apply_to(function, a, b), items)


MORE_MODULES: dict[str, dict[str, Any]] = {
    "itertools": {
        name: _of_items(name)
        for name in "combinations permutations product chain islice pairwise".split()
    },
    "functools": {"reduce": Primitive("reduce", _reduce, "own")},
}
