"""What hosted services are sent when a teacher asks: pictures, schemas, many at once."""

import base64
import json
import threading
import time

import pytest
from google.genai import types
from services import PROVIDERS, model_for, says, status

from core_jax.models import BudgetError, ChatError
from core_jax.models.chat_config import PICTURE_TOKENS
from core_jax.models.reply_cache import ReplyCache
from core_jax.prompts import preference as prompts
from core_jax.prompts.message import Message, Picture

pytestmark = pytest.mark.usefixtures("keys")

PNG = b"\x89PNG\r\n\x1a\nnot really \xff\xfe\xfb"  # no two alphabets of base64 agree on this
LOOK = [
    Message("system", "You look."),
    Message("user", ("First:", Picture(PNG), "Second:", Picture(PNG + b"!"), "Compare.")),
]
JUDGE = [Message("system", "You judge."), Message("user", "Which?")]
SCHEMA = prompts.core_schema(unsure=True)


def test_openai_is_sent_pictures_as_data_urls(server, tmp_path):
    server.script = [says("openai", "seen")]
    [reply] = model_for("openai", server, tmp_path).complete(LOOK, 1)
    assert reply.text == "seen" and reply.status == "ok"

    def url(png):
        return "data:image/png;base64," + base64.b64encode(png).decode()

    assert server.asked[0] == {
        "model": "a-model",
        "messages": [
            {"role": "system", "content": "You look."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "First:"},
                    {"type": "image_url", "image_url": {"url": url(PNG)}},
                    {"type": "text", "text": "Second:"},
                    {"type": "image_url", "image_url": {"url": url(PNG + b"!")}},
                    {"type": "text", "text": "Compare."},
                ],
            },
        ],
        "temperature": 1.0,
        "max_tokens": 16_384,
    }


def test_openai_is_bound_to_a_schema(server, tmp_path):
    server.script = [says("openai", "{}")]
    model_for("openai", server, tmp_path).complete(JUDGE, 1, schema=SCHEMA)
    assert server.asked[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "clip_verdict", "strict": True, "schema": SCHEMA},
    }


def test_gemini_is_sent_pictures_inline(server, tmp_path):
    server.script = [says("gemini", "seen")]
    assert model_for("gemini", server, tmp_path).complete(LOOK, 1)[0].text == "seen"
    [asked] = server.asked
    assert asked["systemInstruction"]["parts"] == [{"text": "You look."}]
    [turn] = asked["contents"]

    def inline(png):
        # Both spellings of mimeType are the protocol's; this one is the library's.
        data = base64.urlsafe_b64encode(png).decode()
        return {"inlineData": {"data": data, "mime_type": "image/png"}}

    assert turn["role"] == "user"
    assert turn["parts"] == [
        {"text": "First:"},
        inline(PNG),
        {"text": "Second:"},
        inline(PNG + b"!"),
        {"text": "Compare."},
    ]
    assert asked["generationConfig"] == {"temperature": 1.0, "maxOutputTokens": 16_384}


def test_gemini_is_bound_to_a_schema(server, tmp_path):
    server.script = [says("gemini", "{}")]
    model_for("gemini", server, tmp_path).complete(JUDGE, 1, schema=SCHEMA)
    settings = server.asked[0]["generationConfig"]
    assert settings["responseMimeType"] == "application/json"
    assert settings["responseJsonSchema"] == SCHEMA


def test_an_answer_of_googles_own_types(server, tmp_path):
    """What the library itself would write for such an answer, thoughts and all."""
    verdict = json.dumps({"reason": "r", "scores_a": [0, 0, 1], "scores_b": [0, 0, 0],
                          "choice": "A", "confidence": 1.0})  # fmt: skip
    response = types.GenerateContentResponse(
        candidates=[
            types.Candidate(
                content=types.Content(
                    role="model",
                    parts=[types.Part(text="hm", thought=True), types.Part(text=verdict)],
                ),
                finish_reason=types.FinishReason.STOP,
                index=0,
            )
        ],
        usage_metadata=types.GenerateContentResponseUsageMetadata(
            prompt_token_count=2300, candidates_token_count=40, thoughts_token_count=60
        ),
    )
    body = response.model_dump_json(by_alias=True, exclude_none=True)
    server.script = [status(200, body)]
    [reply] = model_for("gemini", server, tmp_path).complete(LOOK, 1, schema=SCHEMA)
    assert prompts.core_read(reply.text, 3, unsure=True).choice == "A"
    assert (reply.tokens_in, reply.tokens_out) == (2300, 100)


def test_a_refusal_in_googles_own_types(server, tmp_path):
    response = types.GenerateContentResponse(
        candidates=[types.Candidate(finish_reason=types.FinishReason.SAFETY)]
    )
    body = response.model_dump_json(by_alias=True, exclude_none=True)
    server.script = [status(200, body)]
    [reply] = model_for("gemini", server, tmp_path).complete(LOOK, 1)
    assert reply.status == "refused" and "SAFETY" in reply.problem


