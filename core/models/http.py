"""The HTTP client of hosted models: a deadline per request, proxies, certificates, sizes.

Both services send through it, so that whatever is wrong with a response is found in one place,
before a vendor's library reads it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import httpx2

from core_jax.models import failures
from core_jax.models.chat_config import is_loopback
from core_jax.models.keys import Key

LARGEST_BODY = 32 * 2**20  # bytes, decompressed
_LONGEST_WAIT = 0.5  # seconds between two looks at the clock

T = TypeVar("T")


class _Connection:
    """The connection that a request has opened, so that another thread can end it."""

    def __init__(self):
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Hears of a new connection; see `trace` of httpx2's request extensions."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def abort(self) -> None:
        """Ends all reads and writes."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may have ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)


class HttpClient(httpx2.Client):
    """Sends requests whose whole answer must be there within a time.

    Args:
        timeout: seconds from the start of a request to the last byte of its answer.
        key: is masked in errors.
        proxies: variables of the environment that name a proxy, for errors.
        settings: of `httpx2.Client`.
    """

    def __init__(self, timeout: float, key: Key, proxies: str = "", **settings: Any):
        super().__init__(**settings)
        self._seconds, self._key, self._proxies = timeout, key, proxies

    def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """A response with status 200 and a whole body; it is never a stream.

        Raises:
            RequestFailed: any other response, or none.
        """
        # The library's own timeouts are of single reads.
        request.extensions["timeout"] = httpx2.Timeout(self._seconds).as_dict()
        connection = _Connection()
        request.extensions["trace"] = connection.trace
        status, headers, body = within(
            self._seconds, lambda: self._exchange(request), connection.abort
        )
        if not 200 <= status < 300:
            raise failures.refused(status, headers, body.decode(errors="replace"), self._key)
        content = {"content-type": "application/json"}  # whatever the service calls it
        retry = {k: v for k, v in headers.items() if k == "retry-after"}
        return httpx2.Response(200, headers=content | retry, content=body, request=request)

    def _exchange(self, request: httpx2.Request) -> tuple[int, httpx2.Headers, bytes]:
        body = bytearray()
        try:
            response = super().send(request, stream=True, follow_redirects=False)
            try:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST_BODY:
                        raise failures.RequestFailed("the answer is too large", billed=True)
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise failures.connection_failed(error, self._key, self._proxies) from None
        return response.status_code, response.headers, bytes(body)


def make_client(base_url: str, timeout: float, key: Key) -> HttpClient:
    """A client for a service; proxies of the environment do not apply to loopback.

    Args:
        base_url: where the service is.
        timeout: seconds that a request may take.
        key: is masked in errors.

    Raises:
        ValueError: a proxy or certificate setting of the environment cannot be used.
    """
    local = is_loopback(base_url)
    try:
        # Also for loopback the environment may name an authority of one's own.
        context = httpx2.create_ssl_context(trust_env=base_url.startswith("https"))
    except OSError as error:
        raise ValueError(_certificate_problem(error)) from None
    try:
        proxies = "" if local else ", ".join(_proxy_variables())
        return HttpClient(timeout, key, proxies, verify=context, trust_env=not local)
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise ValueError(_proxy_problem(error)) from None


def within(seconds: float, work: Callable[[], T], abort: Callable[[], None]) -> T:
    """The result of work, which is done in a thread and not waited for if it takes too long.

    Time in which the whole process stands still (SIGSTOP, a closed laptop) does not count: an
    answer that came meanwhile is paid for, and is read.

    Args:
        seconds: that it may take.
        work: what to do.
        abort: is called when it takes too long; ends it.

    Raises:
        RequestFailed: it takes too long.
        Exception: what the work raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="chat request", daemon=True).start()
    left = seconds
    while left > 0:
        wait, began = min(left, _LONGEST_WAIT), time.monotonic()
        try:
            return future.result(wait)
        except FutureTimeout:
            if future.done():  # just now, or it is the work's own error
                return future.result()
            left -= min(time.monotonic() - began, wait)
    abort()
    raise failures.too_late(seconds)


def _certificate_problem(error: Exception) -> str:
    names = [n for n in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(n)]
    given = ", ".join(f"{n}={os.environ[n]}" for n in names) or "the system's certificates"
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, ssl.SSLError):
        what = "not a file of PEM certificates"
    return f"{given} cannot be used ({what}): set it to a file of PEM certificates, or unset it"


def _proxy_variables() -> list[str]:
    known = ("all_proxy", "https_proxy", "http_proxy")
    return sorted(n for n, value in os.environ.items() if n.lower() in known and value)


def _proxy_problem(error: Exception) -> str:
    """Names the variable, but not its value, which may hold a password."""
    names = _proxy_variables()
    schemes = [f"{n} ({os.environ[n].partition('://')[0][:10]}://...)" for n in names]
    given = ", ".join(schemes) or "the system's proxy"
    if isinstance(error, ImportError):
        return f"{given}: a SOCKS proxy needs `pip install httpx2[socks]`; or unset the variable"
    return f"{given}: not the address of a proxy: set it to http://host:port, or unset it"
