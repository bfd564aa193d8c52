"""A teacher on this machine: a server that speaks OpenAI's protocol, here a stand-in for a model.

python examples/local_vlm_teacher.py FOLDER [TASK]
"""

import base64
import io
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from matplotlib.image import imread

import core_jax
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import quality


def judged(parts):
    """Prefers the clip whose last picture is more like the goal's. Shown: start, goal, A, B."""
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    _, goal, *clips = [imread(io.BytesIO(base64.b64decode(url.split(",")[1]))) for url in urls]
    like = [1.0 - float(np.abs(picture - goal).mean()) for picture in clips]
    a, b = like[: len(like) // 2], like[len(like) // 2 :]
    choice = "B" if b[-1] > a[-1] else "A"
    return {"reason": "pixels", "scores_a": a, "scores_b": b, "choice": choice, "confidence": 0.6}


class StandIn(BaseHTTPRequestHandler):
    """A pair is two requests: a description of pictures, then a verdict on the description."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = asked["messages"][-1]["content"]
        described = isinstance(content, str)
        text = re.search(r"\{.*\}", content)[0] if described else json.dumps(judged(content))
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 800, "completion_tokens": 100}
        reply = json.dumps({"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        """Prints nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
# For a model of yours change this line: its name, prices [0, 0] (USD per million tokens), and
# "http://127.0.0.1:8000/v1" for vLLM, "http://127.0.0.1:11434/v1" for Ollama.
chat = {"base_url": url, "name": "stand-in", "prices": [0.1, 0.4]}

folder = Path(sys.argv[1])
config = core_jax.make_config(
    task=sys.argv[2] if len(sys.argv) > 2 else "drawer-open",
    method="pebble",  # learns from labels alone
    teacher="vlm",
    vlm={"model": "openai", "chat": chat, "size": 64},
    wait_for_labels=True,  # so short a run would be over before the answers come
    **{"steps": 2_000, "envs": 10, "chunk": 500, "random_steps": 500, "unsupervised_steps": 500},
    **{"eval_every": 2_000, "final_episodes": 2, "sac": {"hidden": [32, 32], "batch_size": 32}},
    feedback={"labels": 20, "labels_per_round": 10, "round_every": 500, "clip_length": 10},
    reward={"hidden": [32, 32]},
)
summary = core_jax.run(config, folder)
server.shutdown()

store = LabelStore(folder / "labels.sqlite")
asked = {one.key: one.question for one in store.questions()}
labels = [(asked[key], label) for key in asked for label in store.answers(key).values()]
store.close()
found = quality(*zip(*labels, strict=True))
print(f"{found.asked} labels, {found.decided} decided, {found.abstained} abstained")
print(f"agreement with ground truth {found.accuracy:.2f}, cost {summary['cost_usd']:.5f} USD")
