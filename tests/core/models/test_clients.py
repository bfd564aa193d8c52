"""Hosted language models, against a server on loopback: what is sent, kept and paid."""

import json
from email.utils import formatdate

import pytest
from services import (
    ASKED,
    PROVIDERS,
    SECRET,
    Server,
    cut_off,
    model_for,
    said,
    says,
    status,
    texts,
)

from core_jax.models import ChatError
from core_jax.models.reply_cache import ReplyCache
from core_jax.models.retry import RetryPolicy

pytestmark = pytest.mark.usefixtures("keys")


@PROVIDERS
def test_samples_of_one_request_and_what_they_cost(provider, server, tmp_path):
    server.script = [says(provider, "a", "b", "c", tokens=(1000, 500))]
    model = model_for(provider, server, tmp_path)
    replies = model.complete(ASKED, 3)
    assert texts(replies) == ["a", "b", "c"] and not any(r.problem for r in replies)
    assert sum(r.tokens_in for r in replies) == 1000
    assert sum(r.tokens_out for r in replies) == 500
    assert sum(r.cost_usd for r in replies) == pytest.approx((1000 * 1 + 500 * 2) / 1e6)
    assert model.spent() == (1500, pytest.approx(0.002))
    assert len(server.asked) == 1


def test_what_openai_is_sent(server, tmp_path):
    server.script = [says("openai", "a", "b")]
    model_for("openai", server, tmp_path, temperature=0.5, max_output_tokens=99).complete(ASKED, 2)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert server.asked[0] == {
        "model": "a-model",
        "messages": [{"role": m.role, "content": m.content} for m in ASKED],
        "temperature": 0.5,
        "max_tokens": 99,
        "n": 2,
    }


def test_what_gemini_is_sent(server, tmp_path):
    server.script = [says("gemini", "a", "b")]
    model_for("gemini", server, tmp_path, temperature=0.5, max_output_tokens=99).complete(ASKED, 2)
    assert server.paths[0].endswith("/models/a-model:generateContent")
    assert SECRET not in server.paths[0]
    assert {k.lower(): v for k, v in server.headers[0].items()}["x-goog-api-key"] == SECRET
    [asked] = server.asked
    assert asked["systemInstruction"]["parts"] == [{"text": ASKED[0].content}]
    assert [(t["role"], t["parts"][0]["text"]) for t in asked["contents"]] == [
        ("user", ASKED[1].content),
        ("model", ASKED[2].content),
        ("user", ASKED[3].content),
    ]
    assert asked["generationConfig"] == {
        "temperature": 0.5,
        "candidateCount": 2,
        "maxOutputTokens": 99,
    }


def test_an_endpoint_of_ones_own_needs_no_key(server, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    server.script = [says("openai", "a")]
    assert texts(model_for("openai", server, tmp_path).complete(ASKED, 1)) == ["a"]
    assert "Authorization" not in server.headers[0]


@PROVIDERS
def test_a_service_that_gives_one_sample_a_request(provider, server, tmp_path):
    """Gemini 3 says so by a 400, Ollama gives one of n."""
    server.script = [status(400, '{"error": {"message": "multiple candidates"}}')]
    server.script += [says(provider, t) for t in "abc"]
    model = model_for(provider, server, tmp_path)
    assert texts(model.complete(ASKED, 3)) == ["a", "b", "c"]
    assert len(server.asked) == 4
    server.script = [says(provider, t) for t in "def"]
    assert texts(model.complete(ASKED, 3, attempt=1)) == ["d", "e", "f"]
    assert len(server.asked) == 7  # it is not tried with several again


def test_fewer_samples_than_asked_for(server, tmp_path):
    server.script = [says("openai", t) for t in "abc"]
    assert texts(model_for("openai", server, tmp_path).complete(ASKED, 3)) == ["a", "b", "c"]
    assert [a.get("n", 1) for a in server.asked] == [3, 2, 1]


@PROVIDERS
@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (status(429, "{}", Retry_After="7"), 7.0),
        (status(503, "no", Retry_After="0.25"), 1.0),
        (status(500, '{"error": {"message": "oops"}}'), 1.0),
        (status(408), 1.0),
        (status(409, "[]"), 1.0),
        (cut_off, 1.0),
        (status(200, "<html>busy</html>"), 1.0),
        (status(200, ""), 1.0),
        (status(200, b"\xff\xfe\xfd"), 1.0),
        (status(500, b"\xff\xfe\xfd"), 1.0),
    ],
    ids=[
        "429",
        "503",
        "500",
        "408",
        "409",
        "cut-off",
        "no-json",
        "no-body",
        "no-text",
        "500-no-text",
    ],
)
def test_passing_failures_are_tried_again(provider, failure, waits, server, tmp_path):
    server.script, slept = [failure, says(provider, "a")], []
    assert texts(model_for(provider, server, tmp_path, slept).complete(ASKED, 1)) == ["a"]
    assert slept == [waits] and len(server.asked) == 2


