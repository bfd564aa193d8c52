"""Tables from committed results: methods by tasks, the published row above ours.

A table is plain text cells; `markdown` renders it, `core_jax.report.results_page` as HTML. Cells
of what was not run are empty.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core_jax import envs
from core_jax.report import ablations, paper, statistics
from core_jax.report.results import Result
from core_jax.report.results_rows import NAMED, Row, grouped, text_of
from core_jax.report.text import as_cell


class Table(NamedTuple):
    """Cells as text."""

    title: str
    note: str
    headers: tuple[str, ...]
    rows: list[tuple[str, ...]]


def full(results: Sequence[Result]) -> list[Table]:
    """Every table, with a row for each published method."""
    found = grouped(results)
    methods = list(dict.fromkeys([*paper.METHODS, *(row.method for row in found)]))
    tables = [*_main(found, methods), grid_table(found)]
    tables += [ablation_table(one) for one in ablations.found(found)]
    return [table for table in (*tables, labels_table(found), runs_table(results)) if table.rows]


def short(results: Sequence[Result]) -> list[Table]:
    """The tables of success and return on the ten published tasks: rows with several of them, and
    their methods. Methods without one of their parts are left to `full`."""
    rows = grouped(results)
    partial = [v.row for one in ablations.found(rows) for v in one.variants[1:]]
    return _main([row for row in rows if row not in partial], None, least=3)


_SUCCESS_NOTE = (
    "Mean over seeds of the final policy's success; in brackets each seed, where they differ. "
    "IQM: interquartile mean over tasks and seeds with a 95% interval of the stratified "
    "bootstrap, of two tasks or more. Published: 500,000 steps, three seeds; their IQM is of the "
    "means of the tasks. Empty: not run. "
    + " ".join(
        f"{name[0].upper()}{name[1:]}: {', '.join(f'{k} {v}' for k, v in own.items())}."
        for name, own in NAMED.items()
    )
)


def success_table(
    rows: Sequence[Row], protocol: str, methods: Sequence[str] | None = None, least: int = 1
) -> Table:
    """Success in percent, a column for each task and the interquartile mean.

    Args:
        rows: of any protocol.
        protocol: the one that is shown.
        methods: that have a row, run or not; None for those with results in the table.
        least: number of tasks that a row must have to be shown.
    """
    here = [row for row in rows if row.protocol == protocol]
    elsewhere = {*paper.RETURN_TASKS, *envs.names("minigrid")}
    others = {task for row in here for task in row.tasks()} - elsewhere
    tasks = [t for t in paper.SUCCESS_TASKS if protocol == "paper" or t in others]
    tasks += sorted(others - set(tasks))
    here, methods = _shown_rows(here, tasks, methods, least)
    cells = []
    for method in methods:
        published = [paper.success(method, task, protocol) for task in tasks]
        known = [x for x in published if x is not None]
        if known:
            iqm = f"{_percent(float(statistics.interquartile_mean(known)))} (of means)"
            line = ("" if x is None else _percent(x) for x in published)
            cells.append((method, "published", *line, iqm))
        for row in (one for one in here if one.method == method):
            line = [_each(row.values(task, "success"), _percent) for task in tasks]
            cells.append((method, row.label(tasks), *line, _iqm(row, tasks)))
            transferred = [row.values(task, "original_success") for task in tasks]
            if any(transferred):
                line = [_each(x, _percent) for x in transferred]
                cells.append((method, "the same policies in the original", *line, ""))
    return Table(
        f"Success, protocol {protocol} (%)",
        _SUCCESS_NOTE if protocol == "paper" else "Means, brackets and IQM as for `paper`.",
        ("method", "teacher and settings", *tasks, "IQM [95% CI]"),
        cells,
    )


def grid_table(rows: Sequence[Row]) -> Table:
    """MiniGrid: success in percent, a column for each task."""
    tasks, cells = envs.names("minigrid"), []
    here, methods = _shown_rows(list(rows), tasks, None, least=1)
    for method in methods:
        for row in (one for one in here if one.method == method):
            line = (_each(row.values(task, "success"), _percent) for task in tasks)
            cells.append((method, row.label(tasks), *line))
    return Table(
        "MiniGrid: success (%)",
        "Means and brackets as above. The published results are curves.",
        ("method", "settings", *(task.removeprefix("minigrid-") for task in tasks)),
        cells,
    )


def return_table(
    rows: Sequence[Row], protocol: str, methods: Sequence[str] | None = None, least: int = 1
) -> Table:
    """SoftGym: return of an episode, and success; arguments as of `success_table`."""
    tasks, cells = paper.RETURN_TASKS, []
    here = [row for row in rows if row.protocol == protocol]
    here, methods = _shown_rows(here, tasks, methods, least)
    for method in methods:
        published = [paper.episode_return(method, task, protocol) for task in tasks]
        if any(x is not None for x in published):
            line = ("" if x is None else f"{x:g}" for x in published)
            cells.append((method, "published", *line))
        for row in (one for one in here if one.method == method):
            line = (_return_cell(row, task) for task in tasks)
            cells.append((method, row.label(tasks), *line))
    return Table(
        f"SoftGym, protocol {protocol}: return of an episode",
        "Mean over seeds, in brackets each seed; then success in percent. The simulators differ "
        "from the published one's, so returns are comparable only roughly.",
        ("method", "teacher and settings", *tasks),
        cells,
    )


def ablation_table(ablation: ablations.Ablation) -> Table:
    """Success in percent and steps to a success of 0.9 of a method without one of its parts."""
    row, tasks, cells = ablation.row, ablation.tasks, []
    for variant in ablation.variants:
        line = [_ablation_cell(variant, task) for task in tasks]
        iqm = ablation.success(variant)
        cells.append((variant.name, *line, "" if iqm is None else _interval(iqm)))
    shared = ablation.shared_tasks
    return Table(
        f"What the parts of {row.method} are worth, protocol {row.protocol}: {row.label([])}",
        "Success in percent, mean over seeds, in brackets each seed where they differ; then the "
        "median over seeds of the first evaluation with a success of 0.9. IQM as above, of the "
        f"success on the tasks that every row has: {', '.join(shared) or 'none'}.",
        ("", *tasks, "IQM [95% CI]"),
        cells,
    )


def labels_table(rows: Sequence[Row]) -> Table:
    """What methods that ask a teacher had spent when they reached a success of 0.9."""
    cells = []
    for row in rows:
        for task in dict.fromkeys(one.task for one in row.results if one.teacher):
            found = row.on(task)
            reached = [x for one in found for x in one.reached or ()]
            if not reached or any(one.reached is None for one in found):
                continue
            there = [x for x in reached if x is not None]
            shown = _most(one.pictures_per_label for one in found)
            labels, steps = _spread(x.labels for x in there), _spread(x.env_steps for x in there)
            cells.append((
                row.method, f"{task} ({row.protocol})", row.label([task]),
                f"{len(there)} of {len(reached)}", steps, labels,
                _spread(x.pictures or _product(x.labels, shown) for x in there),
                _spread((_product(x.labels, paper.dollars_per_label(row.method)) for x in there),
                        "${:.2g}"),
                _spread(one.labels for one in found),
            ))  # fmt: skip
    return Table(
        "Labels to a success of 0.9",
        "Per seed, of those that got there: the least to the most, at the first evaluation at 0.9 "
        "or above. Pictures: shown to the teacher; of a scripted teacher those that a "
        "vision-language model would be shown. Dollars: labels times the published dollars per "
        "label of the same method (Gemini), whoever answered here.",
        ("method", "task", "teacher and settings", "seeds at 0.9", "steps", "labels", "pictures",
         "were it Gemini", "labels of the whole run"),
        cells,
    )  # fmt: skip


def runs_table(results: Sequence[Result]) -> Table:
    """Every result, with its source."""
    lines = []
    for one in results:
        settings = ", ".join(f"{k} {text_of(v)}" for k, v in sorted(one.settings.items()))
        made = [one.date and one.date[:10], one.commit and f"commit {one.commit[:7]}"]
        made += [one.source if one.source != "run" else None, one.note]
        lines.append((
            one.task, one.protocol, one.method, one.teacher, settings,
            ", ".join(map(str, one.seeds)), _each(list(one.success), _percent, always=True),
            "" if one.env_steps is None else f"{one.env_steps:,}",
            "" if one.minutes is None else f"{one.minutes:g}",
            one.device or "", "; ".join(filter(None, made)),
        ))  # fmt: skip
    headers = ("task", "protocol", "method", "teacher", "settings", "seeds", "success (%)",
               "steps", "minutes", "device", "source")  # fmt: skip
    return Table("All results", "Minutes: all seeds of the run together.", headers, sorted(lines))


def markdown(table: Table, level: int = 3) -> str:
    """A table with its title and note as Markdown."""
    lines = [table.headers, ["---"] * len(table.headers), *table.rows]
    body = "".join(f"| {' | '.join(map(as_cell, line))} |\n" for line in lines)
    note = textwrap.fill(table.note, 100)
    return f"{'#' * level} {table.title}\n\n{body}\n{note}\n"


def _main(rows: Sequence[Row], methods: Sequence[str] | None = None, least: int = 1) -> list[Table]:
    protocols = list(dict.fromkeys(["paper", *(row.protocol for row in rows)]))
    makers = (success_table, return_table)
    tables = [make(rows, protocol, methods, least) for make in makers for protocol in protocols]
    return [table for table in tables if table.rows]


def _shown_rows(
    rows: Sequence[Row], tasks: Sequence[str], methods: Sequence[str] | None, least: int
) -> tuple[list[Row], list[str]]:
    """The rows with enough of a table's tasks, and the methods of the table."""
    shown = [row for row in rows if len(row.tasks() & set(tasks)) >= least]
    return shown, list(dict.fromkeys(methods or (row.method for row in shown)))


