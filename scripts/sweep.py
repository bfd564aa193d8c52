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
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from core_jax import envs, methods
from core_jax.runs import flags, interrupt, run_folder
from core_jax.runs.config import suggest

_running: list[subprocess.Popen] = []
_stopped: list[int] = []
_handed_on: list[int] = []

DESCRIPTION = """Trains every task by every method, one run after another.

Flags that are not listed here go to every run, as scripts/train.py has them: for example --steps
50000 --sac.gamma 0.98 (python scripts/train.py --method METHOD --help lists them).
"""


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: many runs, one command."""

    out: Path
    """Folder of the runs; a sweep that is in it continues."""
    tasks: tuple[str, ...] = envs.names("metaworld")
    """Tasks to learn, one run for each method."""
    methods: tuple[str, ...] = ("core",)
    """Methods to learn them by."""
    protocols: tuple[str, ...] = ("paper",)
    """Protocols of the tasks' resets: paper, random."""
    seeds: int = 3
    """Seeds of every run."""


@dataclasses.dataclass(frozen=True)
class _RunFlags:
    """What scripts/train.py has besides a run's settings."""

    out: Path = Path()
    resume: bool = False
    config: Path | None = None
    quiet: bool = False


def main() -> int:
    """Runs the sweep; returns 1 if a run failed, 2 for a bad flag, 128 + N for signal N."""
    own, others = tyro.cli(Flags, description=DESCRIPTION, return_unknown_args=True)
    try:
        for what, asked, valid in (
            ("task", own.tasks, envs.names()),
            ("method", own.methods, methods.names()),
            ("protocol", own.protocols, envs.PROTOCOLS),
        ):
            for name in asked:
                suggest(what, name, valid)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number in interrupt.SIGNALS:
        signal.signal(number, _hand_on)
    summaries, failed = [], []
    cells = list(itertools.product(own.tasks, own.protocols, own.methods))
    for i, (task, protocol, method) in enumerate(cells, 1):
        out = own.out / f"{task}-{protocol}-{method}"
        print(f"[{i}/{len(cells)}] {out.name}", file=sys.stderr, flush=True)
        words = ["--task", task, "--protocol", protocol, "--method", method]
        words += ["--seeds", str(own.seeds), "--out", str(out), *others]
        summary = train(out, words)
        if _stopped:
            name = signal.Signals(_stopped[0]).name
            print(f"stopped by {name}; started again, the sweep continues", file=sys.stderr)
            return 128 + _stopped[0]
        if summary is None:
            failed.append(out.name)
            continue
        summaries.append(summary)
        print(line(summary), file=sys.stderr, flush=True)
    print(json.dumps({"sweep": str(own.out), "runs": summaries, "failed": failed}))
    return 1 if failed else 0


def train(out: Path, words: list[str]) -> dict[str, Any] | None:
    """One run in a process of its own; None if it failed (it has said why on stderr).

    Args:
        out: the run's folder; nothing is done if it holds a finished run of these settings.
        words: of its command line.
    """
    resume = ["--resume"] if (out / "config.json").exists() else []
    try:
        if (found := finished(out, words)) is not None:
            return found
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return None
    command = [sys.executable, str(Path(__file__).with_name("train.py")), *words, *resume]
    # A group of its own: a terminal's Ctrl-C reaches it once, handed on by this process.
    group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **group)
    _running.append(process)
    if len(_stopped) > len(_handed_on):  # a signal that came while it was started
        _hand_on_to([process], _stopped[0])
    failed = process.wait()
    _running.remove(process)
    return None if failed else run_folder.summary(out)


def finished(out: Path, words: list[str]) -> dict[str, Any] | None:
    """The summary of a folder whose run needs no more training, None if there is no such run.

    Raises:
        ValueError: the finished run has other settings.
    """
    summary = run_folder.summary(out)
    if summary is None:
        return None
    config, _ = flags.parse(_RunFlags, [*words, "--resume"])
    run_folder.check_same(out, config)
    return summary if run_folder.is_complete(summary, config) else None


def line(summary: dict[str, Any]) -> str:
    """One run as one line: success over seeds, steps, minutes."""
    each = ", ".join(f"{x:.2f}" for x in summary["success"])
    return (
        f"  success {np.mean(summary['success']):.3f} ({each}), {summary['env_steps']:,} steps, "
        f"{summary['wall_seconds'] / 60:.1f} min"
    )


def _hand_on(number: int, frame: Any) -> None:
    """Gives a signal to the run that is under way, which ends with a checkpoint."""
    del frame
    _stopped.append(number)
    _hand_on_to(_running, number)


def _hand_on_to(processes: list[subprocess.Popen], number: int) -> None:
    for process in processes:
        _handed_on.append(number)
        process.send_signal(number)


if __name__ == "__main__":
    sys.exit(main())
