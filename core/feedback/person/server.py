"""The page's server: the standard library's, on loopback only.

Every address begins with a secret of this session, which `scripts/label.py` gives to the browser:
other users of this machine do not know it. Other pages that the same browser has open must not
reach the server either: a request's Host has to be this server's own (a name that resolves to
loopback is not enough), and what changes something has to be JSON from the page itself. Nothing is
read from a path that a request names.
"""

from __future__ import annotations

import hmac
import json
import math
import re
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core_jax.feedback.person.session import LabelSession

_PAGE = Path(__file__).with_name("page.html")
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="3" fill="#0072b2"/>'
    '<path d="M3 8.5l3.2 3.2L13 5" fill="none" stroke="#fff" stroke-width="2.2"/></svg>'
)
_LONGEST = 4_096  # bytes of a request's body
_MOST_SECONDS = 3_600.0  # that one answer may take; longer pauses are cut to this
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class LabelServer(ThreadingHTTPServer):
    """A server for one session. `address` is the page's, with its secret."""

    daemon_threads = True

    def __init__(self, session: LabelSession, port: int):
        self.session, self.token = session, secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line for a mistake; nothing for a closed connection or a closed session."""
        error = sys.exc_info()[1]
        if not self.session.closed and not isinstance(
            error, (ConnectionError, TimeoutError, CancelledError)
        ):
            print(f"labelling page: {type(error).__name__}: {error}", file=sys.stderr)


def make_server(session: LabelSession, port: int = 0) -> LabelServer:
    """A server for one session, not yet serving; 127.0.0.1 is all that it listens on.

    Args:
        session: whose questions are asked.
        port: 0 takes a free one; `server.server_port` says which.

    Raises:
        ValueError: the port is taken or is none.
    """
    try:
        return LabelServer(session, port)
    except OverflowError as error:
        raise ValueError(f"--port must be in 0..65535, not {port}") from error
    except OSError as error:
        raise ValueError(f"--port {port}: {error.strerror}; 0 takes a free one") from error


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "labels", ""
    timeout = 60

    def do_GET(self) -> None:
        """The page, its state, and pictures."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """An answer, or an undo; the reply is the state after it."""
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: the page shows what goes wrong."""

    def _answered(self, handle: Callable[[str], None]) -> None:
        """Handles a request whose address and host are this session's own."""
        if self.headers.get("Host") not in self._hosts():
            return self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        _, token, *rest = (*self.path.split("/", 2), "", "")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            why = "open the address that the label command printed when it started"
            return self._refuse(HTTPStatus.FORBIDDEN, why)
        try:
            handle("/" + rest[0])
        except ValueError as error:  # such as a label file that has become unreadable
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _get(self, path: str) -> None:
        session = self.server.session
        if path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.read_bytes())
        elif path == "/icon.svg":
            self._send(HTTPStatus.OK, "image/svg+xml", _ICON.encode())
        elif path == "/state":
            session.refresh()
            self._json(HTTPStatus.OK, session.state())
        elif found := re.fullmatch(r"/clip/([0-9a-f]{64})/([a-z]{1,8})\.png", path):
            self._picture(lambda: session.frames(*found.groups()))
        elif found := re.fullmatch(r"/(start|goal)\.png", path):
            self._picture(lambda: session.end(found[1]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")

    def _post(self, path: str) -> None:
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return self._refuse(HTTPStatus.FORBIDDEN, "another page's request")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,6}", length) or int(length) > _LONGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no or too long a body")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return self._refuse(HTTPStatus.BAD_REQUEST, "not JSON, or nested too deep")
        if path == "/undo":
            self.server.session.undo()
        elif path == "/answer":
            if problem := self._keep(content):
                return self._refuse(HTTPStatus.CONFLICT, problem)
        else:
            return self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        self._json(HTTPStatus.OK, self.server.session.state())

    def _keep(self, content: Any) -> str:
        """Keeps an answer; returns why it could not, or ""."""
        if not isinstance(content, dict) or set(content) != {"key", "choice", "seconds"}:
            return "an answer is key, choice and seconds"
        key, choice = content["key"], content["choice"]
        if not (isinstance(key, str) and isinstance(choice, str)):
            return "key and choice are text"
        seconds = _finite(content["seconds"])
        if seconds is None:
            return "seconds is a finite number"
        try:
            self.server.session.answer(key, choice, min(max(seconds, 0.0), _MOST_SECONDS))
        except ValueError as error:
            return str(error)
        return ""

    def _hosts(self) -> set[str]:
        port = self.server.server_port
        return {f"127.0.0.1:{port}", f"localhost:{port}"}

    def _picture(self, draw: Callable[[], bytes]) -> None:
        try:
            picture = draw()
        except ValueError as error:
            return self._refuse(HTTPStatus.NOT_FOUND, str(error))
        self._send(HTTPStatus.OK, "image/png", picture)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what else is in the request has not been read
        self._json(status, {"error": why})

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _finite(value: Any) -> float | None:
    """A number as a finite float; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None
