"""Patience with a service: exponential backoff with jitter, and its own wishes honoured."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import TypeVar

from core_jax.models.failures import RequestFailed

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long to go on asking. Times in seconds."""

    retries: int = 5
    first: float = 1.0
    """Mean wait before the first repetition; each later one is twice as long."""
    longest: float = 60.0
    limit: float = 300.0
    """A service that asks for a longer wait than this is given up."""
    sleep: Callable[[float], object] | None = None
    """How to wait; None: so that whoever stops the model ends the wait."""
    chance: Callable[[], float] = random.random

    def delay(self, failures: int, asked: float | None) -> float:
        """Seconds to wait after so many failures: at least what the service asks for.

        Jitter is half of the mean to either side, so that many runs do not come back at once.
        """
        mean = min(self.first * 2 ** (failures - 1), self.longest)
        return max(mean * (0.5 + self.chance()), asked or 0.0)


def with_patience(request: Callable[[], T], patience: Patience) -> T:
    """The request's result, repeated while its failures are passing ones.

    Raises:
        RequestFailed: for good, or once too often.
    """
    failures = 0
    while True:
        try:
            return request()
        except RequestFailed as failure:
            failures += 1
            if not failure.passing:
                raise
            if failures > patience.retries:
                raise RequestFailed(
                    f"{failure}; given up after {failures} tries", failure.status
                ) from None
            if failure.wait is not None and failure.wait > patience.limit:
                raise RequestFailed(
                    f"{failure}; the service asks to wait {failure.wait:.0f} s", failure.status
                ) from None
            wait = patience.delay(failures, failure.wait)
        patience.sleep(wait)
