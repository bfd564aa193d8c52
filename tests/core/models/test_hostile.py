"""Hosted models against a service that fails in every way: retried, reported, never believed."""

import json
import threading
import time

import pytest
from hostile_faults import (
    ANSI,
    BUSY,
    FAULTS,
    FOR_GOOD,
    INSIDE_200,
    LATE,
    STILL_GOOD,
    TRANSIENT,
    UNCOUNTED,
    UNREADABLE,
)
from hostile_protocol import completion
from hostile_service import HostileService, random_faults
from services import ASKED, PROVIDERS, SECRET, model_for, status, texts

from core_jax.models import AccessError, ChatError
from core_jax.models.reply_cache import ReplyCache

pytestmark = pytest.mark.usefixtures("keys")


@pytest.fixture
def hostile():
    started = []

    def start(*schedule, **settings):
        started.append(HostileService(schedule=schedule, **settings))
        return started[-1]

    yield start
    for service in started:
        service.close()


def at_risk(folder):
    return ReplyCache(folder / "replies.sqlite").at_risk()


def files_hold(folder, text):
    return any(text.encode() in f.read_bytes() for f in folder.rglob("*") if f.is_file())


@PROVIDERS
@pytest.mark.parametrize("name", TRANSIENT)
def test_a_transient_fault_is_retried(provider, name, hostile, tmp_path):
    service, slept = hostile(name), []
    model = model_for(provider, service, tmp_path, slept)
    assert texts(model.complete(ASKED, 1)) == ["hello"]
    assert len(service.requests) == 2 and len(slept) == 1
    assert model.spent()[0] == 30  # one honest answer
    # Only an answer that was made and got lost may have been billed.
    assert (at_risk(tmp_path) > 0) == (name in UNREADABLE and name != "deep_error")


@PROVIDERS
@pytest.mark.parametrize("name", INSIDE_200 + BUSY)
def test_a_fault_that_stays_is_reported_and_forgotten(provider, name, hostile, tmp_path):
    """Nothing is booked, nothing is kept: a resumed run asks again and has its answer."""
    service = hostile(*[name] * 3)
    model = model_for(provider, service, tmp_path, retries=2)
    with pytest.raises(ChatError, match="after 3 tries"):
        model.complete(ASKED, 1)
    assert model.spent() == (0, 0.0) and at_risk(tmp_path) == 0
    again = model_for(provider, service, tmp_path)
    assert texts(again.complete(ASKED, 1)) == ["hello"]


@PROVIDERS
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("error_429_inside", "HTTP 429: upstream is busy"),
        ("error_500_inside", "HTTP 503: overloaded"),
        ("error_text_inside", "the service reports an error: the backend has crashed"),
        ("nothing_at_all", "the service's answer has no c"),
        ("not_an_object", "answer is a NoneType, not an object"),
        ("finish_malformed", "ends with the finish reason "),
        ("surrogate_error", "HTTP 500: broken \ufffd pipe"),
    ],
)
def test_the_words_of_a_fault_are_reported(provider, name, words, hostile, tmp_path):
    service = hostile(name)
    with pytest.raises(ChatError) as caught:
        model_for(provider, service, tmp_path, retries=0).complete(ASKED, 1)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 402, "message": "no credit"}, 402),
        ({"code": 401, "message": "who are you"}, 401),
        ({"code": 404, "message": "no such model"}, 404),
    ],
)
@PROVIDERS
def test_a_hopeless_error_inside_200(provider, error, code, server, tmp_path):
    server.script = [status(200, json.dumps({"error": error}))]
    with pytest.raises(AccessError, match=f"HTTP {code}.*{error['message']}"):
        model_for(provider, server, tmp_path).complete(ASKED, 4)
    assert len(server.asked) == 1


