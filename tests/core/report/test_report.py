"""Reports: statistics in closed form, runs grouped, and what is in the page."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import labelled_run
import numpy as np
import pytest

from core_jax import report
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.feedback.queries import PairLabel
from core_jax.report import paper, statistics, table
from core_jax.runs.run_folder import write_json

ROOT = Path(__file__).parents[3]


def make(folder, success, steps=3_000, finished=True, kind="oracle", labels=4, **fields):
    """A run of as many seeds as `success` has columns, evaluated every 1,000 steps."""
    success = np.array(success, float)
    scripted = ScriptedConfig(kind=kind)
    fields = dict(steps=steps, scripted=scripted) | fields
    teacher = ScriptedTeacher(scripted)
    seeds = success.shape[1]
    labelled_run.make(folder, count=labels, seeds=seeds, teacher=teacher, **fields)
    rows = [
        {
            "env_steps": 1_000 * (i + 1), "wall_seconds": 60.0 * (i + 1), "evaluated": True,
            "success": list(row), "labels": 4,
        }
        for i, row in enumerate(success)
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if finished:
        summary = {"teacher": teacher.name, "labels": labels, "success": list(success[-1])}
        write_json(folder / "summary.json", {**summary, "tokens": 7, "cost_usd": 0.5})
    return folder


def test_students_interval():
    got = statistics.student([1.0, 2.0, 3.0])
    assert got.mean == 2.0 and got.high == pytest.approx(2.0 + 4.303 / np.sqrt(3))
    assert got.half == pytest.approx(4.303 / np.sqrt(3))
    assert statistics.student([0.0, 1.0, 1.0], 0.0, 1.0)[1:] == (0.0, 1.0)  # cut
    assert statistics.student([0.5]) == (0.5, None, None)
    assert statistics.student([1.0, 1.0]) == (1.0, 1.0, 1.0)


def test_interquartile_mean_leaves_the_extremes_out():
    assert statistics.interquartile_mean([100, 2, 3, -50]) == 2.5
    assert statistics.interquartile_mean([1, 2, 6]) == 3.0
    same = statistics.bootstrap_iqm([[1.0, 1.0], [1.0, 1.0]])
    assert same == (1.0, 1.0, 1.0)
    spread = statistics.bootstrap_iqm([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert spread.low < spread.mean < spread.high or spread.mean == spread.high == 1.0
    assert spread == statistics.bootstrap_iqm([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])


def test_published_numbers():
    assert paper.success("core", "sweep-into", "paper") == pytest.approx(0.973)
    assert paper.success("env_sparse", "peg-insert-side", "paper") == 0.0
    assert paper.success("core", "sweep-into", "random") is None
    assert paper.success("core", "swim", "paper") is None
    assert paper.success("mine", "soccer", "paper") is None


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make(folder / "oracle", [[0, 0], [0, 1], [1, 1]])
    make(folder / "more", [[0.5], [0.5], [0.7]], seed=2)
    make(folder / "mistaken", [[0, 0], [0, 0]], kind="mistake", finished=False, labels=60)
    return folder


def test_runs_of_other_seeds_are_pooled(runs):
    records = [report.load(path) for path in report.find([runs / "oracle", runs / "more"])]
    [one] = table.conditions(records)
    row = table.row(one)
    assert row["seeds"] == [0, 1, 2] and row["success"] == [1, 1, 0.7]
    assert row["success_mean"] == pytest.approx(0.9) and row["paper_success"] == 1.0
    assert row["finished"] and row["cost_usd"] == 1.0 and row["tokens"] == 14
    steps, success = one.curve()
    assert steps.tolist() == [1_000, 2_000, 3_000] and success[1].tolist() == [0, 1, 0.5]
    assert row["label_accuracy"] == 1.0 and row["all_seeds_at_0.9_first"] is None
    assert row["first_at_0.9"] == [3_000, 2_000, None]


def test_the_same_seed_twice_is_not_pooled(runs, tmp_path):
    again = make(tmp_path / "again", [[0, 0], [0, 1], [1, 1]])
    found = table.conditions([report.load(runs / "oracle"), report.load(again)])
    assert [one.seeds for one in found] == [[0, 1], [0, 1]]
    assert found[1].settings == (("run", "again"),)


def test_unfinished_runs_and_other_teachers_are_told_apart(runs):
    records = [report.load(path) for path in report.find([runs])]
    assert [r.name for r in records] == ["mistaken", "more", "oracle"]
    found = {one.teacher: one for one in table.conditions(records)}
    assert set(found) == {"scripted-oracle", "scripted-mistake"}
    row = table.row(found["scripted-mistake"])
    assert not row["finished"] and row["status"] == "unfinished: 2,000 of 3,000 steps"
    assert row["success"] == [0, 0] and 0.8 < row["label_accuracy"] < 0.98
    assert table.shared_settings(records) == {"steps": 3_000}
    assert found["scripted-mistake"].label == "core · scripted-mistake"


def test_an_ablation_is_named_and_not_compared(runs, tmp_path):
    ablated = make(tmp_path / "ablated", [[1.0]], rrm=False)
    found = table.conditions([report.load(runs / "oracle"), report.load(ablated)])
    rows = [table.row(one) for one in found]
    assert [r["settings"] for r in rows] == [{}, {"rrm": "false"}]
    assert [r["paper_success"] for r in rows] == [1.0, None]
    assert "core · scripted-oracle · rrm false" in found[1].label


def test_aggregates_need_several_tasks(runs, tmp_path):
    other = make(tmp_path / "soccer", [[0.0, 0.5]], task="soccer")
    several = table.conditions([report.load(runs / "oracle"), report.load(other)])
    [got] = table.aggregates(several)
    assert got["tasks"] == ["drawer-open", "soccer"] and got["iqm"] == 0.75
    assert table.aggregates(several[:1]) == []


def test_a_person_who_labelled_afterwards_did_not_teach_the_run(tmp_path):
    run = make(tmp_path / "run", [[1.0]], finished=False)
    store = LabelStore(run / "labels.sqlite")
    for asked in list(store.questions())[:3]:
        store.answer(asked.key, "person", PairLabel(1.0, (), (), reason=""))
    store.close()
    record = report.load(run)
    assert record.teacher == "scripted-oracle" and record.teachers["person"].decided == 3


@pytest.fixture(scope="module")
def written(runs):
    """What the script writes: its folder and the last line of its stdout."""
    rewards = runs / "oracle" / "rewards"
    (rewards / "seed0_step000004000.py").write_text("# initial\nreturn a < b & '<script>'\n")
    entry = {"seed": 0, "env_steps": 4_000, "event": "selected", "reason": "best", "refused": {}}
    (rewards / "history.json").write_text(json.dumps([entry]))
    out = runs.parent / "report"
    words = [str(runs), "--out", str(out)]
    shown = subprocess.run(
        [sys.executable, "scripts/report.py", *words], cwd=ROOT, text=True, capture_output=True
    )
    assert shown.returncode == 0, shown.stderr
    return out, json.loads(shown.stdout.strip().splitlines()[-1])


@pytest.mark.slow
def test_the_page_holds_everything(written):
    out, told = written
    page = (out / "index.html").read_text()
    assert len(told["conditions"]) == 2
    assert {"curves.png", "sensitivity.png", "table.md", "table.json"} <= {
        path.name for path in out.iterdir()
    }
    stored = json.loads((out / "table.json").read_text())
    assert {k: told[k] for k in stored} == stored
    assert "return a &lt; b &amp; &#x27;&lt;script&gt;&#x27;" in page and "<script" not in page
    assert "selected, best" in page and "unfinished: 2,000 of 3,000 steps" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing from elsewhere
    # 2 figures, 3 right ones a run, and what scripted-mistake got wrong
    assert page.count("data:image/png;base64,") == 2 + 3 * 3 + 2
    lines = (out / "table.md").read_text().splitlines()
    assert len(lines) == 4 and {line.count(" | ") for line in lines} == {len(table.HEADERS) - 1}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda p: None, "is no run's folder: it has no config.json"),
        (lambda p: (p / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda p: (p / "config.json").write_text("[]"), "holds no JSON object"),
        (lambda p: (p / "config.json").write_text('{"task": "x"}'), "is no run's config: it lacks"),
    ],
)
def test_a_folder_that_is_no_run_is_named(tmp_path, break_it, message):
    break_it(tmp_path)
    with pytest.raises(ValueError, match=message):
        [report.load(path) for path in report.find([tmp_path])]
    with pytest.raises(ValueError, match="is no folder"):
        report.find([tmp_path / "nowhere"])


def test_labels_of_another_version_do_not_stop_a_report(tmp_path):
    run = make(tmp_path / "run", [[1.0]])
    (run / "labels.sqlite").write_bytes(b"something else entirely, long enough to be no database")
    record = report.load(run)
    assert record.teachers == {} and "cannot be read as a label file" in record.label_problem


def test_a_run_that_has_only_begun(tmp_path):
    run = labelled_run.make(tmp_path / "run", count=0)
    record = report.load(run)
    [one] = table.conditions([record])
    assert record.success is None and table.cells(table.row(one))[6] == "–"
    assert dataclasses.asdict(record)["rows"] == []
