"""A vision-language model on loopback that answers by ground truth, late, and often wrongly.

It speaks OpenAI's protocol. What a picture shows it looks up in the run's own `labels.sqlite`,
where every picture is kept before it is sent, beside the clip and its true progress and reward. It
keeps books of its own: which good answers arrived, what went wrong, what it charged.

    python tests/core/fake_vlm.py RUN --port 8900 --delay 2 --faults 0.3
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import hashlib
import json
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from core_jax.feedback.labels import LabelStore

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
        self._store: LabelStore | None = None
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
        if self._store:
            self._store.close()

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
        message, finish = {"role": "assistant", "content": self._says(asked)}, "stop"
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

    def _says(self, body: dict) -> str:
        content = body["messages"][-1]["content"]
        if isinstance(content, str):  # the second stage: what the first has said
            return self._judges(json.loads(re.search(r"TRUTH (\{.*\})", content)[1]), content)
        shown: dict[str, list[str]] = {}
        for before, part in zip(content, content[1:], strict=False):
            named = re.match(
                r"(?:Clip (?P<clip>[AB]), picture|Picture (?P<place>[12]):|The (?P<one>picture):)",
                before.get("text", ""),
            )
            if named:
                png = base64.b64decode(part["image_url"]["url"].split(",")[1])
                side = named["clip"] or {"1": "A", "2": "B"}.get(named["place"], "one")
                shown.setdefault(side, []).append(hashlib.sha256(png).hexdigest())
        if "one" in shown:
            return self._one(shown["one"][0], content[-1]["text"])
        return f"TRUTH {json.dumps(self._pair(shown))}"

    def _judges(self, truth: dict, prompt: str) -> str:
        """The verdict that a prompt asks for, by what the description has said."""
        if "progress" in truth:  # a rating: the words stand in the example of JSON
            words = re.findall(r'"([^"]+)"', prompt.split('"rating":')[1].split(', "conf')[0])
            place = min(int(truth["progress"] * len(words)), len(words) - 1)
            truth["rating"] = words[place]
        if '"1" or "2"' in prompt:
            truth["choice"] = {"A": "1", "B": "2"}[truth["choice"]]
        return json.dumps(truth)

    def _one(self, digest: str, prompt: str) -> str:
        """What is said about one picture: its rating is described, the rest told at once."""
        [(key, role, step)] = self._lookup([digest], "role NOT IN ('start', 'goal')")[:1]
        progress = float(self._clip(key, role).progress[step])
        told = {"reason": f"progress {progress:.3f}", "confidence": 0.9}
        if '"completed"' in prompt:
            return json.dumps(told | {"completed": "yes" if progress >= 0.95 else "no"})
        if '"progress"' in prompt:
            return json.dumps(told | {"progress": f"{progress:.1f}"})
        return f"TRUTH {json.dumps(told | {'progress': progress})}"

    def _pair(self, shown: dict[str, list[str]]) -> dict:
        """The verdict of one that knows the larger sum of true rewards, and true progress."""
        digests = shown["A"] + shown["B"]
        of = collections.defaultdict(list)
        for question, role, step, picture in self._lookup(digests, "role IN ('a', 'b')", True):
            of[question].append((role, step, picture))
        [key, found] = next((k, f) for k, f in of.items() if {p for *_, p in f} == set(digests))
        scores, sums = {}, {}
        for side, pictures in shown.items():
            role = next(r for r in "ab" if {p for q, _, p in found if q == r} == set(pictures))
            clip, step = self._clip(key, role), {p: s for r, s, p in found if r == role}
            scores[side] = [round(float(clip.progress[step[p]]), 4) for p in pictures]
            sums[side] = float(clip.dense.sum())
        return {
            "reason": f"rewards sum to {sums['A']:.4f} and {sums['B']:.4f}",
            "scores_a": scores["A"],
            "scores_b": scores["B"],
            "choice": "B" if sums["B"] > sums["A"] else "A",
            "confidence": 0.9,
        }

    def _lookup(self, digests: list[str], where: str, pictures: bool = False) -> list[tuple]:
        """Question, role and step of pictures that the run has shown."""
        with self._lock:
            self._store = self._store or LabelStore(self.run / "labels.sqlite")
            store = self._store
        marks, columns = ",".join("?" * len(digests)), "question, role, step"
        columns += ", picture" if pictures else ""
        return store.database.all(
            f"SELECT {columns} FROM frames WHERE picture IN ({marks}) AND {where}", digests
        )

    def _clip(self, key: str, role: str):
        return self._store.question(key).question.shown[role]


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
