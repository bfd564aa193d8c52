"""The report of a verification in a run's folder: `rewards/verification.json`, `.md` and strips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_jax import files
from core_jax.methods.vlm_car.generation import Accepted, Attempt


def write(
    folder: Path, title: str, attempts: Sequence[Attempt], accepted: Accepted | None
) -> list[dict[str, Any]]:
    """Writes the report and every accepted program; returns its entries.

    Args:
        folder: the run's `rewards/`; made if there is none.
        title: of the run.
        attempts: every program that was written.
        accepted: None if there are no verified programs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries, lines = [], [f"# Verification: {title}", ""]
    for i, one in enumerate(attempts):
        name = f"program_{i:02d}"
        if one.code:
            files.write_text(folder / f"{name}.py", one.code.strip() + "\n")
        if one.strip is not None:
            (folder / f"{name}.png").write_bytes(one.strip)
        matrix = one.verdict.confusion() if one.verdict else None
        entry = {
            "list": one.list,
            "subtask": one.number,
            "text": one.subtask,
            "file": f"{name}.py" if one.code else None,
            "accepted": not one.problem,
            "problem": one.problem,
            "confusion": matrix,
        }
        entries.append(entry)
        lines += _section(name, entry, one)
    if accepted is not None:
        lines += ["## Accepted, in order", ""]
        lines += [f"{k + 1}. {text}" for k, text in enumerate(accepted.subtasks)]
        lines += ["", f"{accepted.false_positives} random trajectories complete all of them.", ""]
    files.write_json(folder / "verification.json", entries)
    files.write_text(folder / "verification.md", "\n".join(lines))
    return entries


def _section(name: str, entry: dict[str, Any], one: Attempt) -> list[str]:
    verdict = "accepted" if entry["accepted"] else "refused"
    lines = [f"## {name}: list {one.list + 1}, sub-task {one.number + 1}, {verdict}", ""]
    lines += [one.subtask, ""]
    if one.problem:
        lines += [one.problem, ""]
    if entry["confusion"]:
        m = entry["confusion"]
        lines += [
            "| | completed | not |",
            "|---|---|---|",
            f"| expert | {m['true_positives']} | {m['false_negatives']} |",
            f"| random | {m['false_positives']} | {m['true_negatives']} |",
            "",
        ]
    if one.strip is not None:
        lines += [one.caption, "", f"![{name}]({name}.png)", ""]
    return lines
