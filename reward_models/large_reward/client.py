"""A client of the released server's protocol, as a judge.

Each frame is a request of its own, of which several are under way together; the released server
answers them one after the other. A request that fails is repeated, and then has the status FAILED:
it is never a value.
"""

from __future__ import annotations

import concurrent.futures
import json
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np

from core_jax.reward_models.large_reward import wire
from core_jax.reward_models.large_reward.judge import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judgements,
)

_LARGEST_REPLY = 2**22  # bytes


class ServerJudge:
    """Asks a server.

    The server's answers have no confidence. Its completion and comparison endpoints take neither a
    start nor a goal picture.

    Args:
        url: of the server, such as http://127.0.0.1:5001.
        size: height and width of the pictures that are sent.
        concurrency: requests under way together.
        timeout: seconds for one answer.
        retries: repetitions of a request that fails.
        wait: seconds before the first repetition, doubled each time.
        transport: in place of the network, for tests.

    Attributes:
        problems: the latest reasons of failures, at most 20.

    Raises:
        ValueError: the address is none.
    """

    sees = True

    def __init__(
        self,
        url: str,
        size: int = 224,
        concurrency: int = 8,
        timeout: float = 60.0,
        retries: int = 2,
        wait: float = 0.5,
        transport: httpx2.BaseTransport | None = None,
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"lrm.url must be http:// or https:// with a host, not {url!r}")
        self.name, self.size = f"server {parts.netloc}", size
        self._url, self._retries, self._wait = url.rstrip("/"), retries, wait
        self._pool = concurrent.futures.ThreadPoolExecutor(concurrency, "lrm")
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self._client = httpx2.Client(
            timeout=timeout, transport=transport, trust_env=not local, follow_redirects=False
        )
        self.problems: list[str] = []

    def health(self) -> dict[str, Any]:
        """What the server says of itself.

        Raises:
            WireError: it does not answer, or not as the protocol says.
        """
        return self._exchange("GET", "/health", None)

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """How far each frame is; see `Judge`."""
        shown = _pictures(frames)
        starts = [None] * len(shown) if start is None else _pictures(start)
        goals = [None] * len(shown) if goal is None else _pictures(goal)
        return self._ask("progress", [
            lambda x=x, s=s, g=g: wire.progress_request(x, instruction, s, g)
            for x, s, g in zip(shown, starts, goals, strict=True)
        ])  # fmt: skip

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Whether each frame shows the finished task; see `Judge`."""
        del start, goal
        make = lambda x: lambda: wire.completion_request(x, instruction)
        return self._ask("completion", [make(x) for x in _pictures(frames)])

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Which of two frames is further; see `Judge`."""
        del start, goal
        make = lambda x, y: lambda: wire.comparison_request(x, y, instruction)
        pairs = zip(_pictures(a), _pictures(b), strict=True)
        return self._ask("comparison", [make(x, y) for x, y in pairs])

    def close(self) -> None:
        """Ends all connections; requests that wait are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _ask(self, question: str, requests: list[Callable[[], dict[str, Any]]]) -> Judgements:
        found = list(self._pool.map(lambda make: self._one(question, make), requests))
        value = np.array([v for v, _ in found], np.float32)
        status = np.array([s for _, s in found], np.int8)
        return Judgements(value, np.full(len(value), np.nan, np.float32), status)

    def _one(self, question: str, make: Callable[[], dict[str, Any]]) -> tuple[float, int]:
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(self._wait * 2 ** (attempt - 1))
            try:
                reply = self._exchange("POST", wire.PATHS[question], make())
                value = wire.read_reply(question, reply)
            except wire.WireError as error:
                self.problems = [*self.problems, str(error)][-20:]
                continue
            return (math.nan, ABSTAINED) if value is None else (value, ANSWERED)
        return math.nan, FAILED

    def _exchange(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        try:
            response = self._client.request(
                method, self._url + path, content=content, headers=headers
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise wire.WireError(f"{path}: {type(error).__name__}: {error}") from None
        if len(response.content) > _LARGEST_REPLY:
            raise wire.WireError(f"{path}: the reply has {len(response.content)} bytes")
        try:
            reply = json.loads(response.content)
        except (ValueError, RecursionError):
            raise wire.WireError(f"{path}: HTTP {response.status_code} without JSON") from None
        if response.status_code != 200:
            error = reply.get("error", "no reason given") if isinstance(reply, dict) else reply
            raise wire.WireError(f"{path}: HTTP {response.status_code}: {str(error)[:200]}")
        return reply


def _pictures(frames: Frames) -> np.ndarray:
    if frames.pictures is None:
        raise ValueError("a server looks at pictures, and the frames have none")
    return frames.pictures
