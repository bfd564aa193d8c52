"""Hosted language models: budget, ledger, keys, settings, and how a run uses them."""

import dataclasses
import json
import logging
import pickle
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from services import (
    ASKED,
    PROVIDERS,
    SECRET,
    chat_for,
    cut_off,
    model_for,
    said,
    says,
    status,
    texts,
)

from core_jax import envs
from core_jax.models import (
    BudgetError,
    ChatConfig,
    ChatError,
    ReplayModel,
    check_chat_model,
    check_labeller,
    make_chat_model,
)
from core_jax.models import reply_cache as reply_cache_module
from core_jax.models.keys import Key
from core_jax.models.reply_cache import ReplyCache
from core_jax.prompts.formal import initial_messages
from core_jax.runs import run_folder
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.writing.writer import RewardWriter, reward_compiler

pytestmark = pytest.mark.usefixtures("keys")


def config_for(provider, server):
    return check(Config(model=provider, chat=chat_for(provider, server)))


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
    with pytest.raises(TypeError, match="must not be pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("provider", "named"),
    [("gemini", "GEMINI_API_KEY or GOOGLE_API_KEY"), ("openai", "OPENAI_API_KEY")],
)
def test_a_missing_key_is_named(provider, named, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match=f"--model {provider} needs an API key: set {named} in"):
        check_chat_model(provider, ChatConfig(), task="drawer-open", writer="core")
    with pytest.raises(ValueError, match="needs an API key"):
        check_labeller(provider, ChatConfig())
    monkeypatch.setenv(named.split()[-1], "two words\u2026")
    with pytest.raises(ValueError, match="holds characters that no API key has") as caught:
        check_labeller(provider, ChatConfig())
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
        ("gemini", {"temperature": 3.0}, "chat.temperature must be at most 2, not 3.0"),
        (
            "gemini",
            {"temperature": float("nan")},
            "chat.temperature must be a finite number, not nan",
        ),
        ("gemini", {"timeout": float("inf")}, "chat.timeout must be a finite number, not inf"),
        ("gemini", {"send_key": "never"}, "chat.send_key must not be never without chat.base_url"),
        ("gemini", {"max_output_tokens": 0}, "chat.max_output_tokens must be at least 1, not 0"),
        ("gemini", {"retries": -1}, "chat.retries must be at least 0, not -1"),
        ("gemini", {"timeout": 0.0}, "chat.timeout must be greater than 0, not 0.0"),
        ("gemini", {"prices": (-1.0, 1.0)}, r"chat.prices\[0\] must be at least 0, not -1.0"),
    ],
)
def test_bad_chat_settings_are_named(provider, chat, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(Config(model=provider, chat=ChatConfig(**chat)))
    assert "pw" not in str(caught.value)


def test_bad_budget_and_good_defaults():
    with pytest.raises(ValueError, match="max_cost must be greater than 0, not 0"):
        check(Config(model="gemini", max_cost=0.0))
    check(Config(model="gemini"))
    check(Config(model="openai"))
    model = make_chat_model("replay", ChatConfig(), task="drawer-open", writer="eureka")
    assert isinstance(model, ReplayModel) and len(model.recording["initial"]["replies"]) == 8
    with pytest.raises(ValueError, match="needs a ledger"):
        make_chat_model("gemini", ChatConfig(), task="drawer-open", writer="core")


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


def test_a_writer_keeps_reasons_and_pays_once(server, tmp_path):
    choices = said("openai", REWARD, "", "```python\ndef", finish=None)["choices"]
    choices[2]["finish_reason"] = "length"
    content = {"choices": choices, "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
    server.script = [status(200, json.dumps(content))]
    env, model = envs.make("drawer-open"), model_for("openai", server, tmp_path)
    compile_reward, messages = reward_compiler("core", env), initial_messages(env.spec)
    candidates = RewardWriter(compile_reward, model, 3).proposals(messages, 3)
    assert [c.reward is None for c in candidates] == [False, True, True]
    assert candidates[1].problem == "the reply is empty"
    assert candidates[2].problem.startswith("cut off at 16384 output tokens")
    assert model.spent() == (1500, pytest.approx(0.002))
    # A process that was killed before any checkpoint has paid all the same, and only once.
    model = model_for("openai", server, tmp_path)
    again = RewardWriter(compile_reward, model, 3).proposals(messages, 3)
    assert [c.problem for c in again] == [c.problem for c in candidates]
    assert model.spent() == (1500, pytest.approx(0.002))
    assert len(server.asked) == 1


def test_nothing_but_refusals(server, tmp_path):
    server.script = [status(200, json.dumps({"choices": [{"message": {"refusal": "never"}}] * 4}))]
    env, model = envs.make("drawer-open"), model_for("openai", server, tmp_path)
    writer = RewardWriter(reward_compiler("core", env), model, 3)
    with pytest.raises(ValueError, match="no candidate .* compiles:\nthe model refuses: never"):
        writer.proposals(initial_messages(env.spec), 4)
    assert len(server.asked) == 3
