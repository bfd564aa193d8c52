"""What a run may spend on hosted models, with several requests under way at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from core_jax.models.failures import BudgetError
from core_jax.models.reply_cache import ReplyCache


class Budget:
    """Every request reserves the most that it can cost until its real cost is recorded.

    Args:
        max_cost: USD.
        cache: holds what was spent.
    """

    def __init__(self, max_cost: float, cache: ReplyCache):
        self._max_cost, self._cache = max_cost, cache
        self._reserved, self._requests, self._freed = 0.0, 0, threading.Condition()

    @property
    def under_way(self) -> int:
        """Requests that have a reservation."""
        return self._requests

    def left(self) -> float:
        """USD that are certainly neither spent nor reserved."""
        with self._freed:
            spent, at_risk = self._cache.totals()[1], self._cache.at_risk()
            return self._max_cost - spent - at_risk - self._reserved

    @contextlib.contextmanager
    def reserve(self, most: float) -> Iterator[None]:
        """Reserves `most` USD; waits while only other reservations stand in the way.

        Raises:
            BudgetError: it is more than is left with no other request under way.
        """
        with self._freed:
            while most > self.left():
                if not self._reserved:
                    spent, at_risk = self._cache.totals()[1], self._cache.at_risk()
                    raise BudgetError(self._max_cost, spent, at_risk, most)
                self._freed.wait()
            self._reserved += most
            self._requests += 1
        try:
            yield
        finally:
            with self._freed:
                self._reserved = max(0.0, self._reserved - most)
                self._requests -= 1
                self._freed.notify_all()
