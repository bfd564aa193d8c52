"""Committed results: files, what is collected from a run, tables, documents made of them."""

import dataclasses
import json
from pathlib import Path

import labelled_run
import numpy as np
import pytest
from scipy import stats

from core_jax import report
from core_jax.feedback.labels import Frame, LabelStore
from core_jax.files import write_json
from core_jax.report import collect, paper, results, results_page, results_table, statistics
from core_jax.report.results import Reached, Result
from core_jax.report.results_rows import grouped
from core_jax.runs.differences import differences

ROOT = Path(__file__).parents[3]


def result(task="soccer", success=(1.0, 0.5), **fields):
    values = {"method": "core", "protocol": "paper", "learner": "sac", "teacher": "vlm",
              "settings": {}, "seeds": tuple(range(len(success))), "env_steps": 1_000}  # fmt: skip
    return Result(task=task, success=tuple(success), **(values | fields))


def cells(table):
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


# --- files


def test_a_result_is_read_as_it_was_written(tmp_path):
    one = result(
        settings={"sac.gamma": 0.9}, config={"task": "soccer"},
        reached=(Reached(10, 2, 0, 0.5), None),
        curve=((10, (1.0, 0.0)), (20, (1.0, 0.5))), versions={"jax": "1"}, note="|",
    )  # fmt: skip
    path = results.write(one, tmp_path)
    assert path.name.startswith("core-soccer-paper-vlm-") and results.read(tmp_path) == ([one], [])
    assert results.write(one, tmp_path) == path  # the same settings: the same file
    assert results.write(dataclasses.replace(one, config={"task": "x"}), tmp_path) != path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "it is not JSON"),
        ("[]", "it holds no JSON object"),
        ('{"task": "soccer"}', "it has no schema number, so an older version wrote it"),
        ('{"schema": 2}', "it has schema 2; this version reads schema 1"),
        ('{"schema": 1, "tusk": 1}', "unknown field 'tusk'"),
        ('{"schema": 1, "task": "soccer"}', "it lacks method"),
    ],
)
def test_other_files_are_left_out_with_the_reason(tmp_path, content, message):
    kept = result()
    results.write(kept, tmp_path)
    (tmp_path / "a.json").write_text(content)
    found, [problem] = results.read(tmp_path)
    assert found == [kept] and f"a.json is left out: {message}" in problem


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"success": (1.0, float("nan"))}, "success must be 2 numbers"),
        ({"seeds": (0, 0)}, "seeds must be different numbers"),
        ({"curve": ((10, (1.0,)),)}, "curve at 10 must be 2 numbers"),
        ({"reached": (None,)}, "reached must have 2 entries"),
        ({"task": 3}, "task must be text"),
    ],
)
def test_what_no_table_can_show_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(result(), **fields)


def test_curves_are_thinned_to_ten_points():
    assert results.thinned([(i, None) for i in range(1, 31)]) == [
        (i, None) for i in range(3, 31, 3)
    ]
    assert results.thinned([(1, None), (2, None)]) == [(1, None), (2, None)]
    assert [x for x, _ in results.thinned([(i, None) for i in range(13)])][-1] == 12


# --- a run


def make(folder, labels=3):
    """A finished run of seeds 5 and 6: seed 5 is at 0.9 from 2,000 steps on, seed 6 never."""
    run = labelled_run.make(folder, count=labels, seeds=2, seed=5, steps=3_000)
    rows = [{"env_steps": 1_000 * i, "evaluated": True, "success": [0.5 * i, 0.1], "labels": 2 * i,
             "cost_usd": 0.1 * i, "wall_seconds": 60.0 * i} for i in (1, 2, 3)]  # fmt: skip
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_json(run / "summary.json", {
        "teacher": "scripted-oracle", "labels": 6, "success": [1.0, 0.3], "env_steps": 3_000,
        "episode_return": [7.0, 8.0], "episodes": 50, "cost_usd": 0.3, "wall_seconds": 180.0,
        "device": "cpu", "commit": "abc", "date": "2026-01-01T00:00:00Z",
    })  # fmt: skip
    return run


