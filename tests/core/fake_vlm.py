"""A vision-language model on loopback that answers by ground truth, late, and often wrongly.

It speaks OpenAI's protocol and answers by `picture_truth`. It keeps books of its own: which good
answers arrived, what went wrong, what it charged.

    python tests/core/fake_vlm.py RUN --port 8900 --delay 2 --faults 0.3
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from picture_truth import PictureTruth

PRICES = (1.0, 2.0)  # USD per million tokens
FAULTS = ("429", "500", "hang", "cut body", "no json", "cut reply", "nonsense", "refusal", "empty")


class FakeVLM:
    """The server. `faults` is the share of requests that are answered badly."""

    def __init__(
        self,
        run: Path,
        delay: float = 0.0,
        faults: float = 0.0,
        port: int = 0,
        kinds: tuple[str, ...] = FAULTS,
        hang: float = 1.0,
    ):
        self.run, self.delay, self.faults, self.kinds, self.hang = run, delay, faults, kinds, hang
        self.good: collections.Counter[str] = collections.Counter()  # delivered, by request
        self.bad: collections.Counter[str] = collections.Counter()  # by fault
        self.charged = 0.0  # USD, delivered or not
        self.most_at_once = self._now = 0
        self._random, self._lock = random.Random(0), threading.Lock()
        self.truth = PictureTruth(run)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.counted = True
                with outer._lock:
                    outer._now += 1
                    outer.most_at_once = max(outer.most_at_once, outer._now)
                try:
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        outer._answer(self, body)
                finally:
                    outer._forget(self)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def flags(self) -> list[str]:
        """Command-line flags of a run that asks this model."""
        words = "--teacher vlm --vlm.model openai --vlm.chat.name fake --vlm.chat.base-url"
        prices = [str(p) for p in PRICES]
        return [*words.split(), self.url, "--vlm.chat.prices", *prices,
                "--vlm.chat.max-output-tokens", "1000"]  # fmt: skip

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self.truth.close()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        time.sleep(self.delay)
        with self._lock:
            fault = self._random.choice(self.kinds) if self._random.random() < self.faults else ""
            self.bad[fault] += bool(fault)
            if fault not in ("429", "500"):
                self.charged += (800 * PRICES[0] + 100 * PRICES[1]) / 1e6
        if fault == "429":
            return _send(handler, b"{}", 429, {"Retry-After": "0.2"})
        if fault == "500":
            return _send(handler, b'{"error": {"message": "oops"}}', 500)
        if fault == "hang":
            self._forget(handler)  # who asked waits no longer, and asks again
            time.sleep(self.hang)
        if fault == "no json":
            return _send(handler, b"<html>busy</html>")
        asked = json.loads(body)
        if fault == "nonsense" and "response_format" not in asked:
            fault = "empty"  # a description is believed, whatever it says
        message, finish = {"role": "assistant", "content": self.truth.says(asked)}, "stop"
        if fault == "cut reply":
            message["content"], finish = message["content"][:20], "length"
        if fault == "nonsense":
            message["content"] = '{"choice": "C", "reason": "why not"}'
        if fault == "refusal":
            message = {"role": "assistant", "content": None, "refusal": "I would rather not"}
        if fault == "empty":
            message["content"] = ""
        choice = {"index": 0, "message": message, "finish_reason": finish}
        usage = {"prompt_tokens": 800, "completion_tokens": 100}
        reply = json.dumps({"choices": [choice], "usage": usage}).encode()
        if fault == "cut body":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(reply)))
            handler.end_headers()
            handler.wfile.write(reply[:30])
            handler.close_connection = True
            return None
        _send(handler, reply)
        if not fault:
            with self._lock:
                self.good[hashlib.sha256(body).hexdigest()] += 1
        return None

    def _forget(self, handler: BaseHTTPRequestHandler) -> None:
        """One request less at once."""
        with self._lock:
            self._now -= handler.counted
            handler.counted = False


def _send(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, headers: dict | None = None
) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--delay", type=float, default=2.0)
    parser.add_argument("--faults", type=float, default=0.0)
    given = parser.parse_args()
    fake = FakeVLM(given.run, given.delay, given.faults, given.port)
    print(" ".join(fake.flags()), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
    print(json.dumps({"good": sum(fake.good.values()), "twice": max(fake.good.values(), default=0),
                      "bad": fake.bad, "charged": fake.charged}))  # fmt: skip
    fake.close()


if __name__ == "__main__":
    main()
