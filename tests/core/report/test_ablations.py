"""Rows of a method without one of its parts, found and shown."""

import numpy as np
import pytest

from core_jax.report import ablations, plots, results_page, results_table
from core_jax.report.results import Reached, Result
from core_jax.report.results_rows import grouped


def result(task, success, reached, seeds=(0, 1, 2), **fields):
    known = {"method": "core", "protocol": "random", "learner": "sac", "settings": {}}
    known |= {"teacher": "scripted-vlm_like", "env_steps": 120_000}
    steps = tuple(None if x is None else Reached(x) for x in reached)
    return Result(**{**known, **fields}, task=task, success=success, reached=steps, seeds=seeds)


@pytest.fixture
def found():
    without = {"settings": {"frm": False}}
    several = [
        result("soccer", (1.0, 1.0), (40_000, 60_000), seeds=(0, 1)),
        result("soccer", (0.5,), (None,), seeds=(2,)),
        result("dial-turn", (1.0, 1.0, 1.0), (20_000, 20_000, 30_000)),
        result("soccer", (0.0, 0.0, 1.0), (None, None, 80_000), **without),
        result("dial-turn", (0.9, 0.9, 0.6), (50_000, 70_000, None), **without),
        result("dial-turn", (1.0, 1.0, 1.0), (9_000,) * 3, settings={"importance": False}),
        # Neither of these differs in one switch alone.
        result("soccer", (0.3,) * 3, (None,) * 3, settings={"frm": False, "steps_": 1}),
        result("soccer", (0.3,) * 3, (None,) * 3, teacher="scripted-oracle", **without),
        result("soccer", (0.3,) * 3, (None,) * 3, settings={"sac.gamma": 0.9}),
    ]
    return several


def test_runs_that_differ_in_one_switch_are_compared(found):
    [one] = ablations.found(grouped(found))
    names = [variant.name for variant in one.variants]
    assert names == ["core", "without formal reward", "without per-frame scores"]
    assert one.tasks == ("soccer", "dial-turn")
    assert one.shared_tasks == ("dial-turn",)
    whole, without, _ = one.variants
    assert whole.steps_to_success("soccer") == [40_000, 60_000, np.inf]
    assert whole.median_steps("soccer") == 60_000
    assert without.median_steps("soccer") == np.inf
    assert one.variants[2].median_steps("soccer") is None


def test_the_interval_is_of_the_tasks_that_every_variant_has(found):
    [one] = ablations.found(grouped(found))
    assert one.success(one.variants[0]) == (1.0, 1.0, 1.0)
    found_ = one.success(one.variants[1])
    assert found_ is not None
    assert found_.mean == pytest.approx(np.mean([0.9, 0.9, 0.6]))  # three values: none is left out


def test_the_table_has_success_and_steps(found):
    [one] = ablations.found(grouped(found))
    table = results_table.ablation_table(one)
    assert table.headers == ("", "soccer", "dial-turn", "IQM [95% CI]")
    assert table.rows[0] == ("core", "83.3 (100, 100, 50); 60k", "100; 20k", "100 [100, 100]")
    assert table.rows[1][:3] == (
        "without formal reward", "33.3 (0, 0, 100); never", "80 (90, 90, 60); 70k"
    )  # fmt: skip
    assert table.rows[2][1:3] == ("", "100; 9k")
    assert "every row has: dial-turn" in table.note
    titles = [x.title for x in results_table.full(found)]
    assert "What the parts of core are worth, protocol random: scripted-vlm_like" in titles


def test_the_short_tables_leave_partial_methods_out(found):
    tasks = ("soccer", "dial-turn", "hammer")
    several = [result(task, (1.0,) * 3, (9_000,) * 3) for task in tasks]
    several += [
        result(task, (0.7,) * 3, (None,) * 3, settings={"frm": False}, minutes=1.0)
        for task in tasks
    ]
    [table] = [x for x in results_table.short(several) if x.title == "Success, protocol random (%)"]
    assert [row[1] for row in table.rows] == ["scripted-vlm_like, 120k steps"]


def test_without_a_variant_there_is_no_table(found):
    assert ablations.found(grouped(found[:3])) == []


def test_a_figure_has_a_panel_for_each_task_and_one_for_all(found, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
    [one] = ablations.found(grouped(found))
    plots.ablation(one, tmp_path / "figure.png")
    [figure] = drawn
    soccer, dial, all_ = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in (soccer, dial, all_)] == [
        "soccer", "dial-turn", "all of them"
    ]  # fmt: skip
    marks = soccer.lines[0].get_xdata()
    assert list(marks[:2]) == [40, 60]
    assert marks[2] == pytest.approx(1.15 * 80)  # never: right of all others
    assert [text.get_text() for text in soccer.get_yticklabels()] == [v.name for v in one.variants]


def test_the_page_has_the_figure(found, tmp_path):
    results_page.write(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == 1  # no result here has a curve
    assert "without per-frame scores" in page