@PROVIDERS
def test_a_service_without_schemas_goes_by_the_prompt(provider, server, tmp_path):
    server.script = [status(400, '{"error": {"message": "unknown field"}}')]
    server.script += [says(provider, "a"), says(provider, "b")]
    model = model_for(provider, server, tmp_path)
    assert model.complete(JUDGE, 1, schema=SCHEMA)[0].text == "a"
    assert model.complete(JUDGE, 1, attempt=1, schema=SCHEMA)[0].text == "b"
    bound = ["json" in json.dumps(asked).lower() for asked in server.asked]
    assert bound == [True, False, False]  # it is not tried again


@PROVIDERS
def test_a_request_that_is_wrong_with_and_without_a_schema(provider, server, tmp_path):
    server.script = [status(400, '{"error": {"message": "picture too small"}}')]
    model = model_for(provider, server, tmp_path)
    with pytest.raises(ChatError, match="picture too small"):
        model.complete(LOOK, 1, schema=SCHEMA)
    assert len(server.asked) == 2
    server.script = [says(provider, "a")]
    model.complete(LOOK, 1, attempt=1, schema=SCHEMA)  # the schema was not what was wrong
    assert "json" in json.dumps(server.asked[-1]).lower()


@PROVIDERS
def test_pictures_and_schemas_are_part_of_the_question(provider, server, tmp_path):
    server.script = [says(provider, t) for t in "abc"]
    model = model_for(provider, server, tmp_path)
    other = [LOOK[0], LOOK[1]._replace(content=("First:", Picture(b"other")))]
    for messages, schema, text in ((LOOK, None, "a"), (other, None, "b"), (LOOK, SCHEMA, "c")):
        for _ in range(2):
            assert model.complete(messages, 1, schema=schema)[0].text == text
    assert len(server.asked) == 3
    kept = (tmp_path / "replies.sqlite").read_bytes() + (
        tmp_path / "replies.sqlite-wal"
    ).read_bytes()
    assert base64.b64encode(PNG)[:20] not in kept and PNG not in kept  # by their hash only
    assert Picture(PNG).digest().encode() in kept


@PROVIDERS
def test_the_budget_counts_what_pictures_may_cost(provider, server, tmp_path):
    """A dollar a token of input."""
    server.script = [says(provider, "a")]
    settings = {"prices": (1e6, 0.0)}
    most = 2 * PICTURE_TOKENS[provider]
    with pytest.raises(BudgetError) as caught:
        model_for(provider, server, tmp_path, max_cost=1.0, **settings).complete(LOOK, 1)
    assert most < caught.value.next_cost < most + 200 and not server.asked


def answered_together(server, provider, count, tokens=(5, 10)):
    """Answers that come only once `count` requests are under way."""
    barrier = threading.Barrier(count)

    def answer(handler):
        barrier.wait(20)
        says(provider, "a", tokens=tokens)(handler)

    server.script = [answer]


@PROVIDERS
def test_many_questions_at_once(provider, server, tmp_path):
    answered_together(server, provider, 8)
    model = model_for(provider, server, tmp_path)
    heard = []

    def ask(i):
        heard.append(model.complete([Message("user", f"{i}?")], 1)[0].text)

    run_all([threading.Thread(target=ask, args=(i,)) for i in range(8)])
    assert heard == ["a"] * 8
    assert model.spent() == (8 * 15, pytest.approx(8 * (5 * 1 + 10 * 2) / 1e6))


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_requests_under_way_share_the_budget(server, tmp_path):
    """A dollar a token of output: at most 20 a request, in truth 10. 45 are enough for three
    answers, never more than two of them at once, and not for a fourth."""
    now, most, lock = [0], [0], threading.Lock()

    def answer(handler):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1
        says("openai", "a", tokens=(0, 10))(handler)

    server.script = [answer]
    model = model_for("openai", server, tmp_path, max_cost=45.0, prices=(0.0, 1e6),
                      max_output_tokens=20)  # fmt: skip
    heard, failed = [], []

    def ask(i):
        try:
            heard.append(model.complete([Message("user", f"{i}?")], 1)[0].text)
        except BudgetError as error:
            failed.append(error.spent)

    run_all([threading.Thread(target=ask, args=(i,)) for i in range(6)])
    assert len(heard) == 3 and failed == [30.0] * 3 and most == [2]
    assert ReplyCache(tmp_path / "replies.sqlite").totals()[1] == 30.0


def test_a_stopped_model_sends_nothing_more(server, tmp_path):
    """Neither a new question nor a repetition; and it does not sleep on."""
    server.script = [status(503, Retry_After="30"), says("openai", "late")]
    model = model_for("openai", server, tmp_path, sleeps=True)

    def stop():
        while not server.asked:
            time.sleep(0.01)
        model.stop()

    threading.Thread(target=stop).start()
    began = time.monotonic()
    with pytest.raises(ChatError, match="has stopped sending requests"):
        model.complete(JUDGE, 1)
    assert time.monotonic() - began < 25
    with pytest.raises(ChatError, match="has stopped sending requests"):
        model.complete(LOOK, 1)
    assert len(server.asked) == 1
