"""Rows of metrics, the live line and the curve."""

import json
import math
import os
import warnings

import pytest

from core_jax import files
from core_jax.runs import metrics


def test_metrics_after_a_cut_line_and_a_resume(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = metrics.MetricsFile(path)
    for step in (100, 200, 300):
        file.write({"env_steps": step})
    file.close()
    path.write_text(path.read_text() + '{"env_steps": 4')  # a kill in the middle of a write
    again = metrics.MetricsFile(path, keep_until=200)
    again.write({"env_steps": 300, "new": True})
    assert [r["env_steps"] for r in again.rows()] == [100, 200, 300]
    assert again.rows()[-1]["new"]
    again.close()


@pytest.mark.parametrize("bad", [b'{"env', b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"x": 1}'])
def test_rows_after_a_damaged_line_are_kept(tmp_path, bad):
    path = tmp_path / "metrics.jsonl"
    lines = [b'{"env_steps": 100}', bad, b'{"env_steps": 300}', b'{"env_steps": 4']
    path.write_bytes(b"\n".join(lines))
    assert [r["env_steps"] for r in files.read_rows(path)] == [100, 300]
    assert files.unreadable_rows(path) == 1
    metrics.MetricsFile(path, keep_until=300).close()
    assert path.read_text() == '{"env_steps": 100}\n{"env_steps": 300}\n'
    assert files.unreadable_rows(path) == files.unreadable_rows(tmp_path / "none") == 0


def test_what_is_not_finite_is_null_in_metrics(tmp_path):
    file = metrics.MetricsFile(tmp_path / "metrics.jsonl")
    row = {"env_steps": 1, "q": [math.nan, 1.0], "rewards": {"formal": [math.inf]}, "x": -math.inf}
    file.write(row)
    file.close()
    text = (tmp_path / "metrics.jsonl").read_text()
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert strict == {"env_steps": 1, "q": [None, 1.0], "rewards": {"formal": [None]}, "x": None}


def test_reward_columns_of_rows_of_both_versions():
    new = {"rewards": {"rating": [0.5, 0.25]}, "formal": [9.0]}
    assert files.reward_columns(new) == {"rating": [0.5, 0.25]}
    old = {"formal": [0.5], "residual": [0.0], "dense": [1.0]}
    assert files.reward_columns(old) == {"formal": [0.5], "residual": [0.0]}
    assert files.reward_columns({"dense": [1.0]}) == {}


def row(step, phase="training", **more):
    rewards = {"formal": [0.1, None], "mine": [None, None]}
    truth = {"step_success": [0.1, None], "dense": [0.2, 0.3]}
    return {"env_steps": step, "phase": phase, "rewards": rewards, "events": [], **truth, **more}


def test_phases_last_until_the_boundary_that_names_the_next():
    rows = [row(250, "a"), row(500, "b"), row(750, "b"), row(1_000, "c")]
    assert metrics.phases(rows) == [("a", 0, 500), ("b", 500, 1_000), ("c", 1_000, 1_000)]
    assert metrics.phases([{"env_steps": 250}]) == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(250)],
        [row(250, "a"), row(500, "b", evaluated=True, success=[0.0, 1.0],
                            events=["seed 0: formal reward 1 accepted. x", "y rolled back"])],
        [{"env_steps": 250, "formal": [0.1], "residual": [0.2], "dense": [0.1],
          "step_success": [0.0], "evaluated": True, "success": [0.5]}],
    ],
    ids=["nothing", "no evaluation", "everything", "the version before"],
)  # fmt: skip
def test_a_curve_is_drawn_whatever_the_backend_is(tmp_path, monkeypatch, rows):
    monkeypatch.setenv("MPLBACKEND", "module://not_installed.anywhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        metrics.plot_curve(rows, "title", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert os.environ["MPLBACKEND"] == "module://not_installed.anywhere"


def test_the_final_evaluation_is_the_last_point_of_the_curve():
    rows = [
        {"env_steps": 1_000, "evaluated": True, "success": [0.0, 0.5]},
        {"env_steps": 2_000, "evaluated": False},
        {"env_steps": 3_000, "evaluated": True, "success": [0.5, 0.5]},
    ]
    steps, success = metrics.evaluations(rows, [1.0, 0.75])
    assert steps == [1_000, 3_000] and success.tolist() == [[0.0, 0.5], [1.0, 0.75]]
    steps, success = metrics.evaluations(rows[:2], [1.0, 0.75])
    assert steps == [1_000, 2_000] and success.tolist() == [[0.0, 0.5], [1.0, 0.75]]
    assert metrics.evaluations(rows[1:2])[0] == [] and metrics.evaluations([], [1.0])[0] == []


def test_the_live_line_names_the_phase(capsys):
    progress = metrics.Progress(1_000)
    progress.update(250, row(250, "formal reward", labels=4, success=[0.5, 1.0]), force=True)
    shown = capsys.readouterr().err
    assert "250/1,000 steps | formal reward | success 0.75" in shown and "labels 4" in shown
    metrics.Progress(1_000, quiet=True).update(250, row(250), force=True)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = metrics.Progress(1_000)
    progress.note("compiling")
    progress.update(250, row(250, "formal reward", labels=4, success=[0.5, 1.0]))
    progress.note("  250: kept")
    progress.update(500, row(500, "formal reward", labels=4, success=[0.5, 1.0]))
    progress.close()
    lines = capsys.readouterr().err.split("\r")
    assert lines[0] == "compiling\n"
    assert any("  250: kept\n" in line for line in lines)
    assert any("250/1000 [" in x and "formal reward | success 0.75" in x for x in lines)
    assert "500/1000 [" in lines[-1] and lines[-1].endswith("\n")
    silent = metrics.Progress(1_000, quiet=True)
    silent.update(250, row(250))
    silent.note("x")
    assert capsys.readouterr().err == ""
