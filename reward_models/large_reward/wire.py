"""The released server's protocol: requests and replies as JSON, and how replies are read.

Facts of physical-superintelligence-lab/Large-Reward-Models (2026): pictures travel as raw uint8
bytes in base64, with their shape beside them, either as one object or as three flat fields; replies
have `success`; an error is a 500 with `success` false and `error`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST_SIDE = 4_096  # pixels of a picture that a server takes
PATHS = {
    "progress": "/compute_reward",
    "completion": "/compute_completion",
    "comparison": "/compute_comparison",
}


class WireError(ValueError):
    """A message that does not follow the protocol."""


def picture_object(picture: np.ndarray) -> dict[str, Any]:
    """A picture uint8 [H, W, 3] as one object."""
    data = base64.b64encode(np.ascontiguousarray(picture, np.uint8).tobytes()).decode("ascii")
    return {"data": data, "shape": list(picture.shape), "dtype": "uint8"}


def flat(name: str, picture: np.ndarray) -> dict[str, Any]:
    """A picture as three flat fields."""
    found = picture_object(picture)
    return {name: found["data"], f"{name}_shape": found["shape"], f"{name}_dtype": "uint8"}


def read_picture(message: Mapping[str, Any], name: str) -> np.ndarray | None:
    """A picture of a message in either form; None if it has none of that name.

    Raises:
        WireError: it is not one.
    """
    value = message.get(name)
    if value is None:
        return None
    if isinstance(value, Mapping):
        data, shape, kind = value.get("data"), value.get("shape"), value.get("dtype", "uint8")
    else:
        data, shape = value, message.get(f"{name}_shape")
        kind = message.get(f"{name}_dtype", "uint8")
    return _decoded(name, data, shape, kind)


def read_frames(message: Mapping[str, Any], name: str = "frames") -> list[np.ndarray]:
    """A list of pictures: objects, or base64 texts with one shape for all (`frame_shape`).

    Raises:
        WireError: it is not one, or is empty.
    """
    value = message.get(name)
    if not isinstance(value, list) or not value:
        raise WireError(f"{name} must be a list of pictures that is not empty")
    shape = message.get("frame_shape")
    objects = [dict(x) if isinstance(x, Mapping) else {"data": x, "shape": shape} for x in value]
    found = [
        _decoded(f"{name}[{i}]", x.get("data"), x.get("shape"), x.get("dtype", "uint8"))
        for i, x in enumerate(objects)
    ]
    return found


def progress_request(
    picture: np.ndarray, task: str, start: np.ndarray | None, goal: np.ndarray | None
) -> dict[str, Any]:
    """The body of a request for progress."""
    body = {**flat("image", picture), "task_description": task, "reward_type": "progress"}
    if goal is not None:
        body |= flat("goal_image", goal)
    if start is not None:
        body |= flat("initial_image", start)
    return body


def completion_request(picture: np.ndarray, task: str) -> dict[str, Any]:
    """The body of a request for completion."""
    return {**flat("image", picture), "task_description": task}


def comparison_request(a: np.ndarray, b: np.ndarray, task: str) -> dict[str, Any]:
    """The body of a request for a comparison."""
    return {**flat("image_a", a), **flat("image_b", b), "task_description": task}


def read_reply(question: str, reply: Any) -> float | None:
    """The value of a reply; None where the server could not read its model's answer.

    The released server gives such a comparison `result` null and score 0. Of progress and
    completion it does not say so: their fallback to 0 cannot be told from an answer.

    Raises:
        WireError: `success` is not true, or the score is missing or out of range.
    """
    if not isinstance(reply, Mapping):
        raise WireError(f"the reply is {_shown(reply)}, not an object")
    if reply.get("success") is not True:
        raise WireError(f"the server reports: {_shown(reply.get('error', reply))}")
    if question == "comparison" and "result" in reply and reply["result"] is None:
        return None
    score = reply.get("score")
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
        raise WireError(f"score is {_shown(score)}, not a number")
    low = -1.0 if question == "comparison" else 0.0
    if not low <= score <= 1.0:
        raise WireError(f"score is {score:g}, not in [{low:g}, 1]")
    if question == "comparison":
        if "result" in reply and reply["result"] != {1.0: "ImageB", -1.0: "ImageA"}.get(
            float(score)
        ):
            raise WireError(f"result {_shown(reply['result'])} does not fit score {score:g}")
        return float(score)
    return float(score)


def _decoded(name: str, data: Any, shape: Any, kind: Any) -> np.ndarray:
    if kind != "uint8":
        raise WireError(f"{name} has dtype {_shown(kind)}; it must be uint8")
    sides = shape if isinstance(shape, list) else []
    whole = len(sides) == 3 and all(type(n) is int and 0 < n <= LARGEST_SIDE for n in sides)
    if not whole or sides[2] != 3:
        raise WireError(f"{name} has shape {_shown(shape)}; it must be [H, W, 3]")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise WireError(f"{name} is no base64: {error}") from None
    if len(raw) != math.prod(sides):
        raise WireError(f"{name} has {len(raw)} bytes; shape {sides} needs {math.prod(sides)}")
    return np.frombuffer(raw, np.uint8).reshape(sides)


def _shown(value: Any) -> str:
    return repr(value)[:120]
