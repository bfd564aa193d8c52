"""The ways in which services of language models fail.

A fault is a function of a request and of the honest texts; `FAULTS` has them by name, and the
families at the end say what a client should make of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from hostile_protocol import Request, Response, completion

REDIRECT = "https://elsewhere.example/v1?key=unknown"
ANSI = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2Jtitle\u202e\u200b end\r\n\x00."

Fault = Callable[[Request, Sequence[str]], Response]
FAULTS: dict[str, Fault] = {}


def fault(build: Fault) -> Fault:
    """Registers a fault by its name."""
    FAULTS[build.__name__] = build
    return build


# Errors in the body of an HTTP 200.


@fault
def error_429_inside(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"code": 429, "message": "upstream is busy", "status": "EXHAUSTED"}})


@fault
def error_500_inside(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"code": "503", "message": "overloaded"}, "choices": None})


@fault
def error_text_inside(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": "the backend has crashed"})


@fault
def nothing_null(request: Request, texts: Sequence[str]) -> Response:
    return Response({"choices": None, "candidates": None})


@fault
def nothing_list(request: Request, texts: Sequence[str]) -> Response:
    return Response({"choices": [], "candidates": []})


@fault
def nothing_object(request: Request, texts: Sequence[str]) -> Response:
    return Response({"choices": {}, "candidates": {}})


@fault
def nothing_at_all(request: Request, texts: Sequence[str]) -> Response:
    return Response({})


@fault
def not_an_object(request: Request, texts: Sequence[str]) -> Response:
    return Response("null")


@fault
def empty_choice(request: Request, texts: Sequence[str]) -> Response:
    return Response({"choices": [{}], "candidates": ["x"]})


@fault
def finish_error(request: Request, texts: Sequence[str]) -> Response:
    finish = "error" if request.provider == "openai" else "OTHER"
    return Response(completion(request.provider, texts, finish=finish))


@fault
def finish_malformed(request: Request, texts: Sequence[str]) -> Response:
    finish = "error" if request.provider == "openai" else "MALFORMED_RESPONSE"
    return Response(completion(request.provider, [""], finish=finish))


# Bodies that cannot be read, or not in time.


@fault
def html(request: Request, texts: Sequence[str]) -> Response:
    return Response("<html>502 Bad Gateway</html>", headers={"Content-Type": "text/html"})


@fault
def empty_body(request: Request, texts: Sequence[str]) -> Response:
    return Response("")


@fault
def truncated(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts), missing=40)


@fault
def half_json(request: Request, texts: Sequence[str]) -> Response:
    return Response(json.dumps(completion(request.provider, texts))[:-40])


@fault
def deep_json(request: Request, texts: Sequence[str]) -> Response:
    return Response("[" * 200_000 + "]" * 200_000)


@fault
def deep_error(request: Request, texts: Sequence[str]) -> Response:
    return Response('{"error":' * 200_000 + "1" + "}" * 200_000, status=500)


@fault
def not_gzip(request: Request, texts: Sequence[str]) -> Response:
    return Response("this is not gzip", headers={"Content-Encoding": "gzip"})


@fault
def trickle(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts), pause=0.1)


@fault
def trickle_head(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts), head_pause=0.1)


@fault
def silence(request: Request, texts: Sequence[str]) -> Response:
    return Response(None, silent=True)


# Other statuses.


@fault
def too_many_requests(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"message": "slow down"}}, 429, {"Retry-After": "2"})


@fault
def server_error(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"message": "oops"}}, 500)


@fault
def bad_retry_after(request: Request, texts: Sequence[str]) -> Response:
    return Response("busy", 503, {"Retry-After": "soon"})


@fault
def redirect(request: Request, texts: Sequence[str]) -> Response:
    return Response("", 307, {"Location": REDIRECT})


@fault
def control_characters(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"message": ANSI}}, 400)


@fault
def key_across_the_cut(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"message": "." * (300 - len(request.key) + 1) + request.key}}, 400)


@fault
def key_in_pieces(request: Request, texts: Sequence[str]) -> Response:
    key = request.key
    half = f"{key[:4]}\x1b[0m\u200b{key[4:]}"
    words = f"{half} {key[:8]}****{key[-4:]} {key[:-1]}"
    return Response({"error": {"message": words, "code": "invalid_key"}}, 400)


@fault
def key_in_html(request: Request, texts: Sequence[str]) -> Response:
    return Response("x" * (80 - len(request.key) + 1) + request.key)


@fault
def key_in_reply(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, [f"your key is {request.key}"] * request.n))


# Replies that are none, or not only.


@fault
def unfinished_thought(request: Request, texts: Sequence[str]) -> Response:
    finish = "length" if request.provider == "openai" else "MAX_TOKENS"
    return Response(completion(request.provider, [f"<think>{t}" for t in texts], finish=finish))


@fault
def reasoning_only(request: Request, texts: Sequence[str]) -> Response:
    if request.provider == "openai":
        message = {"reasoning_content": "Let me think."}
        return Response(completion("openai", [""] * request.n, **message))
    return Response(completion("gemini", [[{"text": "Let me think.", "thought": True}]]))


@fault
def finished_thought(request: Request, texts: Sequence[str]) -> Response:
    texts = [f"<think>a draft: {'{'}</think>\n{t}" for t in texts]
    return Response(completion(request.provider, texts))


@fault
def orphan_thought(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, [f"a draft</think>{t}" for t in texts]))


@fault
def list_of_parts(request: Request, texts: Sequence[str]) -> Response:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "thought": True}
    parts = [
        [thought, {"type": "text", "text": t[: len(t) // 2]}, {"text": t[len(t) // 2 :]}]
        for t in texts
    ]
    return Response(completion(request.provider, parts))


@fault
def surrogates(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, [f"{t} \ud83d" for t in texts]))


@fault
def surrogate_error(request: Request, texts: Sequence[str]) -> Response:
    return Response({"error": {"message": "broken \udc00 pipe"}}, 500)


@fault
def wrong_content_type(request: Request, texts: Sequence[str]) -> Response:
    headers = {"Content-Type": "image/png; charset=hex"}
    return Response(completion(request.provider, texts), headers=headers)


@fault
def usage_huge(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts, tokens=(10**30, 10**30)))


@fault
def usage_longest(request: Request, texts: Sequence[str]) -> Response:
    body = json.dumps(completion(request.provider, texts, tokens=(10, "HERE")))
    return Response(body.replace('"HERE"', "9" * 5_000))


@fault
def usage_negative(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts, tokens=(10, -1)))


@fault
def usage_nan(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts, tokens=(float("nan"), float("inf"))))


@fault
def usage_text(request: Request, texts: Sequence[str]) -> Response:
    return Response(completion(request.provider, texts, tokens=("ten", "20")))


# Families, by what a client makes of them.
INSIDE_200 = (
    "error_429_inside error_500_inside error_text_inside nothing_null nothing_list nothing_object "
    "nothing_at_all not_an_object empty_choice finish_error finish_malformed"
).split()
UNREADABLE = "html empty_body truncated half_json deep_json deep_error not_gzip".split()
LATE = "trickle trickle_head silence".split()
BUSY = "too_many_requests server_error bad_retry_after surrogate_error".split()
FOR_GOOD = "control_characters key_across_the_cut key_in_pieces".split()
UNCOUNTED = "usage_huge usage_longest usage_negative usage_nan usage_text".split()
STILL_GOOD = (
    "finished_thought orphan_thought list_of_parts surrogates wrong_content_type".split()
    + UNCOUNTED
)
TRANSIENT = INSIDE_200 + UNREADABLE + BUSY  # a repetition mends them
