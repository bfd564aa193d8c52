"""Writes a report: `index.html` that needs no other file, the pictures in it, and the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_jax import envs, files
from core_jax.feedback import question_sheet
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.quality import verdict
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.report import plots, table
from core_jax.report.html import document, image, note
from core_jax.report.records import Record
from core_jax.report.text import as_html

_QUESTIONS = {"right": 3, "wrong": 2, "abstained": 1}  # how many of each are shown of a run
_KEPT = "\n\t"  # of code


def write(records: Sequence[Record], out: Path) -> dict[str, Any]:
    """Writes a report of runs into a folder and returns its rows, JSON-able.

    Args:
        records: the runs.
        out: made if need be; a report that is there is written over.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = table.conditions(records)
    rows = [table.row(one) for one in found]
    several = table.aggregates(found)
    shared = table.shared_settings(records)
    parts = ["<h1>CoRe-JAX report</h1>", _head(records, shared), "<h2>Results</h2>"]
    parts += [_table(rows), _aggregates(several)]
    if plots.curves(found, out / "curves.png"):
        parts += ["<h2>Learning curves</h2>", image(out / "curves.png", "success over steps")]
        parts += [note("Line: mean over seeds. Band: Student's 95% confidence interval over "
                        "seeds, cut to [0, 1]. Thin: single seeds, if there is room.")]  # fmt: skip
    if plots.sensitivity(found, out / "sensitivity.png"):
        parts += ["<h2>Success and the teacher's errors</h2>"]
        parts += [image(out / "sensitivity.png", "success over label accuracy")]
        parts += [note("Left, filled: final policies; hollow: mean over all evaluations of "
                        "the run; bars: Student's 95% intervals over seeds. Right: each seed's "
                        "first evaluation at 0.9 or above. A label is right if it agrees "
                        "with the ground-truth dense reward.")]  # fmt: skip
    worlds: dict[tuple[str, str], envs.TaskEnv] = {}
    for i, record in enumerate(records):
        parts += [f"<h2>{as_html(record.name)}</h2>", *_run(record, out, i, worlds)]
    (out / "index.html").write_text(document("CoRe-JAX report", parts))
    content = {"shared_settings": shared, "conditions": rows, "over_tasks": several}
    files.write_json(out / "table.json", content)
    (out / "table.md").write_text(table.markdown(rows))
    return content


def _head(records: Sequence[Record], shared: dict[str, Any]) -> str:
    unfinished = sum(r.summary is None for r in records)
    text = f"{len(records)} run{'s' * (len(records) > 1)}"
    text += f", {unfinished} of them unfinished (figures so far)" * bool(unfinished)
    if shared:
        text += "; other than the defaults in all of them: "
        text += ", ".join(f"{k} {json.dumps(v)}" for k, v in shared.items())
    return f"<p>{as_html(text)}.</p>"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    head = "".join(f"<th>{as_html(h)}</th>" for h in table.HEADERS)
    lines = []
    for row in rows:
        kind = "" if row["finished"] else ' class="unfinished"'
        cells = "".join(f"<td>{as_html(c)}</td>" for c in table.cells(row))
        lines.append(f"<tr{kind}>{cells}</tr>")
    shown = (
        "Success: final policies (of unfinished runs: the last evaluation), mean over seeds with "
        "Student's 95% interval over seeds, cut to [0, 1]; an interval of no width says only that "
        "the seeds agree. Paper: CoRe's table, three seeds. Labels right: part of the decided "
        "labels that agree with the ground-truth dense reward. Reward columns: the values "
        "at the end of the run, over the last tenth of its rows."
    )
    body = "".join(lines)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>{note(shown)}'


def _aggregates(several: Sequence[dict[str, Any]]) -> str:
    if not several:
        return ""
    lines = []
    for one in several:
        low, high = one["iqm_ci95"]
        lines.append(
            f"<li>{as_html(one['condition'])}, protocol {as_html(one['protocol'])}, "
            f"{len(one['tasks'])} tasks: <b>{one['iqm']:.2f}</b> [{low:.2f}, {high:.2f}]</li>"
        )
    return (
        "<h3>Over tasks</h3>"
        + note("Interquartile mean over tasks and seeds, 95% interval by stratified bootstrap.")
        + f"<ul>{''.join(lines)}</ul>"
    )


def _run(record: Record, out: Path, index: int, worlds: dict) -> list[str]:
    config = record.config
    settings = ", ".join(f"{k} {json.dumps(v)}" for k, v in record.settings.items()) or "none"
    text = (
        f"{config['task']}, protocol {config['protocol']}, method {record.method}, teacher "
        f"{record.teacher or 'none'}, seeds {', '.join(map(str, record.seeds))}; {record.status}. "
        f"Settings other than the defaults: {settings}."
    )
    parts = [f"<p>{as_html(text)}</p>"]
    for name, what in (("curve.png", "the run's own curve"), ("episode.png", "episodes")):
        path = record.file(name)
        if path is not None and _is_png(path):
            parts.append(f"<details open><summary>{as_html(what.capitalize())}</summary>"
                         f"{image(path, what)}</details>")  # fmt: skip
    return parts + _columns(record) + _labels(record, out, index, worlds) + _rewards(record)


