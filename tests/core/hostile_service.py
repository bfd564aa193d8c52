"""A service on loopback that fails in every way that real ones do, by a schedule or by a seed.

It speaks both protocols, OpenAI's chat completions and Gemini's generateContent, and answers
honestly where its schedule has no fault:

    service = HostileService(honest=lambda request: '{"choice": "A"}', schedule=["trickle"])
    service = HostileService(honest=..., schedule=random_faults(seed=0, rate=0.3))

Requests to it are in `requests`, what it has answered honestly in `answered`.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hostile_faults import FAULTS, TRANSIENT
from hostile_protocol import Request, Response, completion, digest_of, read_request


class HostileService:
    """Answers requests honestly or by faults.

    Args:
        honest: the text of an honest answer, or one text for each of `request.n` samples.
        schedule: names of `FAULTS` in the order of requests, "honest" for none; honest after its
            end. Or a function of the request.
        tokens: of the prompt and of each sample, as honest answers count them.
    """

    def __init__(
        self,
        honest: Callable[[Request], str | Sequence[str]] = lambda request: "hello",
        schedule: Iterable[str] | Callable[[Request], str] = (),
        tokens: tuple[int, int] = (10, 20),
    ):
        self.requests: list[Request] = []
        self.answered: list[tuple[Request, list[str]]] = []
        self.faults: list[str] = []
        self.delay = 0.0  # seconds before any answer
        self.tokens = tokens
        self.ended = threading.Event()
        self._honest = honest
        self._next = schedule if callable(schedule) else _from(iter(schedule))
        self._lock, self._tries = threading.Lock(), {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def respond(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        """The response to one request."""
        with self._lock:
            digest = digest_of(body)
            tries = self._tries[digest] = self._tries.get(digest, -1) + 1
            request = read_request(path, headers, body, tries)
            self.requests.append(request)
            name = self._next(request)
            self.faults.append(name)
        time.sleep(self.delay)
        texts = self._honest(request)
        texts = [texts] * request.n if isinstance(texts, str) else list(texts)
        if name == "honest":
            with self._lock:
                self.answered.append((request, texts))
            return Response(completion(request.provider, texts, tokens=self.tokens))
        return FAULTS[name](request, texts)

    def close(self) -> None:
        """Ends the service and what is under way."""
        self.ended.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def random_faults(
    seed: int, rate: float, names: Sequence[str] | None = None, tries: int = 1
) -> Callable[[Request], str]:
    """A schedule that depends on the content of requests and not on their order.

    Args:
        seed: another one gives other faults to other requests.
        rate: share of requests that meet a fault.
        names: of the faults; all that a repetition mends if None.
        tries: from this repetition of a request on it is answered honestly.
    """
    names = sorted(names or TRANSIENT)

    def schedule(request: Request) -> str:
        rng = random.Random(f"{seed} {request.tries} {digest_of(request.body)}")
        faulty = request.tries < tries and rng.random() < rate
        return rng.choice(names) if faulty else "honest"

    return schedule


def _from(names: Iterator[str]) -> Callable[[Request], str]:
    return lambda _: next(names, "honest")


def _handler(service: HostileService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = service.respond(self.path, dict(self.headers), body)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                _send(self, response, service.ended)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _send(handler: BaseHTTPRequestHandler, response: Response, ended: threading.Event) -> None:
    if response.silent:
        ended.wait(30)
        return
    body = response.body
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    handler.send_response(response.status)
    for name, value in (headers | response.headers).items():
        handler.send_header(name, value)
    if response.head_pause:
        handler.flush_headers()
        for i in range(200):
            handler.wfile.write(f"X-{i}: 0\r\n".encode())
            if ended.wait(response.head_pause):
                return
    handler.end_headers()
    content = content[: len(content) - response.missing]
    if not response.pause:
        handler.wfile.write(content)
        return
    for i in range(len(content)):
        handler.wfile.write(content[i : i + 1])
        if ended.wait(response.pause):
            return
