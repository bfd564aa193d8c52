"""Honest answers to all that the runs of the chaos test ask: a function of the request alone.

Rewards are written in the convention that the prompt shows; pictures are read: the point's place in
them is its progress.
"""

import base64
import hashlib
import io
import json
import re

import numpy as np
from PIL import Image

HEADS = {
    "core": ("def compute_reward(observation, action, target_pos):", "observation[0]"),
    "eureka": ("def compute_reward(point_pos, target_pos):", "point_pos[0]"),
    "text2reward": ("def compute_dense_reward(self, action, obs) -> float:", "action[0]"),
}


def answer(request):
    """The texts of `request.n` samples, for either protocol."""
    pictures = _pictures(request.body)
    if pictures:
        return [f"TRUTH {json.dumps(_judged(pictures))}"] * request.n
    if described := re.search(r"TRUTH (\{.*\})", request.prompt):
        truth = json.loads(described[1])
        if '"1" or "2"' in request.prompt:
            truth["choice"] = {"A": "1", "B": "2"}[truth["choice"]]
        return [json.dumps(truth)] * request.n
    return [_code(request.prompt, i) for i in range(request.n)]


def _code(prompt, sample):
    kind = "text2reward" if "compute_dense_reward" in prompt else "core"
    if kind == "core" and "observation, action, target_pos" not in prompt:
        kind = "eureka"
    head, x = HEADS[kind]
    seed = int(hashlib.sha256(f"{sample} {prompt}".encode()).hexdigest()[:8], 16)
    result = "r" if kind == "text2reward" else "r, {'r': r}"
    return f"```python\n{head}\n    r = {seed % 97 / 97:.4f} * {x}\n    return {result}\n```"


def _pictures(body):
    """Pictures by the side that they show, A and B, in the order of the request."""
    content = body["messages"][-1]["content"] if "messages" in body else ""
    shown = {}
    for before, part in zip(content, content[1:], strict=False):
        if isinstance(content, str):
            break
        named = re.match(r"(?:Clip ([AB]), picture|Picture ([12]):)", before.get("text", ""))
        if named:
            side = named[1] or {"1": "A", "2": "B"}[named[2]]
            png = base64.b64decode(part["image_url"]["url"].split(",")[1])
            shown.setdefault(side, []).append(_progress(png))
    return shown


def _progress(png):
    """Nearness of the red point to the upper right corner, in [0, 1]."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    rows, columns = np.nonzero(pixels[..., 0] - pixels[..., 2] > 60)
    if not len(rows):
        return 0.0
    size = len(pixels)
    return float((columns.mean() + size - rows.mean()) / (2 * size))


def _judged(shown):
    better = "B" if sum(shown["B"]) > sum(shown["A"]) else "A"
    scores = {f"scores_{s.lower()}": [round(x, 3) for x in shown[s]] for s in "AB"}
    return {"reason": "it is nearer", **scores, "choice": better, "confidence": 0.9}
