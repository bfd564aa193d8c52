"""Trains every task by every method: `python scripts/sweep.py --tasks soccer hammer --seeds 3 --out
runs/NAME`, one run after another, each with its seeds as one program; with `--on ray` or `--on
slurm` side by side on a cluster.

A run's folder is `OUT/TASK-PROTOCOL-METHOD`. Started again, a sweep skips what is finished and
resumes what is not. With `--results FOLDER` it also skips what that folder has a result of, with
the same settings, and adds a result for every run that it finishes. The cheapest run comes first.
Flags that are not the sweep's own go to every `scripts/train.py` whose method has them. A run that
fails does not stop the others. Progress goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from core_jax import envs, methods
from core_jax.report import results
from core_jax.runs import cluster, interrupt, run_folder, sweep
from core_jax.runs.config import suggest

_running: list[subprocess.Popen] = []
_stopped: list[int] = []
_handed_on: list[int] = []

DESCRIPTION = """Trains every task by every method, one run after another.

Flags that are not listed here are flags of train, and go to every run whose method has them: for
example --steps 50000 --sac.gamma 0.98 (core-jax train --method METHOD --help, or python
scripts/train.py --method METHOD --help, lists them).
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
    on: Literal["local", "ray", "slurm"] = "local"
    """Where runs are trained: one after another here, or side by side by Ray (the cluster of
    RAY_ADDRESS, or this machine) or SLURM. --out must be on a disk that all machines see. Needs
    core-jax[ray] or core-jax[slurm]."""
    cpus: int = 1
    """Cores of each run, with --on ray or slurm."""
    gpus: int = 0
    """GPUs of each run, with --on ray or slurm."""
    hours: float = 24.0
    """With --on slurm: after so long, or when it is preempted, a run saves a checkpoint and is
    queued again."""
    partition: str | None = None
    """With --on slurm: the partition."""
    results: Path | None = None
    """Folder of committed results (results/): what it has with the same settings is not run again,
    and what is finished is added to it."""


def main() -> int:
    """Runs the sweep; returns 1 if a run failed, 2 for a bad flag, 128 + N for signal N."""
    own, others = tyro.cli(Flags, description=DESCRIPTION, return_unknown_args=True)
    try:
        for what, asked, valid in (
            ("task", own.tasks, envs.names()),
            ("method", [m for m in own.methods if not methods.known(m)], methods.names()),
            ("protocol", own.protocols, envs.PROTOCOLS),
        ):
            for name in asked:
                suggest(what, name, valid)
        others = ["--seeds", str(own.seeds), *others]
        launch = None
        if own.on != "local":
            resources = cluster.Resources(own.cpus, own.gpus, own.hours, own.partition)
            launch = cluster.launcher(own.on, own.out, resources)
        out = own.out if launch is None else own.out.absolute()
        cells = sweep.cells(out, own.tasks, own.protocols, own.methods, others)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if launch is None:
        for number in interrupt.SIGNALS:
            signal.signal(number, _hand_on)
    return run_all(own, cells) if launch is None else run_all(own, cells, launch)


def run_all(own: Flags, cells: list[sweep.Cell], launch: cluster.Launch | None = None) -> int:
    """Trains what is not finished, the cheapest first, here or by what launches runs elsewhere;
    returns 1 if a run failed."""
    for flag, names in sweep.dropped(cells).items():
        tell(f"--{flag.replace('_', '-')} has no effect with {', '.join(names)}: left out there")
    folder = own.results
    found, problems = results.read(folder) if folder and folder.exists() else ([], [])
    for problem in problems:
        tell(problem)
    skipped = [cell for cell in cells if sweep.known(cell, found) is not None]
    for cell in skipped:
        tell(f"{cell.out.name}: {own.results} has a result with the same settings")
    times = sweep.Times(found)
    left = sweep.ordered([cell for cell in cells if cell not in skipped], times)
    summaries, failed = [], []
    for cell, summary in trained(left, times) if launch is None else launched(left, launch):
        if _stopped:
            name = signal.Signals(_stopped[0]).name
            tell(f"stopped by {name}; started again, the sweep continues")
            return 128 + _stopped[0]
        if summary is None:
            failed.append(cell.out.name)
            continue
        summaries.append(summary)
        tell(line(summary))
        times.add(cell.task, cell.method, summary["wall_seconds"],
                  summary["env_steps"] * summary["seeds"])  # fmt: skip
        if own.results is not None:
            try:
                tell(f"  {sweep.collected(cell.out, own.results)}")
            except ValueError as error:
                tell(f"error: {error}")
                failed.append(cell.out.name)
    names = {"skipped": [cell.out.name for cell in skipped], "failed": failed}
    print(json.dumps({"sweep": str(own.out), "runs": summaries, **names}))
    return 1 if failed else 0


Trained = Iterator[tuple[sweep.Cell, dict[str, Any] | None]]


def trained(left: list[sweep.Cell], times: sweep.Times) -> Trained:
    """Trains one run after another; each with its summary, None if it failed."""
    for i, cell in enumerate(left):
        tell(f"{sweep.outlook(left[i:], times)}; next: {cell.out.name}")
        yield cell, train(cell)


def launched(left: list[sweep.Cell], launch: cluster.Launch) -> Trained:
    """Trains runs side by side elsewhere; each with its summary when it ends."""
    jobs, cells = [], []
    script = Path(__file__).with_name("train.py").absolute()
    paths = {k: os.environ[k] for k in ("PYTHONPATH",) if k in os.environ}
    for cell in left:
        try:
            found = unfinished(cell)
        except ValueError as error:
            tell(f"error: {error}")
            yield cell, None
            continue
        if found is not None:
            yield cell, found
            continue
        jobs.append(cluster.Job(script, cell.words, cell.out, paths))
        cells.append(cell)
    tell(f"{len(jobs)} run{'s' * (len(jobs) != 1)} submitted")
    for i, status in launch(jobs) if jobs else ():
        yield cells[i], None if status else run_folder.summary(cells[i].out)


def unfinished(cell: sweep.Cell) -> dict[str, Any] | None:
    """None for a cell to train, the summary of one that is finished.

    Raises:
        ValueError: it cannot be trained, or its folder holds another run.
    """
    if cell.problem:
        raise ValueError(cell.problem)
    return sweep.finished(cell)


def train(cell: sweep.Cell) -> dict[str, Any] | None:
    """One run in a process of its own; None if it failed (the reason is on stderr).

    Nothing is done if its folder holds a finished run of these settings.
    """
    resume = ["--resume"] if (cell.out / "config.json").exists() else []
    try:
        if (found := unfinished(cell)) is not None:
            return found
    except ValueError as error:
        tell(f"error: {error}")
        return None
    command = [sys.executable, str(Path(__file__).with_name("train.py")), *cell.words, *resume]
    # A group of its own: a terminal's Ctrl-C reaches it once, handed on by this process.
    group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **group)
    _running.append(process)
    if len(_stopped) > len(_handed_on):  # a signal that came while it was started
        _hand_on_to([process], _stopped[0])
    failed = process.wait()
    _running.remove(process)
    return None if failed else run_folder.summary(cell.out)


def line(summary: dict[str, Any]) -> str:
    """One run as one line: success over seeds, steps, minutes."""
    each = ", ".join(f"{x:.2f}" for x in summary["success"])
    return (
        f"  success {np.mean(summary['success']):.3f} ({each}), {summary['env_steps']:,} steps, "
        f"{summary['wall_seconds'] / 60:.1f} min"
    )


def tell(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


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
