"""Reports: statistics in closed form, runs grouped, what is in the page, and folders of others."""

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
from core_jax.feedback.queries import PairLabel, Single, SingleLabel
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.files import write_json
from core_jax.report import paper, plots, statistics, table, text
from core_jax.runs.differences import differences
from core_jax.runs.layout import to_dict
from core_jax.runs.presets import make_config

ROOT = Path(__file__).parents[3]


def load(path):
    return report.load(path, differences)


def make(folder, success, steps=3_000, finished=True, kind="oracle", labels=4, **fields):
    """A run of as many seeds as `success` has columns, evaluated every 1,000 steps."""
    success = np.array(success, float)
    fields = {"steps": steps, "scripted": {"kind": kind}} | fields
    teacher = ScriptedTeacher(ScriptedConfig(kind=kind))
    seeds = success.shape[1]
    labelled_run.make(folder, count=labels, seeds=seeds, teacher=teacher, **fields)
    rows = [
        {
            "env_steps": 1_000 * (i + 1), "wall_seconds": 60.0 * (i + 1), "evaluated": True,
            "success": list(row), "labels": 4,
            "rewards": {"formal": [0.25] * seeds, "mine": [0.5] * seeds},
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


def test_links_out_of_a_run_are_not_followed(tmp_path):
    run = make(tmp_path / "run", [[1.0]], labels=0)
    secret = tmp_path / "secret.txt"
    secret.write_text("the password")
    for name in ("rewards/z.py", "rewards/history.json", "curve.png", "episode.png"):
        (run / name).symlink_to(secret)
    (run / "rewards" / "loop.py").symlink_to("loop.py")
    (run / "rewards" / "mine.py").write_text("return 1.0")
    (run / "rewards" / "also.py").symlink_to("mine.py")
    (run / "rewards" / "folder.py").mkdir()
    record = load(run)
    assert record.codes() == [("also", "return 1.0"), ("mine", "return 1.0")]
    assert record.history() == [] and record.file("curve.png") is None
    content = report.write([record], tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "password" not in page and "password" not in json.dumps(content)
    for name in ("config.json", "summary.json"):
        (run / name).unlink()
        (run / name).symlink_to(secret)
        with pytest.raises(ValueError, match=f"{name} is not a file in the run's folder"):
            load(run)
        (run / name).unlink()
        write_json(run / name, to_dict(make_config(steps=3_000)))
    (run / "summary.json").unlink()
    for name in ("labels.sqlite", "metrics.jsonl"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(secret)
    record = load(run)
    assert record.rows == [] and "not a file" in record.label_problem
    linked = tmp_path / "linked"  # which run is reported is the caller's choice
    linked.symlink_to(run)
    assert load(linked).name == "linked"


HOSTILE = "$\\frac<img src=x onerror=alert(1)>\x1b[2J|`a`](http://x) ![i](y)\n# title"


def test_html_and_control_characters_of_a_run_are_shown_as_text(tmp_path):
    run = make(tmp_path / "run", [[1.0]], labels=0)
    stored = json.loads((run / "config.json").read_text())
    stored["sac"]["gamma"] = HOSTILE
    stored[HOSTILE] = 1
    write_json(run / "config.json", stored)
    summary = json.loads((run / "summary.json").read_text())
    write_json(run / "summary.json", summary | {"labels": 1, "teacher": HOSTILE})
    (run / "rewards" / f"{HOSTILE.replace('/', '')}.py").write_text(f"{HOSTILE}\tcode")
    (run / "rewards" / "history.json").write_text(json.dumps([{"event": HOSTILE}, "x"]))
    other = make(tmp_path / "other", [[1.0]], labels=0, seed=5)
    report.write([load(run), load(other)], tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    lines = (tmp_path / "report" / "table.md").read_text().split("\n")
    assert "<img src=x" not in page and "\x1b" not in page
    assert "\\x1b[2J" in page and "\tcode" in page
    assert len(lines) == 5 and lines[-1] == ""
    whole = "\n".join(lines)
    assert "\x1b" not in whole and "<" not in whole and "](" not in whole
    assert all(len(re.findall(r"(?<!\\)\|", line)) == len(table.HEADERS) + 1 for line in lines[:-1])


def test_texts_are_printable():
    assert text.printable("a\x1b\u202eb\n") == "a\\x1b\\u202eb\\x0a"
    assert text.printable("a\nb\tü", keep="\n\t") == "a\nb\tü"
    assert text.as_cell("a|b <i> [x](y) `c`") == r"a\|b &lt;i&gt; [x]\(y) \`c\`"
    assert text.as_html('"<') == "&quot;&lt;"


def test_settings_are_what_differs_from_the_tasks_and_methods_defaults():
    assert differences(to_dict(make_config(task="fold-cloth", seeds=3, seed=4))) == {}
    assert differences(to_dict(make_config(method="eureka"))) == {}
    assert differences(to_dict(make_config(residual_input="pixels"))) == {
        "residual_input": "pixels"
    }
    given = make_config(rrm=False, sac={"gamma": 0.9}, max_cost=1.0)
    assert differences(to_dict(given)) == {"rrm": False, "sac.gamma": 0.9}
    ppo = differences(to_dict(make_config(method="env_dense", learner="ppo", ppo={"clip": 0.3})))
    assert ppo == {"learner": "ppo", "ppo.clip": 0.3}


def test_settings_of_a_config_of_the_version_before_are_told():
    old = json.loads((ROOT / "tests" / "data" / "config_v1.json").read_text())
    assert differences(old) == {}
    sac = {**old["sac"], "gamma": 0.9}
    assert differences(old | {"method": "eureka", "seeds": 5, "sac": sac}) == {"sac.gamma": 0.9}
    found = differences(old | {"wings": 2, "method": "magic", "task": "fly", "sac": 3})
    assert found["wings"] == 2 and found["sac"] == 3
