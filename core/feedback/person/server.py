"""The page's server: the standard library's, on loopback only.

Other pages that the same browser has open must not reach it: a request's Host has to be this
server's own (a name that resolves to loopback is not enough), and what changes something has to be
JSON from the page itself. Nothing is read from a path that a request names.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core_jax.feedback.person.desk import Desk

_PAGE = Path(__file__).with_name("page.html")
_LONGEST = 4_096  # bytes of a request's body
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_server(desk: Desk, port: int = 0) -> ThreadingHTTPServer:
    """A server for one desk, not yet serving; 127.0.0.1 is all that it listens on.

    Args:
        desk: whose questions are asked.
        port: 0 takes a free one; `server.server_port` says which.

    Raises:
        ValueError: the port is taken.
    """
    handler = type("Handler", (_Handler,), {"desk": desk})
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise ValueError(f"--port {port}: {error.strerror}; 0 takes a free one") from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    desk: Desk
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "labels", ""
    timeout = 60

    def do_GET(self) -> None:
        """The page, its state, and pictures."""
        if not self._is_own_host():
            return
        if self.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.read_bytes())
        elif self.path == "/state":
            self.desk.refresh()
            self._json(HTTPStatus.OK, self.desk.state())
        elif found := re.fullmatch(r"/clip/([0-9a-f]{64})/([ab])\.png", self.path):
            self._picture(lambda: self.desk.frames(*found.groups()))
        elif found := re.fullmatch(r"/(start|goal)\.png", self.path):
            self._picture(lambda: self.desk.landmark(found[1]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "nothing here")

    def do_POST(self) -> None:
        """An answer, or an undo; the reply is the state after it."""
        if not self._is_own_host():
            return
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return self._refuse(HTTPStatus.FORBIDDEN, "another page's request")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,6}", length) or int(length) > _LONGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no or too long a body")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return self._refuse(HTTPStatus.BAD_REQUEST, "not JSON")
        if self.path == "/undo":
            self.desk.undo()
        elif self.path == "/answer":
            problem = self._answer(content)
            if problem:
                return self._refuse(HTTPStatus.CONFLICT, problem)
        else:
            return self._refuse(HTTPStatus.NOT_FOUND, "nothing here")
        self._json(HTTPStatus.OK, self.desk.state())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the page shows what goes wrong."""

    def _answer(self, content: Any) -> str:
        """Keeps an answer; returns why it could not, or ""."""
        if not isinstance(content, dict) or set(content) != {"key", "choice", "seconds"}:
            return "an answer is key, choice and seconds"
        key, choice, seconds = (content[k] for k in ("key", "choice", "seconds"))
        if not (isinstance(key, str) and isinstance(choice, str)):
            return "key and choice are text"
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return "seconds is a number"
        try:
            self.desk.answer(key, choice, min(max(float(seconds), 0.0), 3_600.0))
        except ValueError as error:
            return str(error)
        return ""

    def _hosts(self) -> set[str]:
        port = self.server.server_port
        return {f"127.0.0.1:{port}", f"localhost:{port}"}

    def _is_own_host(self) -> bool:
        if self.headers.get("Host") in self._hosts():
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        return False

    def _picture(self, draw: Any) -> None:
        try:
            picture = draw()
        except ValueError as error:
            self._refuse(HTTPStatus.NOT_FOUND, str(error))
            return
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
