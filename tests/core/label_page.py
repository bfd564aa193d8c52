"""A labelling session behind its server, and what a page would ask of it."""

import http.client
import json
import threading

from core_jax.feedback.person import LabelSession, make_server


class Page:
    """A server for a run and what a page would ask of it."""

    def __init__(self, run, env, render, name=""):
        self.session = LabelSession(run, env, render, name)
        self.server = make_server(self.session)
        self.port, self.root = self.server.server_port, f"/{self.server.token}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.session.close()

    def send(self, method, path, body=None, root=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, (self.root if root is None else root) + path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply, content

    def state(self):
        return json.loads(self.send("GET", "/state")[1])

    def key(self):
        return self.state()["next"]["key"]

    def answer(self, key, choice, seconds=1.5):
        body = {"key": key, "choice": choice, "seconds": seconds}
        reply, content = self.send("POST", "/answer", body)
        return reply.status, json.loads(content)
