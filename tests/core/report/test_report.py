"""Reports: statistics in closed form, runs grouped, what is in the page, and folders of others."""

import dataclasses
import json
import re

import in_process
import labelled_run
import pytest
from reported import load, make

from core_jax import report
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import PairLabel, Single, SingleLabel
from core_jax.files import write_json
from core_jax.report import paper, plots, table
from core_jax.report.html import document


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make(folder / "oracle", [[0, 0], [0, 1], [1, 1]])
    make(folder / "more", [[0.5], [0.5], [0.7]], seed=2)
    make(folder / "mistaken", [[0, 0], [0, 0]], kind="mistake", finished=False, labels=60)
    return folder


def test_a_run_names_its_image_text_model_and_tiny_is_not_compared_with_clip(tmp_path):
    folder = make(tmp_path / "a", [[0.0]], labels=0)
    config = json.loads((folder / "config.json").read_text())
    clip = {**config, "method": "clip_score", "clip": {"weights": "tiny"}}
    record = dataclasses.replace(load(folder), config=clip)
    [condition] = table.conditions([record])
    assert record.method == condition.method == "clip_score (tiny)"
    assert paper.success("clip_score", "drawer-open", "paper") == 0.0
    assert table.row(condition)["paper_success"] is None
    clip["clip"] = {"weights": "/models/clip-vit-large"}
    assert dataclasses.replace(record, config=clip).method == "clip_score (clip-vit-large)"
    assert load(folder).method == config["method"]


def test_runs_of_other_seeds_are_pooled(runs):
    records = [load(path) for path in report.find([runs / "oracle", runs / "more"])]
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
    found = table.conditions([load(runs / "oracle"), load(again)])
    assert [one.seeds for one in found] == [[0, 1], [0, 1]]
    assert found[1].settings == (("run", "again"),)


def test_unfinished_runs_and_other_teachers_are_told_apart(runs):
    records = [load(path) for path in report.find([runs])]
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
    found = table.conditions([load(runs / "oracle"), load(ablated)])
    rows = [table.row(one) for one in found]
    assert [r["settings"] for r in rows] == [{}, {"rrm": "false"}]
    assert [r["paper_success"] for r in rows] == [1.0, None]
    assert "core · scripted-oracle · rrm false" in found[1].label


def test_aggregates_need_several_tasks(runs, tmp_path):
    other = make(tmp_path / "soccer", [[0.0, 0.5]], task="soccer")
    several = table.conditions([load(runs / "oracle"), load(other)])
    [got] = table.aggregates(several)
    assert got["tasks"] == ["drawer-open", "soccer"] and got["iqm"] == 0.75
    assert table.aggregates(several[:1]) == []


def test_a_person_who_labelled_afterwards_did_not_teach_the_run(tmp_path):
    run = make(tmp_path / "run", [[1.0]], finished=False)
    store = LabelStore(run / "labels.sqlite")
    for asked in list(store.questions())[:3]:
        store.answer(asked.key, "person", PairLabel(1.0, (), (), reason=""))
    store.close()
    record = load(run)
    assert record.teacher == "scripted-oracle" and record.teachers["person"].decided == 3


