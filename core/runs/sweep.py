"""What a sweep runs, in which order, and how long it will take.

A cell is a task, a protocol and a method. Cells whose settings have a result are left out; the
others come in the order of their predicted time.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core_jax import envs, report
from core_jax.report import collect, results
from core_jax.report.results import Result
from core_jax.runs import flags, run_folder
from core_jax.runs.config import Config
from core_jax.runs.differences import differences
from core_jax.runs.fingerprint import fingerprint
from core_jax.runs.layout import to_dict


@dataclasses.dataclass(frozen=True)
class RunFlags:
    """What scripts/train.py has besides a run's settings."""

    out: Path = Path()
    resume: bool = False
    config: Path | None = None
    quiet: bool = False
    log: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        task, protocol, method: of the run.
        out: its folder.
        words: of its command line.
        config: its settings; None if they cannot be read, see `problem`.
        dropped: flags that it was not given, because it does not have them, and why.
        problem: why it cannot be run, or "".
    """

    task: str
    protocol: str
    method: str
    out: Path
    words: tuple[str, ...]
    config: Config | None = None
    dropped: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""

    @property
    def key(self) -> str | None:
        """The fingerprint of its settings."""
        return None if self.config is None else fingerprint(to_dict(self.config))


def cells(
    out: Path,
    tasks: Sequence[str],
    protocols: Sequence[str],
    methods: Sequence[str],
    others: Sequence[str],
) -> list[Cell]:
    """The runs of a sweep.

    Args:
        out: the sweep's folder; a run's is `OUT/TASK-PROTOCOL-METHOD`.
        tasks, protocols, methods: every combination is a run.
        others: words of the command line for every run; a flag that a method does not have, or
            that has no effect with it, goes to the others alone.

    Raises:
        ValueError: a flag that none of the runs has.
        SystemExit: a flag that no method has (tyro says which).
    """
    found = []
    for task, protocol, method in itertools.product(tasks, protocols, methods):
        folder = out / f"{task}-{protocol}-{method}"
        choice = ("--task", task, "--protocol", protocol, "--method", method)
        found.append(_cell(Cell(task, protocol, method, folder, choice), others))
    for flag, reason in found[0].dropped.items() if found else ():
        if all(flag in one.dropped for one in found):
            raise ValueError(reason)
    return found


def _cell(cell: Cell, others: Sequence[str]) -> Cell:
    """The cell with those of the flags that it has."""
    left, dropped = _segments(others), {}
    while True:
        words = [*cell.words, "--out", str(cell.out), *itertools.chain(*left)]
        try:
            config = parsed(cell.out, words)
        except flags.NoEffect as error:
            dropped[error.flag] = str(error)
            kept = [one for one in left if error.flag not in flags.named(one[:1])]
            if len(kept) == len(left):
                raise
            left = kept
        except ValueError as error:
            return dataclasses.replace(
                cell, words=tuple(words), dropped=dropped, problem=str(error)
            )
        else:
            return dataclasses.replace(cell, words=tuple(words), config=config, dropped=dropped)


def parsed(out: Path, words: Sequence[str]) -> Config:
    """The config of a run's command line; one that has a folder is resumed."""
    resume = ["--resume"] if (out / "config.json").exists() else []
    return flags.parse(RunFlags, [*words, *resume])[0]


def finished(cell: Cell) -> dict[str, Any] | None:
    """The summary of a cell's folder if its run needs no more training, None if it does.

    Raises:
        ValueError: its finished run has other settings.
    """
    summary = run_folder.summary(cell.out)
    if summary is None or cell.config is None:
        return None
    run_folder.check_same(cell.out, cell.config)
    return summary if run_folder.is_complete(summary, cell.config) else None


def known(cell: Cell, found: Sequence[Result]) -> Result | None:
    """The result of the same settings, if there is one."""
    mine = cell.key
    return next((x for x in found if mine is not None and fingerprint(x.config) == mine), None)


def collected(out: Path, folder: Path) -> Path:
    """Writes the result of a finished run's folder into the folder of results."""
    return results.write(collect.result(report.load(out, differences)), folder)


class Times:
    """Predicts how long a run takes from the minutes of results: seconds per environment step and
    seed, the median over those that are most like it."""

    def __init__(self, found: Sequence[Result]):
        """Keeps what the results took."""
        self._taken: list[tuple[str, str, float]] = []
        for one in found:
            if one.minutes and one.env_steps:
                self.add(one.task, one.method, one.minutes * 60, one.env_steps * len(one.seeds))

    def add(self, task: str, method: str, seconds: float, steps: int) -> None:
        """Adds one run; `steps` of all its seeds together."""
        self._taken.append((task, method, seconds / steps))

    def predict(self, task: str, method: str, steps: int) -> float | None:
        """Seconds for so many steps of all seeds together; None if there is nothing to go by."""
        tests: tuple[Callable[[str, str], bool], ...] = (
            lambda t, m: (t, m) == (task, method),
            lambda t, m: t == task,
            lambda t, m: m == method and suite(t) == suite(task),
            lambda t, m: suite(t) == suite(task),
        )
        for test in tests:
            if like := [s for t, m, s in self._taken if test(t, m)]:
                return steps * statistics.median(like)
        return None


def suite(task: str) -> str:
    """The suite of a task; tasks of one's own are one each."""
    found = (name for name in envs.suites() if name != "user" and task in envs.names(name))
    return next(found, task)


def steps(cell: Cell) -> int:
    """Environment steps of all seeds of a run together."""
    training = cell.config.training if cell.config else None
    return training.steps * training.seeds if training else 0


def ordered(left: Sequence[Cell], times: Times) -> list[Cell]:
    """The cheapest first; those whose time cannot be predicted after the others, by steps."""
    predicted = {
        (c.task, c.protocol, c.method): times.predict(c.task, c.method, steps(c)) for c in left
    }

    def cost(cell: Cell) -> tuple[bool, float, int]:
        seconds = predicted[cell.task, cell.protocol, cell.method]
        return seconds is None, seconds or 0.0, steps(cell)

    return sorted(left, key=cost)


def outlook(left: Sequence[Cell], times: Times) -> str:
    """What is left and how long it will take, as one line."""
    predicted = [times.predict(c.task, c.method, steps(c)) for c in left]
    seconds = sum(x for x in predicted if x is not None)
    unknown = predicted.count(None)
    text = f"{len(left)} run{'s' * (len(left) != 1)} left"
    if unknown < len(left):
        text += f", about {int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
    if unknown:
        text += f", {unknown} of them of unknown length"
    return text


def dropped(found: Sequence[Cell]) -> Mapping[str, list[str]]:
    """Flags that some runs do not have -> the methods that go without."""
    by_flag: dict[str, list[str]] = {}
    for cell in found:
        for flag in cell.dropped:
            names = by_flag.setdefault(flag, [])
            if cell.method not in names:
                names.append(cell.method)
    return by_flag


def _segments(words: Sequence[str]) -> list[list[str]]:
    """Words by flag: each flag with the values that follow it."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not found:
            found.append([])
        found[-1].append(word)
    return found
