"""Whether a disturbed run is the undisturbed one, and its books agree with its service's."""

import json
import sqlite3

import jax
import numpy as np
import orbax.checkpoint as ocp

from core_jax.feedback.labels import LabelStore
from core_jax.runs.metrics import WALL_COLUMNS

PAID = ("tokens", "cost_usd")  # repeated requests may be billed
OTHERS = ("wall_seconds", "run", "device", "date")


def differences(out, reference):
    """What two finished runs of the same settings differ in, a line each."""
    found = []
    ours, theirs = _rows(out), _rows(reference)
    for a, b in zip(ours, theirs, strict=False):
        names = [n for n in sorted(a.keys() | b.keys()) if a.get(n) != b.get(n)]
        if names:
            found.append(f"row {a['env_steps']}: {', '.join(names)}")
            break
    if len(ours) != len(theirs):
        found.append(f"{len(ours)} rows, not {len(theirs)}")
    for what in (_labels, _summary, _history, _arrays):
        if what(out) != what(reference):
            found.append(what.__name__[1:])
    return found


def book_problems(out, service, hard, in_flight):
    """What a run's books and its service's disagree in.

    Args:
        out: the run's folder.
        service: that it asked.
        hard: disturbances in which what was under way may have got lost.
        in_flight: most requests under way at once.
    """
    given = [request.n for request, _ in service.answered]
    found = []
    with sqlite3.connect(out / "replies.sqlite") as books:
        [kept] = books.execute("SELECT COUNT(*) FROM replies").fetchone()
        [spent] = books.execute("SELECT COALESCE(SUM(cost_usd), 0) FROM replies").fetchone()
    books.close()
    lost = sum(given) - kept
    if not 0 <= lost <= hard * in_flight * max(given):
        found.append(f"{sum(given)} replies were given, {kept} are kept; {hard} hard disturbances")
    if spent < kept * 40e-6 - 1e-9:  # 20 tokens of output each
        found.append(f"only {spent} USD are booked for {kept} replies")
    return found


def _rows(out):
    left_out = {*WALL_COLUMNS, *PAID}
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in left_out} for row in rows]


def _labels(out):
    store = LabelStore(out / "labels.sqlite")
    plain = [
        (r.key, r.seed, r.round, r.position, r.env_steps, r.teacher, repr(_value(r.label)))
        for r in store.rows()
    ]
    store.close()
    return plain


def _value(label):
    return getattr(label, "preference", None)


def _summary(out):
    content = json.loads((out / "summary.json").read_text())
    return {k: v for k, v in content.items() if k not in (*PAID, *OTHERS)}


def _history(out):
    path = out / "rewards" / "history.json"
    return path.read_text() if path.exists() else None


def _arrays(out):
    newest = max(
        p for p in (out / "checkpoints").glob("step_*") if p.name.removeprefix("step_").isdigit()
    )
    with ocp.StandardCheckpointer() as reader:
        arrays = reader.restore(newest.absolute() / "arrays")
    leaves = jax.tree.leaves_with_path(arrays)
    return newest.name, {jax.tree_util.keystr(p): np.asarray(x).tobytes() for p, x in leaves}
