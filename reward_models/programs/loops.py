"""Loops over what is known only at run time: one round is traced, `lax.while_loop` repeats it.

What a round changes is the loop's carry. Its structure is found by tracing a round from the values
before the loop: what does not come out as it went in is given a wider structure, and the round is
traced again, until it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.programs import packing, structures
from core_jax.reward_models.programs.paths import Exit, Paths, Store, Widen, both
from core_jax.reward_models.programs.structures import Node
from core_jax.reward_models.programs.values import Cell, Number, ValueProblem

_ATTEMPTS = 8
_CODES = ("go", "break", "return", "raise")


class Loops(Paths):
    """The part of the evaluator that repeats a block."""

    depth: int = 0  # of loops in loops

    def repeat(self, count: Any, round_of: Callable[[Number], None]) -> Any:
        """Run `round_of(index)` for each index below `count`, a traced 0-d int32.

        Returns:
            Whether the loop came to its end without `break`: traced 0-d bool.
        """
        start, live = self.store, self.live
        outer, limit = self.exits, Cell(None).serial
        carry: dict[Cell, Node] = {}
        self.depth += 1
        if self.depth > 3:
            raise ValueProblem("loops over the picture's contents are nested too deeply")
        try:
            for _ in range(_ATTEMPTS):
                try:
                    leaves, code, kinds = self._attempt(count, round_of, start, live, carry, limit)
                    break
                except Widen:
                    self.store, self.live, self.exits = start, live, outer
            else:
                raise ValueProblem("a loop changes the kind of a value in every round")
        finally:
            self.exits = outer
            self.depth -= 1
        self.store = self._built(start, carry, leaves)
        for kind in ("return", "raise"):
            if kind in kinds:
                found = outer[kind]
                assert found is not None
                ended = code == _CODES.index(kind)
                found.append(Exit(both(live, ended), self.store.copy()))
        self.live = both(live, code <= 1) if {"return", "raise"} & kinds else live
        return code == 0

    def _attempt(
        self,
        count: Any,
        round_of: Callable[[Number], None],
        start: Store,
        live: Any,
        carry: dict[Cell, Node],
        limit: int,
    ) -> tuple[list, Any, set[str]]:
        kinds: set[str] = set()
        catching = self.exits["raise"] is not None

        def run(state: tuple) -> tuple:
            index, _, leaves = state
            self.store, self.live = self._built(start, carry, leaves), True
            self.exits = {"return": [], "break": [], "continue": []}
            self.exits["raise"] = [] if catching else None
            round_of(Number(index, True))
            kinds.update(kind for kind in _CODES if self.exits.get(kind))
            code = self._round_end()
            self._widen(start, carry, limit)
            lifted = [
                x for cell, node in carry.items() for x in packing.lift(cell, node, self.store)
            ]
            return index + 1, code, lifted

        def go_on(state: tuple) -> Any:
            index, code, _ = state
            more = jnp.logical_and(index < count, code == 0)
            return both(live, more)

        leaves = [x for cell, node in carry.items() for x in packing.lift(cell, node, start)]
        _, code, leaves = jax.lax.while_loop(go_on, run, (jnp.int32(0), jnp.int32(0), leaves))
        return leaves, code, kinds

    def _round_end(self) -> Any:
        """Join the paths of a round; which kind of jump it ended in."""
        ends = [(0, Exit(self.live, self.store))]
        for kind, code in (("continue", 0), ("break", 1), ("return", 2), ("raise", 3)):
            ends += [(code, one) for one in self.exits.get(kind) or []]
        self.rejoined([one for _, one in ends])
        code = jnp.int32(0)
        for number, one in ends:
            if number and one.live is not False:
                code = jnp.where(one.live, number, code)
        return code

    def _widen(self, start: Store, carry: dict[Cell, Node], limit: int) -> None:
        """Give the carry all that a round changed, in a structure that holds it.

        Raises:
            Widen: it was not so.
        """
        changed = False
        for cell in list(self.store.held):
            known = cell in carry
            if cell.serial > limit or not known and self.store.get(cell) is start.get(cell):
                continue
            top = structures.stripped_top
            before = carry[cell] if known else top(structures.node_of(cell, start))
            after = top(structures.node_of(cell, self.store))
            joined = structures.join(before, after, limit)
            if not known or not structures.equal(joined, before):
                carry[cell], changed = joined, True
        if changed:
            raise Widen

    def _built(self, start: Store, carry: dict[Cell, Node], leaves: list) -> Store:
        store, rest = start.copy(), iter(leaves)
        for cell, node in carry.items():
            store.set(cell, packing.build(node, rest).initial)
        return store
