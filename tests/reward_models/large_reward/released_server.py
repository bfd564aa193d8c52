"""A fake of the released server: its endpoints, replies and fallbacks, from the facts of its code,
and its faults. It scores a picture by its mean brightness."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ReleasedServer:
    """Listens on loopback until `close`.

    Attributes:
        requests: what was sent: (path, raw body).
        faults: path -> what happens there: `500`, `html`, `slow`, `missing`, `range`, `list`,
            `unreadable`, or a number of times that a 500 comes first.
        most: most requests that were under way at once.
    """

    def __init__(self, seconds=0.0):
        self.requests, self.faults, self.seconds, self.most = [], {}, seconds, 0
        self._now, self._lock = 0, threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                adapters = ["contrastive", "progress", "completion"]
                health = {"status": "healthy", "model_loaded": True, "adapters": adapters}
                self.send(200, json.dumps(health).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer._lock:
                    outer.requests.append((self.path, body))
                    outer._now += 1
                    outer.most = max(outer.most, outer._now)
                try:
                    time.sleep(outer.seconds)
                    self.send(*outer.reply(self.path, body))
                finally:
                    with outer._lock:
                        outer._now -= 1

            def send(self, status, content):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path, body):
        fault = self.faults.get(path)
        if isinstance(fault, int) and fault > 0 and fault != 500:
            self.faults[path] = fault - 1
            fault = 500
        if fault == 500:
            return 500, json.dumps({"success": False, "error": "CUDA out of memory"}).encode()
        if fault == "html":
            return 200, b"<html>proxy</html>"
        if fault == "slow":
            time.sleep(3.0)
        reply = _ANSWERS[path](json.loads(body))
        if fault == "missing":
            reply.pop("score")
        if fault == "range":
            reply["score"] = 7.5
        if fault == "list":
            reply = [reply]
        if fault == "unreadable":
            reply |= {"result": None, "score": 0}
        return 200, json.dumps(reply).encode()


def _bright(message, name):
    value = message[name]
    data = value["data"] if isinstance(value, dict) else value
    raw = base64.b64decode(data)
    return sum(raw) / len(raw) / 255.0


def _reward(message):
    score = round(_bright(message, "image"), 1)
    return {"success": True, "score": score, "response": json.dumps({"completion_progress": score})}


def _completion(message):
    done = _bright(message, "image") > 0.5
    return {"success": True, "score": int(done), "completed": done, "response": "..."}


def _comparison(message):
    later = _bright(message, "image_b") > _bright(message, "image_a")
    result = "ImageB" if later else "ImageA"
    return {"success": True, "result": result, "score": 1 if later else -1, "response": "..."}


_ANSWERS = {
    "/compute_reward": _reward,
    "/compute_completion": _completion,
    "/compute_comparison": _comparison,
}