def test_what_was_spent_until_success(tmp_path):
    run = make(tmp_path / "run")
    store = LabelStore(run / "labels.sqlite")
    for i, asked in enumerate(labelled_run.questions(2, seed=5, round=8)):
        [key] = store.put("scripted-oracle", [asked._replace(round=8 + i)], 2_000 + 500 * i)
        store.show(key, "scripted-oracle", [Frame("a", 0, b"x"), Frame("b", 0, b"y")])
    store.close()
    got = collect.result(report.load(run, differences))
    assert got.reached == (Reached(2_000, 4, 2, 0.1), None)  # half of 0.2 USD is another seed's
    assert got.curve == ((1_000, (0.5, 0.1)), (2_000, (1.0, 0.1)), (3_000, (1.0, 0.3)))
    assert (got.labels, got.pictures, got.pictures_per_label) == (6, 4, 8)  # 2 x 3 + start, goal
    assert (got.seeds, got.minutes, got.commit) == ((5, 6), 3.0, "abc")
    assert got.settings == {"steps": 3_000} and got.config["seed"] == 5


def test_an_unfinished_run_has_no_result(tmp_path):
    run = make(tmp_path / "run")
    (run / "summary.json").unlink()
    with pytest.raises(ValueError, match="has not finished: unfinished: 3,000 of 3,000"):
        collect.result(report.load(run, differences))


# --- statistics


def test_the_interquartile_mean_is_scipys_trimmed_mean():
    rng = np.random.default_rng(1)
    for count in range(1, 40):
        x = rng.random(count)
        assert statistics.interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25))


def test_the_bootstrap_is_stratified():
    # Seeds of a task agree: drawn within tasks the statistic never changes.
    assert statistics.bootstrap_iqm([[0.0] * 3, [1.0] * 3, [0.4] * 3]) == pytest.approx(
        (statistics.interquartile_mean([0.0] * 3 + [1.0] * 3 + [0.4] * 3),) * 3
    )
    # Of one task with the seeds 0 and 1 the mean is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert statistics.bootstrap_iqm([[0.0, 1.0]]) == (0.5, 0.0, 1.0)


# --- tables


def test_cells_are_filled_by_what_was_run_alone():
    found = [
        result("soccer", (1.0, 0.5)), result("hammer", (1.0, 1.0)),
        result("soccer", (0.0,), seeds=(2,)),  # pooled with the first
        result("soccer", (0.0, 0.0), env_steps=10),  # a shorter run of the same seeds
        result("soccer", (1.0,), settings={"rrm": False}),
    ]  # fmt: skip
    rows = cells(results_table.success_table(results_table.grouped(found), "paper", ["core"]))
    published, ours, ablated = rows
    assert published["soccer"] == "100" and published["sweep-into"] == "97.3"
    assert published["IQM [95% CI]"] == "99.2 (of means)"
    assert ours["soccer"] == "50 (100, 50, 0)" and ours["hammer"] == "100"
    assert ours["dial-turn"] == "" and "(2 tasks)" in ours["IQM [95% CI]"]
    assert ablated["teacher and settings"] == "vlm, rrm false, 1k steps"
    assert ablated["IQM [95% CI]"] == ""


def test_protocol_random_has_no_published_rows_and_only_its_own_tasks():
    rows = results_table.grouped([result("hammer", protocol="random")])
    table = results_table.success_table(rows, "random")
    assert table.headers[2:] == ("hammer", "IQM [95% CI]") and len(table.rows) == 1


def test_how_often_a_run_was_evaluated_makes_no_other_row():
    found = [result("soccer", settings={"eval_every": 5_000}), result("hammer", settings={}),
             result("soccer", settings={"updates": 9})]  # fmt: skip
    assert sorted(len(row.tasks()) for row in results_table.grouped(found)) == [1, 2]


