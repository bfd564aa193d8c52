"""What can go wrong between asking a hosted model and having its answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from core_jax.models.keys import Key
from core_jax.models.text import one_line

PASSING = frozenset({408, 409, 425, 429})  # and every 5xx
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SHOWN = 300  # characters of a service's own words
DEEPEST = 50  # levels of JSON; documented answers have some ten


class ChatError(Exception):
    """A hosted model gave nothing that a run could use."""


class AccessError(ChatError):
    """A wrong key, model or address, or no credit: no request will be answered."""


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
            "raise --max-cost and continue with --resume, or lower --chat.max-output-tokens"
        )


class RequestFailed(Exception):
    """One request had no answer.

    Attributes:
        status: the HTTP status, or the one in a body that reports an error; None if there is none.
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


def shown(text: str, key: Key, length: int = SHOWN) -> str:
    """A service's words for people: one line, without control characters and key, not too long."""
    # In this order: a key must not be put together by what is removed, nor cut before it is masked.
    return key.mask(one_line(text))[:length]


def connection_failed(error: Exception, key: Key, proxies: str = "") -> RequestFailed:
    """A failure of the connection: not reachable, too slow, cut off.

    Args:
        error: what the HTTP library raised.
        key: is masked in its words.
        proxies: variables of the environment that name a proxy in between.
    """
    before = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    never = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
    words = shown(f"{type(error).__name__}: {error}", key)
    if "CERTIFICATE_VERIFY_FAILED" in words:
        hint = "set SSL_CERT_FILE to the file of the authority that signed it"
        return RequestFailed(f"the service's certificate is not trusted ({words}): {hint}")
    if isinstance(error, httpx2.ProxyError):
        return RequestFailed(f"the proxy of {proxies} failed ({words})", passing=True)
    if isinstance(error, httpx2.ConnectError):
        through = f" through the proxy of {proxies}" if proxies else ""
        return RequestFailed(f"cannot connect{through} ({words})", passing=True)
    late = isinstance(error, httpx2.TimeoutException)
    what = "no answer in time" if late else "connection lost"
    passing = not isinstance(error, never)
    billed = passing and not isinstance(error, before)
    return RequestFailed(f"{what} ({words})", passing=passing, billed=billed)


def too_late(seconds: float) -> RequestFailed:
    """An answer that was not complete in time."""
    text = f"no complete answer within {seconds:g} s (--chat.timeout)"
    return RequestFailed(text, passing=True, billed=True)


def refused(status: int, headers: Mapping[str, str], body: str, key: Key) -> RequestFailed:
    """An HTTP status other than success, or the same reported by the body of a success."""
    words = shown(_message(body), key)
    if status == 400 and "API_KEY_INVALID" in body:  # Gemini's way to say 401
        status = 401
    if status in (401, 403):
        what = f"does not accept {key.variable}" if key else f"wants {key.variable} set"
        return RequestFailed(f"HTTP {status}: the service {what}: {words}", status)
    if status in REDIRECTS:
        target = shown(_without_query(headers.get("location", "")), key) or "an unnamed address"
        return RequestFailed(f"HTTP {status}: the service has moved to {target}", status)
    passing = status in PASSING or status >= 500
    wait = _requested_wait(headers, body)
    return RequestFailed(f"HTTP {status}: {words}", status, passing=passing, wait=wait)


def reported(error: Any, headers: Mapping[str, str], key: Key) -> RequestFailed:
    """An error that a service reports in the body of an HTTP 200.

    With an HTTP status in it, it counts as that status; without one it is a passing failure.
    """
    body = json.dumps({"error": error})
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    status = _status(code)
    if status is not None:
        return refused(status, headers, body, key)
    named = f" {code}" if isinstance(code, (str, int)) and code else ""
    text = shown(f"the service reports an error{named}: {_message(body)}", key)
    return RequestFailed(text, passing=True, wait=_requested_wait(headers, body))


def unanswered(what: str, key: Key) -> RequestFailed:
    """An HTTP 200 whose body says that the service failed, or nothing at all."""
    return RequestFailed(shown(f"the service's answer {what}", key), passing=True)


def not_json(body: str, key: Key) -> RequestFailed:
    """A successful status, but no JSON: a body that was cut off, or a proxy's page."""
    start = shown(body, key, 80)
    return RequestFailed(f"the answer is not JSON: {start!r}...", passing=True, billed=True)


def parse_json(body: str | bytes) -> Any:
    """The JSON in a body that may hold anything.

    Raises:
        ValueError: it is not JSON, or nested too deep to be worked with.
    """
    try:
        content = json.loads(body, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None
    level = [content]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node)]
    if level:
        raise ValueError("nested too deep")
    return content


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 30 else float("inf")  # Python refuses the longest ones


def _status(code: Any) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if type(code) is int and 400 <= code <= 599 else None


def _message(body: str) -> str:
    """The service's explanation, from the places where services put it."""
    content = _json(body)
    if isinstance(content, list) and content:
        content = content[0]
    error = content.get("error", content) if isinstance(content, dict) else None
    if isinstance(error, dict):
        places = [error.get(name) for name in ("message", "detail", "msg", "code")]
        metadata = error.get("metadata")
        message = next((p for p in places if isinstance(p, str) and p), None)
        raw = metadata.get("raw") if isinstance(metadata, dict) else None  # OpenRouter's upstream
        if message and isinstance(raw, str):
            return f"{message} ({raw})"
    else:
        message = error
    return message if isinstance(message, str) else body


def _requested_wait(headers: Mapping[str, str], body: str) -> float | None:
    """Seconds of a Retry-After header (a number, or a date), or of Google's RetryInfo."""
    header = headers.get("retry-after")
    if header is not None:
        seconds = _seconds(header)
        return _until(header) if seconds is None else seconds
    content = _json(body)
    error = content.get("error") if isinstance(content, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (seconds := _seconds(delay.removesuffix("s"))) is not None:
            return seconds
    return None


def _seconds(text: str) -> float | None:
    try:
        return max(0.0, float(text))  # 0 for NaN
    except ValueError:
        return None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None  # neither a number nor a date: as if it were not there


def _without_query(url: str) -> str:
    try:
        return urlsplit(url)._replace(query="", fragment="").geturl()
    except ValueError:
        return url


def _json(body: str) -> Any:
    try:
        return parse_json(body)
    except ValueError:
        return None


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 or not amount else f"${amount:.4f}"
