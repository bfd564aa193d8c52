"""Joining what everything holds on two paths of a program."""

from __future__ import annotations

from typing import Any

from core_jax.reward_models.programs import packing, structures
from core_jax.reward_models.programs.values import Cell, Unset


class Store:
    """What cells hold on one path."""

    def __init__(self, held: dict[Cell, Any] | None = None):
        self.held = dict(held or {})

    def get(self, cell: Cell) -> Any:
        return self.held.get(cell, cell.initial)

    def set(self, cell: Cell, content: Any) -> None:
        self.held[cell] = content

    def copy(self) -> Store:
        return Store(self.held)


class Join:
    """Joins the values of two paths: those of the first where the condition holds."""

    def __init__(self, condition: Any, yes: Store, no: Store):
        self.condition, self.yes, self.no = condition, yes, no
        self._made: dict[tuple[int, int], Any] = {}

    def value(self, yes: Any, no: Any) -> Any:
        if yes is no:
            return yes
        key = (id(yes), id(no))
        if key not in self._made:
            a, b = structures.node_of(yes, self.yes), structures.node_of(no, self.no)
            self._made[key] = self._built(structures.join(a, b), yes, no)
        return self._made[key]

    def _built(self, node: structures.Node, yes: Any, no: Any) -> Any:
        leaves = packing.where(
            self.condition,
            packing.lift(yes, node, self.yes),
            packing.lift(no, node, self.no),
        )
        return packing.build(node, iter(leaves))

    def stores(self) -> Store:
        """A store with the joined contents of all cells."""
        joined = self.no.copy()
        for cell in {**self.yes.held, **self.no.held}:
            a, b = self.yes.get(cell), self.no.get(cell)
            if a is not b:
                joined.set(cell, self._content(cell, a, b))
        return joined

    def _content(self, cell: Cell, a: Any, b: Any) -> Any:
        if isinstance(a, dict) and isinstance(b, dict):
            names = list(a) + [name for name in b if name not in a]
            found = {}
            for name in names:
                sides = [side.get(name, Unset(f"`{name}`")) for side in (a, b)]
                found[name] = self.value(*sides)
            return found
        nodes = [structures.stripped_top(structures.node_of(cell, s)) for s in (self.yes, self.no)]
        node = structures.join(nodes[0], nodes[1])
        return self._built(node, cell, cell).initial
