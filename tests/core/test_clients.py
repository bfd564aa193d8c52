"""Hosted language models, against a server on loopback: what is asked, kept, paid and said."""

import dataclasses
import json
import logging
import pickle
import signal
import subprocess
import sys
import traceback
from email.utils import formatdate
from pathlib import Path

import pytest
from services import (
    ASKED,
    PROVIDERS,
    SECRET,
    Server,
    config_for,
    cut_off,
    model_for,
    said,
    says,
    status,
)

import envs
from core import run_folder
from core.config import Config, check
from core.formal_module import FormalModule
from core.models import BudgetError, ChatConfig, ChatError, ReplayModel, make_chat_model
from core.models import reply_cache as reply_cache_module
from core.models.keys import Key
from core.models.reply_cache import ReplyCache
from core.models.retry import Patience
from core.run import run

pytestmark = pytest.mark.usefixtures("keys")


def texts(replies):
    return [r.text for r in replies]


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
    assert Patience(chance=lambda: 0.0).delay(99, None) == 30.0
    assert Patience(chance=lambda: 1.0).delay(99, 100.0) == 100.0


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
    "no choices": ("openai", {"choices": []}, "has no choices"),
    "no message": ("openai", {"choices": [{}]}, "without a message"),
    "list": ("openai", [1], "has no choices"),
    "thought only": ("openai", said("openai", "", finish="length"), "raise --chat.max-output"),
    "gemini blocked": ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, "prompt: SAFETY"),
    "gemini safety": ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}, "reply: SAFETY"),
    "gemini empty": ("gemini", said("gemini", ""), "reply is empty"),
    "gemini other": ("gemini", {"candidates": [{"finishReason": "OTHER"}]}, "empty: OTHER"),
    "gemini thought only": ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}, "raise"),
    "gemini nothing": ("gemini", {}, "has no candidates"),
    "gemini string": ("gemini", {"candidates": "x"}, "has no candidates"),
    "gemini strings": ("gemini", {"candidates": ["x"]}, "candidate that is a str"),
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


@PROVIDERS
def test_the_budget_is_reached_in_the_middle_of_a_round(provider, server, tmp_path):
    """A dollar a token of output: 10 an answer, 20 at most."""
    settings = {"prices": (0.0, 1e6), "max_output_tokens": 20}
    server.script = [says(provider, t, tokens=(5, 10)) for t in "abcd"]
    with pytest.raises(BudgetError) as caught:
        model_for(provider, server, tmp_path, max_cost=35.0, **settings).complete(ASKED, 4)
    error = caught.value
    assert (error.spent, error.budget, error.next_cost, error.at_risk) == (20.0, 35.0, 20.0, 0.0)
    for said_so in ("$20.00 of $35.00 spent", "can cost $20.00", "--max-cost", "--resume"):
        assert said_so in str(error)
    assert len(server.asked) == 2
    # With more money the round goes on where it stopped; one request may now ask for several.
    server.script = [says(provider, "c", "d", tokens=(5, 10))]
    model = model_for(provider, server, tmp_path, max_cost=100.0, **settings)
    replies = model.complete(ASKED, 4)
    assert texts(replies) == ["a", "b", "c", "d"]
    assert [r.cost_usd for r in replies] == [0.0, 0.0, 10.0, 0.0]
    assert len(server.asked) == 3 and model.spent() == (45, 30.0)


def test_lost_answers_count_against_the_budget(server, tmp_path):
    server.script = [cut_off]
    model = model_for("openai", server, tmp_path, max_cost=50.0, prices=(0.0, 1e6), retries=9,
                      max_output_tokens=20)  # fmt: skip
    with pytest.raises(BudgetError, match=r"\$0.00 of \$50.00 spent and at most \$40.00 for"):
        model.complete(ASKED, 1)
    assert len(server.asked) == 2


@PROVIDERS
def test_the_same_question_is_never_paid_for_twice(provider, server, tmp_path):
    server.script = [says(provider, "a", "b"), says(provider, "c", "d"), says(provider, "e", "f")]
    model = model_for(provider, server, tmp_path)
    assert texts(model.complete(ASKED, 2)) == ["a", "b"]
    again = model_for(provider, server, tmp_path)
    assert [tuple(r) for r in again.complete(ASKED, 2)] == [
        ("a", 0, 0, 0.0, "", "ok"),
        ("b", 0, 0, 0.0, "", "ok"),
    ]
    assert len(server.asked) == 1
    assert texts(again.complete(ASKED, 2, attempt=1)) == ["c", "d"]
    assert texts(again.complete(ASKED[:2], 2)) == ["e", "f"]
    server.script = [says(provider, "g", "h")]
    warmer = model_for(provider, server, tmp_path, temperature=1.5)
    assert texts(warmer.complete(ASKED, 2)) == ["g", "h"]
    assert len(server.asked) == 4


