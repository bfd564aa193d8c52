"""Trains every task by every method: `python scripts/sweep.py --tasks soccer hammer --seeds 3 --out
runs/NAME`, one run after another, each with its seeds as one program.

A run's folder is `OUT/TASK-PROTOCOL-METHOD`. Started again, a sweep skips what is finished and
resumes what is not. Flags that are not the sweep's own go to every `scripts/train.py`. A run that
fails does not stop the others. Progress goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from core_jax import envs, methods
from core_jax.runs.config import suggest


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: many runs, one command."""

    out: Path
    """Folder of the runs; a sweep in it is gone on with."""
    tasks: tuple[str, ...] = envs.names("metaworld")
    methods: tuple[str, ...] = ("core",)
    protocols: tuple[str, ...] = ("paper",)
    seeds: int = 3


def main() -> int:
    """Runs the sweep; returns 1 if a run failed, 2 for a bad flag."""
    flags, others = tyro.cli(Flags, return_unknown_args=True)
    try:
        for what, asked, valid in (
            ("task", flags.tasks, envs.names()),
            ("method", flags.methods, methods.names()),
            ("protocol", flags.protocols, envs.PROTOCOLS),
        ):
            for name in asked:
                suggest(what, name, valid)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    summaries, failed = [], []
    cells = list(itertools.product(flags.tasks, flags.protocols, flags.methods))
    for i, (task, protocol, method) in enumerate(cells, 1):
        out = flags.out / f"{task}-{protocol}-{method}"
        print(f"[{i}/{len(cells)}] {out.name}", file=sys.stderr, flush=True)
        summary = train(out, task, protocol, method, flags.seeds, others)
        if summary is None:
            failed.append(out.name)
            continue
        summaries.append(summary)
        print(line(summary), file=sys.stderr, flush=True)
    print(json.dumps({"sweep": str(flags.out), "runs": summaries, "failed": failed}))
    return 1 if failed else 0


def train(
    out: Path, task: str, protocol: str, method: str, seeds: int, others: list[str]
) -> dict[str, Any] | None:
    """One run in a process of its own; None if it failed (it has said why on stderr)."""
    finished = out / "summary.json"
    if not finished.exists():
        command = [sys.executable, str(Path(__file__).with_name("train.py"))]
        command += ["--task", task, "--protocol", protocol, "--method", method]
        command += ["--seeds", str(seeds), "--out", str(out), *others]
        command += ["--resume"] if (out / "config.json").exists() else []
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode or not finished.exists():
            return None
    return json.loads(finished.read_text())


def line(summary: dict[str, Any]) -> str:
    """One run as one line: success over seeds, steps, minutes."""
    each = ", ".join(f"{x:.2f}" for x in summary["success"])
    return (
        f"  success {np.mean(summary['success']):.3f} ({each}), {summary['env_steps']:,} steps, "
        f"{summary['wall_seconds'] / 60:.1f} min"
    )


if __name__ == "__main__":
    sys.exit(main())
