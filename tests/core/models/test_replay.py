"""Recorded replies, and the prompts that they answer."""

import importlib
from pathlib import Path

import pytest

from core_jax import envs
from core_jax.models import ReplayModel
from core_jax.prompts import eureka, text2reward
from core_jax.prompts import formal as prompts
from core_jax.reward_models.formal import RewardError, compile_reward, extract_code
from core_jax.writing.writer import RewardWriter, reward_compiler


@pytest.fixture(scope="module")
def spec():
    return envs.make("drawer-open").spec


def test_recorded_replies_answer_todays_prompts(spec):
    """Fails when a prompt or a task's description changes under a recording."""
    model = ReplayModel("drawer-open")
    assert len(model.complete(prompts.initial_messages(spec), 100)) == 4
    code = model.recording["refinement"]["messages"][2]["content"]
    asked = prompts.feedback_messages(spec, extract_code(code), 1, {"score": [0.0]})
    assert [m["content"] for m in model.recording["refinement"]["messages"][:3]] == [
        m.content for m in asked[:3]
    ]
    assert len(model.complete(asked, 100)) == 12
    with pytest.raises(ValueError, match="answer another prompt"):
        model.complete([prompts.Message("system", "x"), prompts.Message("user", "y")], 1)


def test_replies_come_in_order_and_run_out(spec):
    model = ReplayModel("drawer-open")
    messages = prompts.feedback_messages(spec, "", 0, {"score": [0.0]})
    texts = [r.text for attempt in range(4) for r in model.complete(messages, 4, attempt)]
    assert texts == model.recording["refinement"]["replies"]


def test_recorded_replies_compile_or_are_refused_with_a_place(spec):
    model, refused = ReplayModel("drawer-open"), []
    refinement = prompts.feedback_messages(spec, "", 0, {"score": [0.0]})
    for messages in (prompts.initial_messages(spec), refinement):
        for reply in model.complete(messages, 100):
            try:
                reward = compile_reward(extract_code(reply.text))
            except RewardError as error:
                refused.append(error)
                continue
            assert reward.component_names
    assert len(refused) == 2
    assert all(d.line > 0 and d.hint for error in refused for d in error.diagnostics)


def test_unknown_recording(tmp_path):
    (tmp_path / "swim.json").write_text("{}")
    with pytest.raises(ValueError, match="no recorded core replies for task 'fly'; recorded: swim"):
        ReplayModel("fly", folder=tmp_path)
    with pytest.raises(ValueError, match="eureka replies for task 'fly'; recorded: button-press-t"):
        ReplayModel("fly", "eureka")


@pytest.mark.parametrize("task", envs.names("metaworld") + envs.names("softgym"))
def test_every_robots_task_has_replies_to_its_exact_prompt(task):
    spec = envs.make(task).spec
    model = ReplayModel(task)
    assert len(model.complete(prompts.initial_messages(spec), 99)) == 4
    asked = prompts.feedback_messages(spec, "", 0, {"score": [0.0]})
    assert len(model.complete(asked, 99)) == 12


@pytest.mark.parametrize(
    ("task", "method", "prompts", "counts", "refused"),
    [
        ("drawer-open", "eureka", eureka, (8, 8), []),
        ("button-press-topdown", "eureka", eureka, (8, 8), []),
        ("soccer", "eureka", eureka, (8, 8), [7]),
        ("sweep-into", "eureka", eureka, (8, 8), [7]),
        ("drawer-open", "text2reward", text2reward, (4,), [2]),
        ("button-press-topdown", "text2reward", text2reward, (4,), [2]),
        ("soccer", "text2reward", text2reward, (4,), [3]),
        ("sweep-into", "text2reward", text2reward, (4,), [2]),
    ],
)
def test_recorded_replies_of_other_methods(task, method, prompts, counts, refused):
    """They answer today's prompts, and compile or are refused with a place."""
    env = envs.make(task)
    spec, model = env.spec, ReplayModel(task, method)
    author = RewardWriter(reward_compiler(method, env), model, 1)
    candidates = author.propose(prompts.initial_messages(spec), 99, 0, [])
    if len(counts) > 1:
        recorded = model.recording["refinement"]["messages"]
        code = extract_code(recorded[2]["content"])
        asked = prompts.feedback_messages(spec, code, 1_000, {"score": [0.0]})
        assert [m["content"] for m in recorded[:3]] == [m.content for m in asked[:3]]
        told = [m["content"].split("score: [")[0] for m in (recorded[3], asked[3]._asdict())]
        assert told[0] == told[1].replace("at 1 evenly", "at 10 evenly")
        candidates += author.propose(asked, 99, 0, [])
    assert len(candidates) == sum(counts)
    assert [i for i, c in enumerate(candidates) if c.reward is None] == refused
    assert all(candidates[i].problem.startswith("line ") for i in refused)


def test_statistics_table():
    table = prompts.statistics_table({"score": [0.0, 0.5, 1.0], "reach": list(range(21))})
    lines = table.splitlines()
    assert lines[0] == "score: [0.000, 0.500, 1.000], max 1.000, mean 0.500, min 0.000"
    assert lines[1].count(",") == 12 and lines[1].startswith("reach: [0.000, 2.000, 4.000")


def test_a_refinement_question_has_the_sizes_of_its_task(monkeypatch):
    """The script that asks it compiles for the task and plays whole episodes of it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "scripts" / "tools"))
    record = importlib.import_module("record_replies")
    monkeypatch.setattr(record, "ENVS", 2)
    monkeypatch.setattr(record, "STEPS", 20)
    initial = ReplayModel("pass-water").recording["initial"]["replies"]
    messages = record.conversation("pass-water", "core", "refinement", initial)
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    code, told = extract_code(initial[0]), messages[3].content
    assert messages[2].content == f"```python\n{code.strip()}\n```"
    assert "score: [0.000," in told and "spill: [" in told and "10 evenly spaced" in told