def _iqm(row: Row, tasks: Sequence[str]) -> str:
    groups = [x for task in tasks if (x := row.values(task, "success"))]
    if len(groups) < 2:
        return ""
    interval = _interval(statistics.bootstrap_iqm(groups))
    return interval + f" ({len(groups)} tasks)" * (len(groups) < len(tasks))


def _interval(found: statistics.Interval) -> str:
    assert found.low is not None and found.high is not None
    return f"{_percent(found.mean)} [{_percent(found.low)}, {_percent(found.high)}]"


def _ablation_cell(variant: ablations.Variant, task: str) -> str:
    success = _each(variant.row.values(task, "success"), _percent)
    steps = variant.median_steps(task)
    if not success or steps is None:
        return success
    return f"{success}; {'never' if math.isinf(steps) else f'{steps / 1000:g}k'}"


def _return_cell(row: Row, task: str) -> str:
    returns, success = row.values(task, "episode_return"), row.values(task, "success")
    if not returns:
        return ""
    return f"{_each(returns, '{:.4g}'.format, always=True)}; {_each(success, _percent)}"


def _each(values: Sequence[float], show, always: bool = False) -> str:
    """The mean, and each value if they differ or `always`."""
    if not values:
        return ""
    each = [show(x) for x in values]
    mean = show(sum(values) / len(values))
    differ = len(set(each)) > 1 or (always and len(each) > 1)
    return f"{mean} ({', '.join(each)})" if differ else mean


def _spread(values: Iterable[float | None], form: str = "{:,.0f}") -> str:
    """The least to the most; "" if there is none or one is unknown."""
    found = list(values)
    known = sorted(x for x in found if x is not None)
    if not known or len(known) < len(found):
        return ""
    return "–".join(dict.fromkeys(form.format(x) for x in (known[0], known[-1])))


def _product(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _most(values: Iterable[int | None]) -> int | None:
    return max((x for x in values if x is not None), default=None)


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g}"
