"""What a run may spend on hosted models, with several requests under way at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from core_jax.models.failures import BudgetError
from core_jax.models.reply_cache import ReplyCache


class Budget:
    """Every request reserves the most that it can cost until its real cost is in the books."""

    def __init__(self, most: float, cache: ReplyCache):
        self._most, self._cache = most, cache
        self._reserved, self._freed = 0.0, threading.Condition()

    def left(self) -> float:
        """USD that are certainly neither spent nor reserved."""
        with self._freed:
            return self._most - self._cache.totals()[1] - self._cache.at_risk() - self._reserved

    @contextlib.contextmanager
    def reserve(self, worst: float) -> Iterator[None]:
        """Holds back `worst` USD; waits while only other reservations stand in the way.

        Raises:
            BudgetError: it is more than is left with no other request under way.
        """
        with self._freed:
            while worst > self.left():
                if not self._reserved:
                    spent, at_risk = self._cache.totals()[1], self._cache.at_risk()
                    raise BudgetError(self._most, spent, at_risk, worst)
                self._freed.wait()
            self._reserved += worst
        try:
            yield
        finally:
            with self._freed:
                self._reserved = max(0.0, self._reserved - worst)
                self._freed.notify_all()
