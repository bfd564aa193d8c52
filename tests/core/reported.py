"""Runs for the tests of reports."""

import json
from pathlib import Path

import labelled_run
import numpy as np

from core_jax import report
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.files import write_json
from core_jax.runs.differences import differences

ROOT = Path(__file__).parents[2]


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