def test_a_task_whose_teacher_compares_progress_by_default_is_in_the_row_of_the_others():
    known = {"method": "core", "protocol": "random", "teacher": "scripted-vlm_like"}
    by_progress = {**known, "teacher": "scripted-vlm_like-by-progress"}
    several = [result("soccer", (1.0, 0.5), **known), result("hammer", (0.8, 0.8), **by_progress)]
    [row] = grouped(several)
    assert row.label().startswith("scripted-vlm_like (hammer: by progress)")
    assert row.label(["soccer"]).startswith("scripted-vlm_like (hammer: by progress)")
    assert row.values("hammer", "success") == [0.8, 0.8]
    # Not where it was chosen, or where the same task was run the other way as well.
    chosen = result("hammer", (0.1, 0.1), settings={"scripted.judge": "progress"}, **by_progress)
    assert len(grouped([several[0], chosen])) == 2
    assert len(grouped([*several, result("hammer", (0.0, 0.0), **known)])) == 2
    other = result("hammer", (0.0, 0.0), settings={"scripted.judge": None}, **known)
    assert [x.label() for x in grouped([other])] == [
        "scripted-vlm_like, scripted.judge null, 1k steps"
    ]


def test_softgym_reports_returns_beside_success():
    found = result("fold-cloth", (1.0, 0.0), episode_return=(-0.1, -0.3))
    [_, row] = cells(results_table.return_table(results_table.grouped([found]), "paper"))
    assert row["fold-cloth"] == "-0.2 (-0.1, -0.3); 50 (100, 0)" and row["pass-water"] == ""
    assert paper.episode_return("core", "fold-cloth", "paper") == -0.10
    assert paper.episode_return("core", "fold-cloth", "random") is None


def test_grids_have_a_table_of_their_own_and_no_column_in_others():
    grid = result("minigrid-unlock", (0.5, 1.0), method="vlm_car", learner="ppo", teacher="")
    rows = results_table.grouped([grid, result()])
    [row] = cells(results_table.grid_table(rows))
    assert (
        row["method"] == "vlm_car" and row["unlock"] == "75 (50, 100)" and row["doorkey-6x6"] == ""
    )
    assert "minigrid-unlock" not in results_table.success_table(rows, "paper").headers


def test_labels_pictures_and_dollars_to_success():
    reached = (Reached(2_000, 40, 0), Reached(4_000, 100, 0))
    one = result(reached=reached, pictures_per_label=8, labels=500)
    shown = dataclasses.replace(one, task="hammer", reached=(Reached(2_000, 10, 77), None))
    unknown = dataclasses.replace(one, task="dial-turn", reached=None)
    first, second = cells(results_table.labels_table(results_table.grouped([one, shown, unknown])))
    assert (first["labels"], first["pictures"]) == ("40–100", "320–800")
    assert first["were it Gemini"] == "$0.03–$0.074"  # 0.37 USD for 500 labels
    assert (second["seeds at 0.9"], second["pictures"]) == ("1 of 2", "77")


# --- documents


def test_committed_results_are_readable():
    found, problems = results.read(ROOT / "results")
    assert problems == [] and len(found) > 20
    assert all((ROOT / "results" / f"{one.name}.json").exists() for one in found)


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_documents_are_what_is_generated(name):
    found, _ = results.read(ROOT / "results")
    text = (ROOT / name).read_text(encoding="utf-8")
    assert results_page.generated(text, found) == text, (
        f"run: python scripts/report.py results/ --readme {name}"
    )


def test_only_the_part_between_the_markers_changes(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter \\1\n")
    some = [result("soccer"), result("hammer"), result("dial-turn")]
    assert results_page.update(path, some) and not results_page.update(path, some)
    text = path.read_text()
    assert text.startswith("before\n<!--") and text.endswith("-->\nafter \\1\n")
    assert "old" not in text and "| core | published |" in text
    path.write_text("<!-- results:end -->\n<!-- results:begin -->")
    with pytest.raises(ValueError, match="must have one line <!-- results:begin -->"):
        results_page.update(path, some)
    path.write_text("nothing")
    with pytest.raises(ValueError, match="none of the markers"):
        results_page.update(path, some)


def test_the_page_has_tables_and_curves(tmp_path):
    one = result(curve=((10, (1.0, 0.0)), (20, (1.0, 0.5))), note="<script>")
    results_page.write([one], tmp_path / "page.html", ["b.json is left out"])
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png") == 1 and "<script" not in page and "b.json" in page
    results_page.write([result()], tmp_path / "page.html")  # without a curve
    assert "data:image/png" not in (tmp_path / "page.html").read_text()
