"""What can go wrong between asking a hosted model and having its answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from core_jax.models.keys import Key

PASSING = frozenset({408, 409, 429})  # and every 5xx
SHOWN = 300  # characters of a service's own words


class ChatError(Exception):
    """A hosted model gave nothing that a run could go on with."""


class AccessError(ChatError):
    """A wrong key, model or address: whatever is asked, there will be no answer."""


class BudgetError(ChatError):
    """The next request could cost more than is left. Amounts in USD."""

    def __init__(self, budget: float, spent: float, at_risk: float, next_cost: float):
        self.budget, self.spent, self.at_risk, self.next_cost = budget, spent, at_risk, next_cost
        lost = ""
        if at_risk:
            lost = f" and at most {_usd(at_risk)} for requests whose answers got lost"
        super().__init__(
            f"the language model's budget is used up: {_usd(spent)} of {_usd(budget)} spent{lost}, "
            f"and the next request can cost {_usd(next_cost)}. Answers already paid for are kept: "
            "raise --max-cost and go on with --resume, or lower --chat.max-output-tokens"
        )


class RequestFailed(Exception):
    """One request had no answer.

    Attributes:
        status: the HTTP status, None if there was none.
        passing: whether the same request may succeed later.
        wait: seconds that the service asks to wait before that, None if it does not say.
        billed: whether the answer may have been made, and billed, and got lost.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        passing: bool = False,
        wait: float | None = None,
        billed: bool = False,
    ):
        super().__init__(message)
        self.status, self.passing, self.wait, self.billed = status, passing, wait, billed


def lost(error: httpx2.HTTPError, key: Key) -> RequestFailed:
    """A failure of the connection: out of reach, too slow, cut off."""
    before = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    what = "no answer in time" if isinstance(error, httpx2.TimeoutException) else "connection lost"
    text = key.hide(f"{what} ({type(error).__name__}: {error})")
    return RequestFailed(text, passing=True, billed=not isinstance(error, before))


def refused(status: int, headers: Mapping[str, str], body: str, key: Key) -> RequestFailed:
    """An HTTP status other than success."""
    if status in (401, 403):
        # The service's own words are left out: some repeat a part of the key.
        said = f"does not accept {key.variable}" if key.reveal() else f"wants {key.variable} set"
        return RequestFailed(f"HTTP {status}: the service {said}", status)
    return RequestFailed(
        key.hide(f"HTTP {status}: {_message(body)}"),
        status,
        passing=status in PASSING or status >= 500,
        wait=_wait(headers, body),
    )


def garbled(body: str, key: Key) -> RequestFailed:
    """A successful status, but no JSON: a body that was cut off, or a proxy's page."""
    start = key.hide(body[:80])
    return RequestFailed(f"the answer is not JSON: {start!r}...", passing=True, billed=True)


def _message(body: str) -> str:
    """The service's explanation, from the places where services put it."""
    content = _json(body)
    error = content.get("error", content) if isinstance(content, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return (message if isinstance(message, str) else body)[:SHOWN]


def _wait(headers: Mapping[str, str], body: str) -> float | None:
    """Seconds of a Retry-After header (a number, or a date), or of Google's RetryInfo."""
    header = headers.get("retry-after")
    if header is not None:
        try:
            return max(0.0, float(header))
        except ValueError:
            return _until(header)
    content = _json(body)
    error = content.get("error") if isinstance(content, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.removesuffix("s").replace(".", "", 1).isdigit():
            return float(delay.removesuffix("s"))
    return None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None  # neither a number nor a date: as if it were not there


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 or not amount else f"${amount:.4f}"