def test_an_error_of_one_of_two_samples_repeats_only_that(server, tmp_path):
    answer = completion("openai", ["a", "b"])
    answer["choices"][0] |= {"finish_reason": "error", "error": {"code": 502, "message": "x"}}
    server.script = [status(200, json.dumps(answer)), status(200, json.dumps(
        completion("openai", ["c"])))]  # fmt: skip
    replies = model_for("openai", server, tmp_path).complete(ASKED, 2)
    assert texts(replies) == ["b", "c"] and not any(r.problem for r in replies)


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"code": 502, "message": "m", "metadata": {"raw": "upstream said no"}}},
        {"object": "error", "message": "upstream said no", "code": 502},
        {"detail": "upstream said no"},
        {"choices": [{"error": {"code": 502, "message": "upstream said no"}}]},
        [{"error": {"code": 503, "message": "upstream said no", "status": "UNAVAILABLE"}}],
    ],
)
def test_where_services_put_their_words(error, server, tmp_path):
    server.script = [status(200, json.dumps(error))]
    with pytest.raises(ChatError, match="upstream said no.*after 2 tries"):
        model_for("openai", server, tmp_path, retries=1).complete(ASKED, 1)


@PROVIDERS
@pytest.mark.parametrize("name", LATE)
def test_a_request_has_a_deadline(provider, name, hostile, tmp_path):
    service = hostile(name)
    model = model_for(provider, service, tmp_path, timeout=0.5)
    began = time.monotonic()
    assert texts(model.complete(ASKED, 1)) == ["hello"]
    assert 0.5 <= time.monotonic() - began < 8.0  # whole, it would take 20
    assert at_risk(tmp_path) > 0  # the answer may have been billed
    for thread in [t for t in threading.enumerate() if t.name == "chat request"]:
        thread.join(2)
        assert not thread.is_alive()  # its connection has been closed


@PROVIDERS
@pytest.mark.parametrize("name", STILL_GOOD)
def test_an_odd_answer_is_still_an_answer(provider, name, hostile, tmp_path):
    service = hostile(name)
    [reply] = model_for(provider, service, tmp_path, max_output_tokens=1000).complete(ASKED, 1)
    assert reply.text == ("hello \ufffd" if name == "surrogates" else "hello")
    assert len(service.requests) == 1
    if name in UNCOUNTED:
        assert reply.tokens_out == 1000 and "did not count its tokens" in reply.problem
    else:
        assert (reply.tokens_out, reply.problem) == (20, "")
    [again] = model_for(provider, service, tmp_path, max_output_tokens=1000).complete(ASKED, 1)
    assert again.text == reply.text and len(service.requests) == 1


@PROVIDERS
def test_an_unfinished_thought_is_no_answer(provider, hostile, tmp_path):
    service = hostile("unfinished_thought", honest=lambda _: '{"choice": "A"}')
    [reply] = model_for(provider, service, tmp_path).complete(ASKED, 1)
    assert reply.text == "" and reply.status == "cut"
    assert "inside the model's reasoning: raise --chat.max-output-tokens" in reply.problem


@PROVIDERS
def test_reasoning_without_a_reply_has_a_hint(provider, hostile, tmp_path):
    [reply] = model_for(provider, hostile("reasoning_only"), tmp_path).complete(ASKED, 1)
    assert reply.text == "" and reply.status == "empty"
    assert "empty but for the model's reasoning: raise --chat.max-output-tokens" in reply.problem


@PROVIDERS
@pytest.mark.parametrize(
    "name", ["key_across_the_cut", "key_in_pieces", "key_in_html", "key_in_reply"]
)
def test_a_key_is_never_shown_nor_stored(provider, name, hostile, tmp_path):
    key = SECRET
    service = hostile(*[name] * 2)
    model, shown = model_for(provider, service, tmp_path, retries=1), ""
    try:
        shown = repr(model.complete(ASKED, 1))
        assert name == "key_in_reply"
    except ChatError as error:
        shown = str(error)
    parts = [key[i : i + 8] for i in range(len(key) - 7)]
    assert not any(part in shown for part in parts)
    assert not any(files_hold(tmp_path, part) for part in parts)
    assert f"[{provider.upper()}_API" in shown or name == "key_in_reply"


@PROVIDERS
def test_a_reply_with_the_key_is_left_out(provider, hostile, tmp_path):
    [reply] = model_for(provider, hostile("key_in_reply"), tmp_path).complete(ASKED, 1)
    assert reply.text == "" and reply.status == "malformed" and "_API_KEY" in reply.problem


