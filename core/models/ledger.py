"""What a run has paid for and may still spend; one ledger is shared by all its hosted models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from core_jax.models.budget import Budget
from core_jax.models.reply_cache import ReplyCache
from core_jax.models.single_flight import SingleFlight
from core_jax.models.troubles import TroubleLog


class UsageLedger:
    """The replies that were paid for, the budget, and the requests under way.

    Attributes:
        cache: every reply and its cost.
        budget: what may still be spent.
        flights: makes equal questions in flight one request.
        troubles: logs what failed.
        stopped: once it is set, no more requests are sent.
    """

    def __init__(
        self, cache: ReplyCache, max_cost: float, note: Callable[[str], None] | None = None
    ):
        self.cache, self.budget = cache, Budget(max_cost, cache)
        self.flights, self.troubles = SingleFlight(), TroubleLog(note)
        self.stopped = threading.Event()

    def spent(self) -> tuple[int, float]:
        """Tokens and USD of every answer in the run's folder, whichever process asked."""
        return self.cache.totals()

    def stop(self) -> bool:
        """Stops sending requests; returns whether none is under way any more."""
        self.stopped.set()
        return not self.budget.under_way

    def close(self) -> None:
        """Closes the database."""
        self.cache.close()


def open_ledger(
    max_cost: float, folder: Path, note: Callable[[str], None] | None = None
) -> UsageLedger:
    """The ledger in a run's folder.

    Args:
        max_cost: USD that the run may spend, what is in the folder already included.
        folder: holds `replies.sqlite`, which is made if it is not there.
        note: logs a line; failures of services are not logged without it.

    Raises:
        ChatError: the file is damaged or cannot be written.
    """
    return UsageLedger(ReplyCache(folder / "replies.sqlite"), max_cost, note)
