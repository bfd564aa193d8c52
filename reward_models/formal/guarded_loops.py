"""Loops over lists and dicts whose size depends on the state, whose rounds are conditional."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from core_jax.reward_models.formal.choices import (
    Choice,
    Kept,
    Varied,
    conjunction,
    content_of,
    options,
)
from core_jax.reward_models.formal.iterables import Turns, View, turns
from core_jax.reward_models.formal.values import ValueProblem
from core_jax.reward_models.formal.varied import Containers, kept_of


class GuardedLoops(Containers):
    """The part of the evaluator that loops over what may have different sizes."""

    def guarded(self, value: Any) -> Turns:
        """A loop over anything, each of whose rounds may take place on some states only."""
        if isinstance(value, Choice):
            return self._turns_of_choice(value)
        owner: Any = value.owner if isinstance(value, View) else value
        content = content_of(owner)
        if isinstance(content, Varied):
            return self._turns_of_list(owner, content)
        if isinstance(content, Kept):
            return self._turns_of_dict(owner, content.in_order(), getattr(value, "name", "keys"))
        return turns(value, self.items)

    def _turns_of_list(self, owner: list, content: Varied) -> Turns:
        def check() -> None:
            if content_of(owner) is not content:
                message = "what is looped over changes meanwhile"
                raise ValueProblem(message, "loop over a copy of it: list(...)")

        def item(index: int) -> Any:
            check()
            return content.items[index]

        def guard(index: int) -> Any:
            return True if index < content.least else content.length > index

        return Turns(len(content.items), item, [owner], guard, check)

    def _turns_of_dict(self, owner: dict, content: Kept, what: str) -> Turns:
        keys = list(content.values)

        def check() -> Kept:
            now = kept_of(owner)
            same = list(now.values) == keys and all(
                now.present[key] is content.present[key] for key in keys
            )
            if not same:
                message = "the dict that is looped over changes meanwhile"
                raise ValueProblem(message, "loop over a copy of it: dict(...)")
            return now

        def item(index: int) -> Any:
            key, value = keys[index], check().values[keys[index]]
            return {"keys": key, "values": value, "items": (key, value)}[what]

        guard = lambda index: content.present[keys[index]]
        return Turns(len(keys), item, [owner], guard, lambda: (check(), None)[1])

    def _turns_of_choice(self, value: Choice) -> Turns:
        found = [(c, self.guarded(self.rows(one))) for c, one in options(value)]
        count = max(one.count for _, one in found)

        def guards(index: int) -> list[tuple[Any, Turns]]:
            return [(conjunction(c, t.guard(index)), t) for c, t in found if t.count > index]

        def guard(index: int) -> Any:
            there = guards(index)
            if len(there) == len(found) and all(t.guard(index) is True for _, t in found):
                return True
            result = there[0][0]
            for condition, _ in there[1:]:
                result = jnp.logical_or(result, condition)
            return result

        def item(index: int) -> Any:
            sides = [(c, lambda t=t: t.item(index)) for c, t in guards(index)]
            return self._run(sides, lambda m, a, b: m.merge(a, b), False)

        def ended() -> None:
            for _, one in found:
                one.ended()

        return Turns(count, item, [value], guard, ended)

    def rows(self, value: Any) -> Any:
        raise NotImplementedError

    def collect(self, value: Any) -> list:
        """A list of what a loop over `value` runs through; its length may depend on the state."""
        found = self.guarded(self.rows(value))
        pairs = []
        for index in range(found.count):
            there = found.guard(index)
            pairs.append((there, found.item(index)))
        found.ended()
        return self.collected(pairs)