@PROVIDERS
@pytest.mark.parametrize("key", ["x", "0", "k", "EMPTY", "exp(x)"])
def test_a_placeholder_key_changes_nothing(provider, key, hostile, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("GEMINI_API_KEY", key)
    code = "reward = np.exp(x) + 0.5  # EMPTY k"
    service = hostile("honest", "error_429_inside", honest=lambda _: code)
    model = model_for(provider, service, tmp_path, retries=0)
    assert texts(model.complete(ASKED, 1)) == [code]
    with pytest.raises(ChatError, match="HTTP 429: upstream is busy"):
        model.complete(ASKED, 1, attempt=1)


@PROVIDERS
def test_control_characters_reach_nobody(provider, hostile, tmp_path):
    service = hostile("honest", *["control_characters"] * 3, honest=lambda r: ["a", "b"][: r.n])
    model = model_for(provider, service, tmp_path)
    with pytest.raises(ChatError) as caught:
        model_for(provider, hostile("control_characters"), tmp_path).complete(ASKED, 1, attempt=9)
    assert "HTTP 400: red title end ." in str(caught.value) and str(caught.value).isprintable()
    assert model.complete(ASKED, 1)[0].text == "a"  # one sample is kept, the other gets lost
    replies = model.complete(ASKED, 2)
    assert replies[1].status == "lost" and replies[1].problem.isprintable()
    assert "\x1b" in ANSI and not files_hold(tmp_path, "\x1b[31m")


@pytest.mark.parametrize("provider", ["openai"])
def test_control_characters_of_a_refusal(provider, server, tmp_path):
    choice = {"message": {"refusal": f"no {ANSI}"}}
    server.script = [status(200, json.dumps({"choices": [choice]}))]
    [reply] = model_for(provider, server, tmp_path).complete(ASKED, 1)
    assert reply.status == "refused" and reply.problem.isprintable()


@PROVIDERS
def test_a_redirect_is_not_followed(provider, hostile, tmp_path):
    service = hostile("redirect")
    with pytest.raises(AccessError) as caught:
        model_for(provider, service, tmp_path).complete(ASKED, 1)
    said = str(caught.value)
    assert "HTTP 307: the service has moved to https://elsewhere.example/v1." in said
    assert "Check --chat.base-url" in said and "unknown" not in said
    assert len(service.requests) == 1


@PROVIDERS
def test_a_redirect_without_a_target(provider, server, tmp_path):
    server.script = [status(302)]
    with pytest.raises(AccessError, match="the service has moved to an unnamed address"):
        model_for(provider, server, tmp_path).complete(ASKED, 1)


@PROVIDERS
@pytest.mark.parametrize("depth", [60, 900, 990])
def test_what_is_nested_is_never_shown(provider, depth, server, tmp_path):
    deep = "[" * depth + "]" * depth
    bodies = [f'{{"error": {deep}}}', f'{{"choices": {deep}, "candidates": {deep}}}']
    bodies += [f'{{"choices": [{{"message": {{"refusal": {deep}}}}}], "candidates": [{deep}]}}']
    for i, body in enumerate(bodies):
        server.script = [status(200, body)]
        with pytest.raises(ChatError, match="the answer is not JSON"):
            model_for(provider, server, tmp_path, retries=0).complete(ASKED, 1, attempt=i)


@PROVIDERS
def test_prompts_with_half_a_character_are_sent(provider, hostile, tmp_path):
    service = hostile()
    asked = [ASKED[1]._replace(content="open the \ud83d drawer")]
    assert texts(model_for(provider, service, tmp_path).complete(asked, 1)) == ["hello"]


@PROVIDERS
@pytest.mark.parametrize("seed", [0, 1])
def test_whatever_fails_every_question_has_its_answer(provider, seed, hostile, tmp_path):
    service = hostile(honest=lambda r: r.prompt[-9:])
    service._next = random_faults(seed, rate=0.7, tries=3)
    model = model_for(provider, service, tmp_path, prices=(0.0, 0.0))
    for i in range(30):
        asked = [ASKED[1]._replace(content=f"number {i:02d}")]
        assert texts(model.complete(asked, 1)) == [f"number {i:02d}"]
    assert model.spent()[0] == 30 * 30
    assert len(set(service.faults)) > 5 and len(service.answered) == 30


def test_every_fault_is_in_a_family():
    others = {"key_in_html", "key_in_reply", "redirect", "reasoning_only", "unfinished_thought"}
    assert set(FAULTS) == others | set(TRANSIENT + LATE + FOR_GOOD + STILL_GOOD)
