"""Rows of metrics in TensorBoard's event files, and what Weights & Biases is given: every step
once, also after a kill and a resume."""

import json
import math
import sys

import event_files
import pytest

from core_jax.runs import loggers
from core_jax.runs.metrics import MetricsFile

# The interface of `wandb` as far as it is used; the package itself is 20 MB and its dependencies.
WANDB = """
class errors:
    class Error(Exception): pass
calls = []
class Run:
    def log(self, data, step): calls.append((step, data))
    def finish(self): calls.append("finish")
def init(**given):
    if given["project"] == "refused": raise errors.Error("api_key not configured")
    calls.append(given)
    return Run()
"""


def row(step, **more):
    return {"env_steps": step, "phase": "formal reward", "q": [float(step), 0.0], **more}


def run(names, out, rows, keep=None):
    """Writes rows as a run does."""
    file = MetricsFile(out / "metrics.jsonl", keep_until=keep)
    with loggers.opened(names, out) as on_row:
        for one in rows:
            file.write(one)
            on_row(one)
    file.close()


@pytest.fixture
def out(tmp_path):
    (tmp_path / "config.json").write_text('{"task": "soccer"}')
    return tmp_path


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delenv("WANDB_NAME", raising=False)
    import wandb

    yield wandb
    del sys.modules["wandb"]


def test_the_numbers_of_a_row():
    found = loggers.scalars(
        {"env_steps": 5, "evaluated": True, "labels": 3, "phase": "x", "events": ["y"],
         "none": None, "success": [0.5, 1.0], "q": [2.0], "bad": [math.nan], "half": [None, 4.0],
         "rewards": {"formal": [0.25, 0.75]}, "feedback": {"lag": 2, "round": math.inf}}
    )  # fmt: skip
    assert found == {
        "evaluated": 1.0, "labels": 3.0, "success": 0.75, "success/0": 0.5, "success/1": 1.0,
        "q": 2.0, "half": 4.0, "half/1": 4.0, "rewards/formal": 0.5, "rewards/formal/0": 0.25,
        "rewards/formal/1": 0.75, "feedback/lag": 2.0,
    }  # fmt: skip


def test_every_step_is_once_in_tensorboard_after_a_kill_and_a_resume(out):
    run(("tensorboard",), out, [row(100), row(200), row(300, events=["selected", "kept"])])
    # The last checkpoint was at 100: 200 and 300 are run again.
    later = [row(200), row(300), row(400, phase="formal + residual reward")]
    run(("tensorboard",), out, later, keep=100)
    folder = out / "tensorboard"
    found = event_files.scalars(folder)
    assert found["q"] == [(100, 50.0), (200, 100.0), (300, 150.0), (400, 200.0)]
    assert found["q/0"] == [(step, float(step)) for step in (100, 200, 300, 400)]
    assert event_files.texts(folder) == {
        "phase/text_summary": [(100, "formal reward"), (400, "formal + residual reward")],
        "events/text_summary": [(300, "selected\nkept")],
    }
    # TensorBoard hides what a kill in the middle of a row left of these steps.
    starts = [e.step for e in event_files.events(folder) if e.HasField("session_log")]
    assert starts == [1, 301]
    assert json.loads((out / "logs.json").read_text()) == {"tensorboard": {"env_steps": 400}}


def test_a_log_that_begins_with_a_resume_gets_the_rows_before(out):
    file = MetricsFile(out / "metrics.jsonl")
    for step in (100, 200, 300):
        file.write(row(step))
    file.close()
    run(("tensorboard",), out, [row(300), row(400)], keep=200)
    steps = [step for step, _ in event_files.scalars(out / "tensorboard")["q"]]
    assert steps == [100, 200, 300, 400]


def test_wandb_continues_the_same_run(out, wandb):
    run(("wandb", "tensorboard"), out, [row(100), row(200)])
    run(("wandb",), out, [row(200), row(300, events=["kept"])], keep=100)
    first, second = (call for call in wandb.calls if isinstance(call, dict))
    assert first == second
    assert first["id"] == json.loads((out / "logs.json").read_text())["wandb"]["id"]
    assert first["project"] == "core-jax" and first["name"] == out.name
    assert first["dir"] == str(out) and first["resume"] == "allow"
    assert first["config"] == {"task": "soccer"}
    logged = [call for call in wandb.calls if isinstance(call, tuple)]
    assert [step for step, _ in logged] == [100, 200, 300]
    assert logged[0][1] == {
        "q": 50.0, "q/0": 100.0, "q/1": 0.0, "phase": "formal reward", "env_steps": 100
    }  # fmt: skip
    assert logged[2][1]["events"] == "kept" and "phase" not in logged[1][1]
    assert wandb.calls.count("finish") == 2


def test_what_wandb_refuses_is_an_error_that_names_it(out, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "refused")
    with pytest.raises(ValueError, match="^logger wandb: api_key not configured$"):
        run(("wandb",), out, [row(100)])


def test_a_missing_package_is_named_before_the_run_begins(out, monkeypatch):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    missing = r"^logger wandb needs the package wandb: pip install 'core-jax\[wandb\]'$"
    with pytest.raises(ValueError, match=missing), loggers.opened(("wandb",), out):
        pass
    with pytest.raises(ValueError, match="unknown logger 'x'. Valid: tensorboard, wandb."):
        loggers.opened(("x",), out).__enter__()
    with loggers.opened((), out) as on_row:
        assert on_row is None
    assert not (out / "logs.json").exists()
