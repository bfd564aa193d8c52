"""A sweep: which runs, with which flags, in which order, and what is skipped."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from core_jax.report import results
from core_jax.report.results import Result
from core_jax.runs import sweep
from core_jax.runs.fingerprint import fingerprint
from core_jax.runs.layout import to_dict
from core_jax.runs.presets import make_config

ROOT = Path(__file__).parents[3]


def cells(out, *others, tasks=("soccer",), methods=("core", "env_dense")):
    return sweep.cells(out, tasks, ("paper",), methods, others)


def result(config, minutes=None, **fields):
    stored = to_dict(config)
    seeds = tuple(range(config.seed, config.seed + config.training.seeds))
    values = {"teacher": "", "settings": {}, "minutes": minutes, "env_steps": config.training.steps}
    return Result(
        task=config.task, method=config.method, protocol=config.protocol, learner=config.learner,
        seeds=seeds, success=(1.0,) * len(seeds), config=stored, **(values | fields),
    )  # fmt: skip


# --- the same run


def test_the_fingerprint_is_of_what_a_result_depends_on():
    stored = to_dict(make_config(task="soccer"))
    same = fingerprint(stored)
    assert fingerprint({**stored, "max_cost": 1.0, "checkpoint_every": 0}) == same
    for name, value in (
        ("seed", 1),
        ("seeds", 2),
        ("steps", 50_000),
        ("final_episodes", 10),
        ("stop_at", 0.9),
    ):
        assert fingerprint({**stored, name: value}) != same, name
    older = {k: v for k, v in stored.items() if k != "envs"}  # it came later: today's default
    assert fingerprint(older) == same
    assert fingerprint({**stored, "wings": 2}) is None and fingerprint(None) is None


# --- flags


def test_a_flag_goes_to_the_methods_that_have_it(tmp_path):
    core, dense = cells(tmp_path, "--seeds", "3", "--no-frm", "--scripted.kind", "oracle")
    assert core.words[-5:] == ("--seeds", "3", "--no-frm", "--scripted.kind", "oracle")
    assert dense.words[-2:] == ("--seeds", "3") and set(dense.dropped) == {"frm", "scripted.kind"}
    assert not core.config.settings.frm and dense.config.training.seeds == 3
    assert sweep.dropped([core, dense]) == {"frm": ["env_dense"], "scripted.kind": ["env_dense"]}


def test_a_flag_that_none_has_is_an_error(tmp_path, capsys):
    with pytest.raises(ValueError, match="--no-frm has no effect|--frm has no effect"):
        cells(tmp_path, "--no-frm", methods=("env_dense", "eureka"))
    with pytest.raises(SystemExit):
        cells(tmp_path, "--wings", "2")
    assert "--wings" in capsys.readouterr().err


def test_a_group_may_have_other_fields_in_other_methods(tmp_path):
    written, core = cells(tmp_path, "--formal.select", "gt_score", methods=("text2reward", "core"))
    assert set(written.dropped) == {"formal.select"} and not core.dropped


# --- order


def test_the_cheapest_comes_first_and_the_unknown_last(tmp_path):
    made = [
        result(make_config(task="soccer", steps=100_000), 10.0),
        result(make_config(task="soccer", method="env_dense", steps=100_000), 5.0),
    ]
    times = sweep.Times(made)
    assert times.predict("soccer", "core", 200_000) == pytest.approx(1_200)
    assert times.predict("soccer", "eureka", 100_000) == pytest.approx(450)  # of its task
    assert times.predict("hammer", "core", 100_000) == pytest.approx(600)  # of its method
    assert times.predict("hammer", "eureka", 100_000) == pytest.approx(450)  # of its suite
    assert times.predict("fold-cloth", "core", 100_000) is None
    left = cells(tmp_path, "--seeds", "3", tasks=("fold-cloth", "soccer"))
    names = [cell.out.name for cell in sweep.ordered(left, times)]
    assert names[:2] == ["soccer-paper-env_dense", "soccer-paper-core"]
    assert sweep.outlook(left, times) == "4 runs left, about 0:54 h, 2 of them of unknown length"
    times.add("fold-cloth", "core", 45.0, 45_000)
    assert sweep.outlook(left, times) == "4 runs left, about 0:55 h"


# --- the script


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("sweep_script", ROOT / "scripts" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_what_has_a_result_is_skipped_and_what_is_finished_added(
    tmp_path, script, capsys, monkeypatch
):
    there = tmp_path / "results"
    core, dense = cells(tmp_path, "--steps", "50000")
    results.write(result(core.config), there)
    trained = []
    summary = {"success": [1.0], "env_steps": 50_000, "wall_seconds": 60.0, "seeds": 1}
    monkeypatch.setattr(script, "train", lambda cell: trained.append(cell) or summary)
    monkeypatch.setattr(script.sweep, "collected", lambda out, into: into / f"{out.name}.json")
    own = script.Flags(out=tmp_path, tasks=("soccer",), results=there)
    assert script.run_all(own, [core, dense]) == 0
    shown = capsys.readouterr()
    assert trained == [dense] and "has a result with the same settings" in shown.err
    assert "1 run left" in shown.err and f"{there / 'soccer-paper-env_dense.json'}" in shown.err
    last = json.loads(shown.out.splitlines()[-1])
    assert last["skipped"] == ["soccer-paper-core"] and last["failed"] == []


def test_the_command_line_makes_every_run(tmp_path, script, monkeypatch):
    made = []
    monkeypatch.setattr(script, "run_all", lambda own, found: made.extend(found) or 0)
    monkeypatch.setattr(script.signal, "signal", lambda *given: None)
    words = ["--tasks", "soccer", "fold-cloth", "--methods", "env_dense", "--protocols", "random",
             "--seeds", "2", "--out", str(tmp_path), "--sac.gamma", "0.9"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["sweep.py", *words])
    assert script.main() == 0
    assert [cell.out.name for cell in made] == [
        "soccer-random-env_dense",
        "fold-cloth-random-env_dense",
    ]
    assert all(cell.config.training.seeds == 2 for cell in made)
    assert all(cell.config.learner_settings.gamma == 0.9 for cell in made)
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--tasks", "socer", "--out", str(tmp_path)])
    assert script.main() == 2


def test_a_bad_cell_does_not_stop_the_others(tmp_path, script, capsys):
    [cell] = cells(tmp_path, methods=("core",))
    assert script.train(dataclasses.replace(cell, problem="the reason")) is None
    assert "error: the reason" in capsys.readouterr().err