def _columns(record: Record) -> list[str]:
    if not record.rewards:
        return []
    shown = table.columns_as_text(record.rewards)
    return [note(f"Reward columns, mean per step over the last tenth of the run: {shown}.")]


def _labels(record: Record, out: Path, index: int, worlds: dict) -> list[str]:
    if record.label_problem:
        return [note(f"Labels: {record.label_problem}.")]
    if not (record.teachers or record.other_labels):
        return [note("No labels.")]
    lines = []
    for name, counts in record.other_labels.items():
        kinds = ", ".join(f"{count} of kind {kind}" for kind, count in counts.items())
        lines.append(f"<li>{as_html(name)}: labels {as_html(kinds)}</li>")
    for name, q in record.teachers.items():
        accuracy = "–" if q.accuracy is None else f"{q.accuracy:.3f}"
        lines.append(
            f"<li>{as_html(name)}: {q.asked} answers, {q.decided} decided, {q.equal} equal, "
            f"{q.abstained} abstained; right {accuracy}; {q.tokens:,} tokens, "
            f"${q.cost_usd:.2f}</li>"
        )
    parts = [f"<h3>Labels</h3><ul>{''.join(lines)}</ul>"]
    try:
        sheets = _sheets(record, out, index, worlds)
    except ValueError as error:  # a task that this version does not have, or a damaged file
        return [*parts, note(f"Queries are not shown: {error}")]
    if sheets:
        parts.append(f"<details><summary>{len(sheets)} questions with their answers</summary>"
                     f"{note('Framed: the clip that the teacher prefers.')}{''.join(sheets)}"
                     "</details>")  # fmt: skip
    return parts


def _sheets(record: Record, out: Path, index: int, worlds: dict) -> list[str]:
    """A few pairs of clips with their labels, as pictures."""
    place = (record.config["task"], record.config["protocol"])
    store = LabelStore(record.folder / "labels.sqlite", read_only=True)
    try:
        chosen = _choose(store, record.teacher)
        if not chosen:
            return []
        if place not in worlds:
            worlds[place] = envs.make(place[0], protocol=place[1])
        shots = question_sheet.frames(worlds[place], [asked.question for asked in chosen])
        sheets = []
        for i, (asked, shot) in enumerate(zip(chosen, shots, strict=True)):
            path = out / f"run{index}-question{i}.png"
            title = f"seed {asked.question.seed}, step {asked.env_steps:,}, round "
            title += f"{asked.question.round}: {asked.question.instruction}"
            given = store.answers(asked.key)
            answers = {k: v for k, v in given.items() if isinstance(v, PairLabel)}
            first = {record.teacher: answers.pop(record.teacher)}
            question_sheet.draw(asked.question, shot, {**first, **answers}, title, path)
            sheets.append(image(path, title))
        return sheets
    finally:
        store.close()


def _choose(store: LabelStore, teacher: str) -> list:
    """A few pairs of each verdict, spread over the run."""
    by_verdict: dict[str, list] = {}
    for asked in store.questions():
        answer = store.find(asked.key, teacher)
        if isinstance(asked.question, Pair) and isinstance(answer, PairLabel):
            by_verdict.setdefault(verdict(asked.question, answer), []).append(asked)
    chosen = []
    for name, wanted in _QUESTIONS.items():
        some = by_verdict.get(name, [])
        every = max(1, len(some) // wanted)
        chosen += some[every // 2 :: every][:wanted]
    return chosen


def _rewards(record: Record) -> list[str]:
    codes, history = record.codes(), record.history()
    if not codes:
        return [note("No reward code.")]
    lines = []
    for entry in history:
        refused = entry.get("refused")
        refused = len(refused) if isinstance(refused, (dict, list)) else 0
        text = f"seed {entry.get('seed')}, step {entry.get('env_steps')}: {entry.get('event')}"
        text += f", {entry['reason']}" if entry.get("reason") else ""
        text += f" ({refused} did not compile)" * bool(refused)
        lines.append(f"<li>{as_html(text)}</li>")
    last = {name.split("_")[0]: name for name, _ in codes}
    sources = [
        f"<details><summary>{as_html(name)}{' (in use at the end)' * (name in last.values())}"
        f"</summary><pre>{as_html(source, keep=_KEPT)}</pre></details>"
        for name, source in codes
    ]
    return [
        "<h3>Reward code</h3>",
        f"<details><summary>History: {len(history)} entries</summary><ul>{''.join(lines)}</ul>"
        "</details>",
        *sources,
    ]


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89PNG\r\n\x1a\n"