@pytest.fixture(scope="module")
def written(runs):
    """What the script writes: its folder and the last line of its stdout."""
    rewards = runs / "oracle" / "rewards"
    (rewards / "seed0_step000004000.py").write_text("# initial\nreturn a < b & '<script>'\n")
    entry = {"seed": 0, "env_steps": 4_000, "event": "selected", "reason": "best", "refused": {}}
    (rewards / "history.json").write_text(json.dumps([entry]))
    out = runs.parent / "report"
    shown = in_process.command("scripts/report.py", runs, "--out", out)
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
        (lambda p: None, "is not a run's folder: it has no config.json"),
        (lambda p: (p / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda p: (p / "config.json").write_text("[]"), "holds no JSON object"),
        (
            lambda p: (p / "config.json").write_text('{"task": "x"}'),
            "is not a run's config: it lacks",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_named(tmp_path, break_it, message):
    break_it(tmp_path)
    with pytest.raises(ValueError, match=message):
        [load(path) for path in report.find([tmp_path])]
    with pytest.raises(ValueError, match="is not a folder"):
        report.find([tmp_path / "nowhere"])


def test_labels_of_another_version_do_not_stop_a_report(tmp_path):
    run = make(tmp_path / "run", [[1.0]])
    (run / "labels.sqlite").write_bytes(b"something else entirely, long enough to be no database")
    record = load(run)
    assert record.teachers == {} and "labels.sqlite" in record.label_problem


def test_a_run_that_has_only_begun(tmp_path):
    run = labelled_run.make(tmp_path / "run", count=0)
    record = load(run)
    [one] = table.conditions([record])
    assert record.success is None and table.cells(table.row(one))[6] == "–"
    assert dataclasses.asdict(record)["rows"] == []


def test_the_final_evaluation_is_the_last_point_of_the_curve(tmp_path):
    run = make(tmp_path / "run", [[0.5, 0.8], [0.9, 0.8]], steps=2_000)
    summary = json.loads((run / "summary.json").read_text())
    write_json(run / "summary.json", summary | {"success": [1.0, 1.0], "env_steps": 2_000})
    steps, success = load(run).curve()
    assert steps.tolist() == [1_000, 2_000] and success.tolist() == [[0.5, 0.8], [1.0, 1.0]]
    row = table.row(table.conditions([load(run)])[0])
    assert row["first_at_0.9"] == [2_000, 2_000] and row["all_seeds_at_0.9_first"] == 2_000


def test_a_run_shorter_than_the_time_between_evaluations_has_a_curve(tmp_path):
    run = make(tmp_path / "run", [[0.0], [0.0]], steps=2_000)
    rows = [{"env_steps": 1_000, "evaluated": False}, {"env_steps": 2_000, "evaluated": False}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = json.loads((run / "summary.json").read_text())
    write_json(run / "summary.json", summary | {"success": [1.0], "env_steps": 2_000})
    [one] = table.conditions([load(run)])
    assert [x.tolist() for x in one.curve()] == [[2_000], [[1.0]]]
    cells = dict(zip(table.HEADERS, table.cells(table.row(one)), strict=True))
    assert cells["success: mean, 95% CI"] == "1.00"
    assert cells["all seeds ≥ 0.9 from first evaluation at"] == "2k"
    assert cells["minutes"] == "0"  # no row says how long it took
    assert plots.curves([one], tmp_path / "curves.png")


def test_runs_of_different_lengths_never_say_never_beside_success(tmp_path):
    short = make(tmp_path / "short", [[0.0], [1.0]], seed=0)
    long = make(tmp_path / "long", [[0.0], [0.5], [1.0]], seed=1)
    row = table.row(table.conditions([load(short), load(long)])[0])
    assert row["success"] == [1.0, 1.0] and row["all_seeds_at_0.9_first"] == 3_000
    assert row["first_at_0.9"] == [2_000, 3_000]


def test_reward_columns_are_whatever_there_is(tmp_path):
    run = make(tmp_path / "run", [[1.0], [1.0]])
    assert load(run).rewards == {"formal": 0.25, "mine": 0.5}
    old = [{"env_steps": i, "formal": [float(i)], "residual": [None]} for i in range(1, 21)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in old))
    assert load(run).rewards == {"formal": 19.5, "residual": None}  # of the last tenth
    assert table.row(table.conditions([load(run)])[0])["reward_columns"]["formal"] == 19.5


def test_the_reward_column_of_a_baseline_is_in_the_table_and_on_the_page(tmp_path):
    run = make(tmp_path / "run", [[0.0], [1.0]], labels=0)
    rows = [{"env_steps": i, "rewards": {"dense": [0.125 * i]}} for i in (1, 2)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [row] = report.write([load(run)], tmp_path / "report")["conditions"]
    cells = dict(zip(table.HEADERS, table.cells(row), strict=True))
    assert cells["reward columns, mean a step"] == "dense 0.25"
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<td>dense 0.25</td>" in page and "last tenth of the run: dense 0.25." in page


def test_a_page_fits_a_narrow_screen():
    page = document("a page", ["<p>text</p>"])
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    for rule in (".wide { overflow-x: auto }", "img { max-width: 100%", "overflow-wrap: anywhere"):
        assert rule in page


def test_every_table_of_a_report_scrolls_in_a_box_of_its_own(written):
    page = (written[0] / "index.html").read_text()
    assert page.count("<table>") == page.count('<div class="wide"><table>') > 0


def test_labels_that_compare_nothing_are_counted(tmp_path):
    run = make(tmp_path / "run", [[1.0]], finished=False, labels=2)
    store = LabelStore(run / "labels.sqlite")
    [first, *_] = labelled_run.questions(1, seed=9)
    for asks, classes, value in (("rating", 3, 2.0), ("progress", None, 0.5)):
        query = Single(first.a, asks, classes, first.instruction, 0, 5)
        [key] = store.put("scripted-oracle", [query._replace(round=5 + (asks == "rating"))], 4_000)
        store.answer(key, "scripted-oracle", SingleLabel(value, ""))
    store.close()
    record = load(run)
    assert record.other_labels == {"scripted-oracle": {"rating": 1, "progress": 1}}
    assert record.teachers["scripted-oracle"].asked == 2 and record.label_problem == ""