@PROVIDERS
def test_a_slow_service(provider, server, tmp_path):
    server.script = [lambda handler: server.ended.wait(5), says(provider, "a")]
    model = model_for(provider, server, tmp_path, timeout=0.1)
    assert texts(model.complete(ASKED, 1)) == ["a"] and len(server.asked) == 2
    # The answer that was not waited for may have been billed.
    cache = ReplyCache(tmp_path / "replies.sqlite")
    assert cache.at_risk() > 16_384 * 2 / 1e6


@PROVIDERS
def test_nobody_listens(provider, tmp_path):
    gone, slept = Server(), []
    gone.close()
    model = model_for(provider, gone, tmp_path, slept, retries=2, prices=(0.0, 0.0))
    with pytest.raises(ChatError, match="none of 2 replies: .*ConnectError.*after 3 tries"):
        model.complete(ASKED, 2)
    assert slept == [1.0, 2.0]
    assert ReplyCache(tmp_path / "replies.sqlite").at_risk() == 0  # nothing was sent


def test_backoff_grows_and_honours_dates(server, tmp_path):
    later = formatdate(4_102_444_800, usegmt=True)  # in the year 2100
    server.script = [status(500)] * 3 + [status(503, "", Retry_After=later)]
    slept = []
    model = model_for("openai", server, tmp_path, slept, retries=9)
    with pytest.raises(ChatError, match=r"asks to wait \d{9,} s"):
        model.complete(ASKED, 1)
    assert slept == [1.0, 2.0, 4.0]
    assert RetryPolicy(uniform=lambda: 0.0).wait(99, None) == 30.0
    assert RetryPolicy(uniform=lambda: 1.0).wait(99, 100.0) == 100.0


def test_googles_own_wish_to_wait(server, tmp_path):
    error = {"code": 429, "message": "quota", "details": [{"retryDelay": "12.5s"}]}
    server.script = [status(429, json.dumps({"error": error})), says("gemini", "a")]
    slept = []
    model_for("gemini", server, tmp_path, slept).complete(ASKED, 1)
    assert slept == [12.5]


@PROVIDERS
def test_a_request_that_fails_for_good_loses_only_its_own_sample(provider, server, tmp_path):
    bad = status(400, '{"error": {"message": "no luck"}}')
    server.script = [bad, says(provider, "a"), bad, says(provider, "c")]
    replies = model_for(provider, server, tmp_path).complete(ASKED, 3)
    assert texts(replies) == ["a", "", "c"]
    assert replies[1].problem == "no answer: HTTP 400: no luck"
    # A resumed run finds the same: another sample in that place would make it another run.
    again = model_for(provider, server, tmp_path).complete(ASKED, 3)
    assert texts(again) == ["a", "", "c"] and again[1].problem == replies[1].problem
    assert len(server.asked) == 4


