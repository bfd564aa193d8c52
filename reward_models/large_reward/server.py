"""The released server's endpoints, answered by any judge that looks at pictures.

`answer` is the protocol without HTTP. What a judge cannot do in this protocol's terms is refused by
a 500 as the released server does it: `{"success": false, "error": ...}`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from core_jax.reward_models.large_reward import wire
from core_jax.reward_models.large_reward.judge import Frames, Judge, Judgements

ADAPTERS = ("progress", "completion", "contrastive")
LARGEST_REQUEST = 2**28  # bytes


def answer(judge: Judge, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """The status and the reply to a request.

    Args:
        judge: answers.
        method, path: of the request.
        body: its JSON; None if it has none.
    """
    if (method, path) == ("GET", "/health"):
        return 200, {"status": "healthy", "model_loaded": True, "adapters": list(ADAPTERS)}
    if method != "POST" or path not in _ENDPOINTS:
        return 404, {"success": False, "error": f"no endpoint {method} {path}"}
    try:
        if not isinstance(body, Mapping):
            raise wire.WireError("the body must be a JSON object")
        return 200, {"success": True, **_ENDPOINTS[path](judge, body)}
    except wire.WireError as error:
        return 500, {"success": False, "error": str(error)}


def _reward(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    _only_progress(body)
    found = judge.progress(
        _frame(judge, body, "image"),
        _task(body),
        _optional(judge, body, "initial_image"),
        _optional(judge, body, "goal_image"),
    )
    return _scored(found, "completion_progress")


def _rewards_batch(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    _only_progress(body)
    pictures, tasks = wire.read_frames(body, "images"), body.get("task_descriptions")
    if not isinstance(tasks, list) or len(tasks) != len(pictures):
        raise wire.WireError(f"task_descriptions must be a list of {len(pictures)} texts")
    each = [
        judge.progress(_fitted(judge, x), _task({"task_description": task}))
        for x, task in zip(pictures, tasks, strict=True)
    ]
    return {"results": [_scored(found, "completion_progress") for found in each]}


def _completion(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    found = judge.completion(_frame(judge, body, "image"), _task(body))
    done = _value(found) >= 0.5
    response = json.dumps({"task_completed": "yes" if done else "no"})
    return {"score": int(done), "completed": bool(done), "response": response}


def _comparison(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    a, b = (_frame(judge, body, name) for name in ("image_a", "image_b"))
    found = judge.comparison(a, b, _task(body))
    sign = int(np.sign(found.value[0])) if found.answered[0] else 0
    result = {1: "ImageB", -1: "ImageA"}.get(sign)
    response = json.dumps({"more_complete_image": result})
    return {"result": result, "score": sign, "response": response}


def _clip(judge: Judge, body: Mapping[str, Any]) -> Judgements:
    """Progress of every frame of a clip, from its first."""
    pictures = wire.read_frames(body)
    frames = Frames(np.concatenate([_fitted(judge, x).pictures for x in pictures]))  # type: ignore
    start = frames.take(np.zeros(len(pictures), int))
    found = judge.progress(frames, _task(body), start)
    if not found.answered.all():
        raise wire.WireError("the model is not confident enough of an answer")
    return found


def _roboreward(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    rubric = 1 + round(4 * float(_clip(judge, body).value[-1]))
    return {"score": (rubric - 1) / 4, "raw_score": rubric}


def _topreward(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    last = _clip(judge, body).value[-1:]
    log_prob = float(np.log(np.clip(last, 1e-6, 1.0))[0])
    # Clipped from [-25, -5] to [0, 1], as the released code does online.
    return {"score": float(np.clip((log_prob + 25.0) / 20.0, 0.0, 1.0)), "log_prob": log_prob,
            "token_count": 1}  # fmt: skip


def _robometer(judge: Judge, body: Mapping[str, Any]) -> dict[str, Any]:
    values = [round(float(x), 4) for x in _clip(judge, body).value]
    return {"score": values[-1], "raw_score": values[-1], "progress_per_frame": values}


_ENDPOINTS = {
    "/compute_reward": _reward,
    "/compute_rewards_batch": _rewards_batch,
    "/compute_completion": _completion,
    "/compute_comparison": _comparison,
    "/compute_roboreward": _roboreward,
    "/compute_topreward": _topreward,
    "/compute_robometer": _robometer,
}


def make_server(judge: Judge, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server; `serve_forever` starts it. Requests are answered one at a time by the model,
    and read and written side by side.

    Raises:
        OSError: the port is taken.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(*answer(judge, "GET", self.path, None))

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > LARGEST_REQUEST:
                self.close_connection = True
                self._reply(500, {"success": False, "error": "content-length is missing or large"})
                return
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                body = None
            with lock:
                found = answer(judge, "POST", self.path, body)
            self._reply(*found)

        def _reply(self, status: int, reply: dict[str, Any]) -> None:
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    return ThreadingHTTPServer((host, port), Handler)


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture uint8 [H, W, 3] at another size: the mean of each cell where it shrinks by whole
    numbers, else the nearest pixel."""
    height, width, _ = picture.shape
    if (height, width) == (size, size):
        return picture
    if height % size == 0 and width % size == 0:
        cells = picture.reshape(size, height // size, size, width // size, 3)
        return np.rint(cells.mean(axis=(1, 3))).astype(np.uint8)
    rows = ((np.arange(size) + 0.5) * height / size).astype(int)
    columns = ((np.arange(size) + 0.5) * width / size).astype(int)
    return picture[rows][:, columns]


def _frame(judge: Judge, body: Mapping[str, Any], name: str) -> Frames:
    found = _optional(judge, body, name)
    if found is None:
        raise wire.WireError(f"{name} is missing")
    return found


def _optional(judge: Judge, body: Mapping[str, Any], name: str) -> Frames | None:
    picture = wire.read_picture(body, name)
    return None if picture is None else _fitted(judge, picture)


def _fitted(judge: Judge, picture: np.ndarray) -> Frames:
    return Frames(resized(picture, judge.size)[None])


def _task(body: Mapping[str, Any]) -> str:
    task = body.get("task_description")
    if not isinstance(task, str) or not task.strip():
        raise wire.WireError("task_description must be a text that is not empty")
    return task


def _only_progress(body: Mapping[str, Any]) -> None:
    kind = body.get("reward_type", "progress")
    if kind != "progress":
        raise wire.WireError(f"reward_type {kind!r} is not offered; it must be progress")


def _scored(found: Judgements, name: str) -> dict[str, Any]:
    score = round(10 * _value(found)) / 10
    return {"score": score, "response": json.dumps({name: score})}


def _value(found: Judgements) -> float:
    if not found.answered[0]:
        raise wire.WireError("the model is not confident enough of an answer")
    return float(found.value[0])
