"""Equal requests in flight become one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from core_jax.models.failures import ChatError


class SingleFlight:
    """Runs work by key: while it is under way, others with the same key wait for it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._flights: dict[str, Future[None]] = {}

    def run(self, key: str, work: Callable[[], None]) -> None:
        """Does the work, or waits until the work of the same key that is under way is done.

        Raises:
            Exception: what the work raised, in every thread that waited for it.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not leads:
            return flight.result()
        try:
            work()
        except Exception as error:
            self._land(key)
            flight.set_exception(error)
            raise
        except BaseException:  # an interrupt belongs to this thread alone
            self._land(key)
            flight.set_exception(ChatError("the request was interrupted"))
            raise
        self._land(key)
        flight.set_result(None)

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flights[key]