@PROVIDERS
@pytest.mark.parametrize(
    ("code", "body", "message"),
    [
        (401, f"wrong key {SECRET}", "does not accept .*_API_KEY.*Check the key"),
        (403, "{}", "HTTP 403"),
        (404, '{"error": {"message": "no a-model here"}}', "no a-model here.*--chat.name"),
    ],
)
def test_a_hopeless_request_is_not_repeated(provider, code, body, message, server, tmp_path):
    server.script = [status(code, body)]
    with pytest.raises(ChatError, match=message):
        model_for(provider, server, tmp_path).complete(ASKED, 4)
    assert len(server.asked) == 1


def test_gemini_says_wrong_key_by_a_400(server, tmp_path):
    error = {"code": 400, "message": "bad", "details": [{"reason": "API_KEY_INVALID"}]}
    server.script = [status(400, json.dumps({"error": error}))]
    with pytest.raises(ChatError, match="does not accept GEMINI_API_KEY"):
        model_for("gemini", server, tmp_path).complete(ASKED, 4)
    assert len(server.asked) == 1


FILTERED = {"message": {"content": "half"}, "finish_reason": "content_filter"}
UNUSABLE = {
    "refused": ("openai", {"choices": [{"message": {"refusal": "no"}}]}, "model refuses: no"),
    "filtered": ("openai", {"choices": [FILTERED]}, "content filter"),
    "empty": ("openai", said("openai", ""), "reply is empty"),
    "null": ("openai", said("openai", None), "reply is empty"),
    "number": ("openai", said("openai", 7), "content is a int"),
    "thought only": ("openai", said("openai", "", finish="length"), "raise --chat.max-output"),
    "gemini blocked": ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, "prompt: SAFETY"),
    "gemini safety": ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}, "reply: SAFETY"),
    "gemini empty": ("gemini", said("gemini", ""), "reply is empty"),
    "gemini thought only": ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}, "raise"),
    "gemini parts": ("gemini", {"candidates": [{"content": {"parts": 3}}]}, "without parts"),
    "gemini text": ("gemini", {"candidates": [{"content": {"parts": [{"text": 3}]}}]}, "no string"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_answer_is_kept_as_what_it_is(case, server, tmp_path):
    provider, content, problem = UNUSABLE[case]
    server.script = [status(200, json.dumps(content))]
    for _ in range(2):
        [reply] = model_for(provider, server, tmp_path).complete(ASKED, 1)
        assert reply.text == "" and problem in reply.problem
    assert len(server.asked) == 1  # no transport failure: asked and paid once


def test_thoughts_are_no_text(server, tmp_path):
    parts = [{"text": "hm", "thought": True}, {"text": "a"}, {"text": "b"}]
    content = {"candidates": [{"content": {"parts": parts}}], "usageMetadata": {}}
    server.script = [status(200, json.dumps(content))]
    assert texts(model_for("gemini", server, tmp_path).complete(ASKED, 1)) == ["ab"]


@PROVIDERS
def test_a_reply_that_was_cut_off_keeps_its_text(provider, server, tmp_path):
    finish = "length" if provider == "openai" else "MAX_TOKENS"
    server.script = [says(provider, "half a", finish=finish)]
    [reply] = model_for(provider, server, tmp_path).complete(ASKED, 1)
    assert reply.text == "half a" and "cut off at 16384 output tokens" in reply.problem


@PROVIDERS
def test_tokens_that_nobody_counted_are_booked_as_the_most(provider, server, tmp_path):
    content = {k: v for k, v in said(provider, "a").items() if not k.startswith("usage")}
    server.script = [status(200, json.dumps(content))]
    [reply] = model_for(provider, server, tmp_path, max_output_tokens=1000).complete(ASKED, 1)
    assert reply.text == "a" and reply.tokens_out == 1000
    assert reply.tokens_in >= sum(len(m.content) for m in ASKED)
    assert "did not count its tokens" in reply.problem