SAFE = {"journal_mode": "wal", "synchronous": 2}  # 2: FULL
KILLED = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("reply_cache", sys.argv[1])
reply_cache = importlib.util.module_from_spec(spec)
sys.modules["reply_cache"] = reply_cache
spec.loader.exec_module(reply_cache)
cache = reply_cache.ReplyCache(sys.argv[2])
ask = reply_cache.Ask("openai", "m", (("user", "hello"),), ("", 1.0, 100), 0)
cache.keep(ask, [reply_cache.Kept(0, "ok", "a", "", 3, 4, 0.5), reply_cache.Kept(1, "ok", "b")])
cache._db.execute("INSERT INTO at_risk VALUES ('not committed', 1.0)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_cache_survives_a_kill(tmp_path):
    path = tmp_path / "replies.sqlite"
    source = Path(reply_cache_module.__file__)
    done = subprocess.run([sys.executable, "-c", KILLED, str(source), str(path)])
    assert done.returncode == -signal.SIGKILL
    cache = ReplyCache(path)
    ask = reply_cache_module.Ask("openai", "m", (("user", "hello"),), ("", 1.0, 100), 0)
    assert [cache.find(ask, i).text for i in range(2)] == ["a", "b"]
    assert cache.find(ask, 2) is None
    assert cache.totals() == (7, 0.5) and cache.at_risk() == 0
    # Nor may a commit be lost with the machine's power.
    pragmas = [cache._db.execute(f"PRAGMA {p}").fetchone()[0] for p in SAFE]
    assert pragmas == list(SAFE.values())


@PROVIDERS
@pytest.mark.parametrize("code", [200, 400, 401, 404, 500])
def test_a_key_is_shown_to_nobody(provider, code, server, tmp_path, caplog):
    """Even if the service repeats it."""
    caplog.set_level(logging.DEBUG)
    config = config_for(provider, server)
    run_folder.prepare(tmp_path / "run", config, resume=False)
    if code == 200:
        server.script = [status(200, f"no JSON, {SECRET}"), says(provider, f"{SECRET}!")]
    else:
        server.script = [status(code, json.dumps({"error": {"message": f"not {SECRET}!"}}))]
    model = model_for(provider, server, tmp_path / "run", retries=1)
    shown = [repr(model), repr(vars(model)), repr(model._service), repr(vars(model._service))]
    try:
        shown += [repr(model.complete(ASKED, 1))]
        assert code == 200
    except ChatError as error:
        shown += traceback.format_exception(error) + [repr(error), repr(vars(error))]
    shown += [r.getMessage() for r in caplog.records] + [caplog.text]
    assert server.asked and not any(SECRET in text for text in shown)
    files = [f for f in (tmp_path / "run").rglob("*") if f.is_file()]
    assert any(f.name.startswith("replies.sqlite") for f in files)
    assert not any(SECRET.encode() in f.read_bytes() for f in files)


def test_a_key_cannot_be_written():
    key = Key("OPENAI_API_KEY", SECRET)
    assert repr(key) == str(key) == f"{key}" == "Key(OPENAI_API_KEY)"
    with pytest.raises(TypeError, match="never written"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("provider", "named"),
    [("gemini", "GEMINI_API_KEY or GOOGLE_API_KEY"), ("openai", "OPENAI_API_KEY")],
)
def test_a_missing_key_is_named(provider, named, tmp_path, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    config = check(Config(model=provider))
    with pytest.raises(ValueError, match=f"--model {provider} needs an API key: set {named} in"):
        make_chat_model(config, tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="needs an API key"):
        run(config, tmp_path / "run")
    assert not list(tmp_path.iterdir())  # no folder of a run that never began
    monkeypatch.setenv(named.split()[-1], "two words\u2026")
    with pytest.raises(ValueError, match="holds characters that no API key has") as caught:
        make_chat_model(config, tmp_path)
    assert "words" not in str(caught.value)


def test_google_api_key_will_do(server, tmp_path, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("GOOGLE_API_KEY", "other")
    server.script = [says("gemini", "a")]
    assert texts(model_for("gemini", server, tmp_path).complete(ASKED, 1)) == ["a"]


@pytest.mark.parametrize(
    ("provider", "chat", "message"),
    [
        ("openai", {"name": "gpt-99"}, "no price is known for the model 'gpt-99'.*--chat.prices"),
        ("openai", {"base_url": "http://127.0.0.1:1/v1"}, "chat.base_url needs chat.name"),
        ("openai", {"base_url": "127.0.0.1:1", "name": "m"}, "must be http:// or https://"),
        ("openai", {"base_url": "http://h:port/v1", "name": "m"}, "not 'http://h:port/v1'"),
        ("openai", {"base_url": "http://[h/v1", "name": "m"}, "must be http:// or https://"),
        ("gemini", {"base_url": "http://u:pw@h/"}, "a key belongs in the environment"),
        ("gemini", {"base_url": "http://h/?key=pw"}, "a key belongs in the environment"),
        ("gemini", {"temperature": 3.0}, r"chat.temperature must be in \[0, 2\], not 3.0"),
        ("gemini", {"max_output_tokens": 0}, "chat.max_output_tokens must be at least 1, not 0"),
        ("gemini", {"retries": -1}, "chat.retries must be at least 0, not -1"),
        ("gemini", {"timeout": 0.0}, "chat.timeout must be a positive number"),
        ("gemini", {"prices": (-1.0, 1.0)}, "chat.prices must not be negative"),
    ],
)
def test_bad_chat_settings_are_named(provider, chat, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(Config(model=provider, chat=ChatConfig(**chat)))
    assert "pw" not in str(caught.value)


def test_bad_budget_and_good_defaults(tmp_path):
    with pytest.raises(ValueError, match="max_cost must be a positive amount of USD, not 0"):
        check(Config(model="gemini", max_cost=0.0))
    check(Config(model="gemini"))
    check(Config(model="openai"))
    assert isinstance(make_chat_model(Config(), tmp_path), ReplayModel)


def test_a_resumed_run_may_have_a_larger_budget(tmp_path):
    run_folder.prepare(tmp_path / "run", Config(model="gemini"), resume=False)
    richer = Config(model="gemini", max_cost=9.0, chat=ChatConfig(timeout=9.0, prices=None))
    run_folder.prepare(tmp_path / "run", richer, resume=True)
    assert run_folder.load_config(tmp_path / "run") == richer
    hotter = dataclasses.replace(richer, chat=ChatConfig(temperature=0.0))
    with pytest.raises(ValueError, match="chat.temperature was 1.0, is 0.0"):
        run_folder.prepare(tmp_path / "run", hotter, resume=True)


REWARD = """```python
def compute_reward(observation, action, target_pos):
    return observation[0], {"x": observation[0]}
```"""


def test_the_formal_module_records_reasons_and_what_was_paid(server, tmp_path):
    choices = said("openai", REWARD, "", "```python\ndef", finish=None)["choices"]
    choices[2]["finish_reason"] = "length"
    content = {"choices": choices, "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
    server.script = [status(200, json.dumps(content))]
    config = config_for("openai", server)
    config = dataclasses.replace(config, formal=dataclasses.replace(config.formal, candidates=3))
    spec = envs.make("drawer-open").spec
    module = FormalModule(config, spec, model_for("openai", server, tmp_path), tmp_path)
    candidates = module.first_candidates()
    assert [c.reward is None for c in candidates] == [False, True, True]
    assert candidates[1].problem == "the reply is empty"
    assert candidates[2].problem.startswith("cut off at 16384 output tokens")
    assert (module.tokens, module.cost_usd) == (1500, pytest.approx(0.002))
    # A process that was killed before any checkpoint has paid all the same, and only once.
    again = FormalModule(config, spec, model_for("openai", server, tmp_path), tmp_path)
    assert [c.problem for c in again.first_candidates()] == [c.problem for c in candidates]
    assert (again.tokens, again.cost_usd) == (1500, pytest.approx(0.002))
    again.restore(module.state() | {"tokens": 0, "cost_usd": 0.0})
    assert (again.tokens, again.cost_usd) == (1500, pytest.approx(0.002))
    assert len(server.asked) == 1


def test_nothing_but_refusals(server, tmp_path):
    server.script = [status(200, json.dumps({"choices": [{"message": {"refusal": "never"}}] * 4}))]
    config = config_for("openai", server)
    module = FormalModule(config, envs.make("drawer-open").spec,
                          model_for("openai", server, tmp_path), tmp_path)  # fmt: skip
    with pytest.raises(ValueError, match="no candidate .* compiles:\nthe model refuses: never"):
        module.first_candidates()
    assert len(server.asked) == config.formal.attempts
