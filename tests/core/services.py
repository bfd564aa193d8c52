"""A service on loopback that gives scripted answers, and models that ask it."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core_jax.models import ChatConfig, RetryPolicy, check_chat, make_labeller, open_ledger
from core_jax.prompts.message import Message

SECRET = "sk-live-0123456789"
ASKED = [
    Message("system", "You write rewards."),
    Message("user", "One for a drawer, please."),
    Message("assistant", "```python\n1\n```"),
    Message("user", "Better."),
]
PROVIDERS = pytest.mark.parametrize("provider", ["openai", "gemini"])


class Server:
    """Gives scripted answers, the last one for ever, and remembers what it was asked."""

    def __init__(self):
        self.script, self.asked, self.headers, self.paths = [], [], [], []
        self.ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                outer.asked.append(json.loads(self.rfile.read(length)))
                outer.headers.append(dict(self.headers))
                outer.paths.append(self.path)
                script = outer.script
                answer = script.pop(0) if len(script) > 1 else script[0]
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    answer(self)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self):
        self.ended.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def texts(replies):
    return [r.text for r in replies]


def status(code, body="", **headers):
    def answer(handler):
        content = body if isinstance(body, bytes) else body.encode()
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def said(provider, *texts, tokens=(10, 20), finish=None, **more):
    """A service's answer with these texts, as Python objects."""
    if provider == "openai":
        choices = [
            {"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": finish}
            for i, t in enumerate(texts)
        ]
        usage = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))
        return {"choices": choices, "usage": usage, **more}
    candidates = [
        {"content": {"role": "model", "parts": [{"text": t}]}, "finishReason": finish or "STOP"}
        for t in texts
    ]
    thought = tokens[1] // 2
    usage = {"promptTokenCount": tokens[0], "candidatesTokenCount": tokens[1] - thought,
             "thoughtsTokenCount": thought}  # fmt: skip
    return {"candidates": candidates, "usageMetadata": usage, **more}


def says(provider, *texts, **more):
    return status(200, json.dumps(said(provider, *texts, **more)))


def chat_for(provider, server, **chat):
    url = server.url + ("/v1" if provider == "openai" else "")
    given = {"name": "a-model", "base_url": url, "prices": (1.0, 2.0), "timeout": 5.0, **chat}
    return ChatConfig(**given)


def model_for(provider, server, folder, slept=None, sleeps=False, max_cost=5.0, **settings):
    """A model that asks the server; its waits go to the list `slept`, unless it really `sleeps`."""
    sleep = None if sleeps else ([] if slept is None else slept).append
    chat = chat_for(provider, server, **settings)
    check_chat(provider, chat, max_cost)
    return make_labeller(
        provider,
        chat,
        ledger=open_ledger(max_cost, folder),
        policy=RetryPolicy(sleep=sleep, uniform=lambda: 0.5),
    )
