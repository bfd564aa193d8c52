"""Retries of requests: exponential backoff with jitter; a service's Retry-After is respected."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import TypeVar

from core_jax.models.failures import RequestFailed

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """How often a request is repeated, and after how long. Times in seconds."""

    retries: int = 5
    first_wait: float = 1.0
    """Mean wait before the first repetition; each later one is twice as long."""
    longest_wait: float = 60.0
    longest_requested_wait: float = 300.0
    """No more requests are sent to a service that asks for a longer wait than this."""
    sleep: Callable[[float], object] | None = None
    """How to wait; None: a wait that ends when the model is stopped."""
    uniform: Callable[[], float] = random.random

    def wait(self, failures: int, requested: float | None) -> float:
        """Seconds to wait after a number of failures: at least what the service asks for.

        Jitter is half of the mean to either side, so that many runs do not come back at once.
        """
        mean = min(self.first_wait * 2 ** (failures - 1), self.longest_wait)
        return max(mean * (0.5 + self.uniform()), requested or 0.0)


def with_retries(request: Callable[[], T], policy: RetryPolicy) -> T:
    """The request's result, repeated while its failures are passing ones.

    Raises:
        RequestFailed: not a passing failure, or one too many.
    """
    failures = 0
    while True:
        try:
            return request()
        except RequestFailed as failure:
            failures += 1
            if not failure.passing:
                raise
            if failures > policy.retries:
                text = f"{failure}; given up after {failures} tries"
                raise RequestFailed(text, failure.status) from None
            requested = failure.wait
            if requested is not None and requested > policy.longest_requested_wait:
                text = f"{failure}; the service asks to wait {requested:.0f} s"
                raise RequestFailed(text, failure.status) from None
            wait = policy.wait(failures, requested)
        (policy.sleep or time.sleep)(wait)
