"""Runs of a sweep on a cluster, by Ray or by SLURM; the runs' folders are on a disk that all see.

Whatever happens to a worker, its run goes on from its last checkpoint: the job that is started
again finds the folder and resumes.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Launch = Callable[[Sequence["Job"]], Iterator[tuple[int, int]]]
"""Runs jobs; yields each one's place and exit status when it has ended."""

_POLL = 5.0  # seconds between two looks at SLURM's jobs


class Lost(Exception):
    """A run's process was killed; the job is to be started again."""


@dataclasses.dataclass(frozen=True)
class Resources:
    """What each run gets.

    Attributes:
        cpus: cores.
        gpus: GPUs.
        hours: most time between two checkpoints' resumes; SLURM ends the job then and starts it
            again.
        partition: of SLURM.
        retries: how often a lost run is started again.
    """

    cpus: int = 1
    gpus: int = 0
    hours: float = 24.0
    partition: str | None = None
    retries: int = 20


@dataclasses.dataclass
class Job:
    """One run as a process, picklable.

    Attributes:
        script: train.py.
        words: of its command line, with an absolute --out.
        out: that folder.
        environment: variables of the process beside those of the worker.
    """

    script: Path
    words: tuple[str, ...]
    out: Path
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __call__(self) -> int:
        """Trains to the end, from where the folder is; the exit status.

        Raises:
            Lost: the process was killed.
        """
        resume = ["--resume"] if (self.out / "config.json").exists() else []
        command = [sys.executable, str(self.script), *self.words, "--quiet", *resume]
        environment = {**os.environ, **self.environment}
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        status = self._process.wait()
        if status < 0:
            raise Lost(f"{self.out.name} was killed by {signal.Signals(-status).name}")
        return status

    def checkpoint(self) -> Any:
        """What submitit calls before SLURM ends the job: the run saves, and the job is queued
        again."""
        import submitit  # pyright: ignore[reportMissingImports]

        process: subprocess.Popen = self._process
        process.send_signal(signal.SIGTERM)
        process.wait()
        return submitit.helpers.DelayedSubmission(
            Job(self.script, self.words, self.out, self.environment)
        )


def launcher(engine: str, folder: Path, resources: Resources) -> Launch:
    """What runs jobs by an engine.

    Args:
        engine: `ray` or `slurm`.
        folder: for the engine's logs.
        resources: of each run.

    Raises:
        ValueError: the engine's package is not installed.
    """
    module = {"ray": "ray", "slurm": "submitit"}[engine]
    try:
        found = importlib.import_module(module)
    except ImportError:
        raise ValueError(
            f"--on {engine} needs {module}: pip install 'core-jax[{engine}]'"
        ) from None
    if engine == "ray":
        return lambda jobs: by_ray(found, jobs, resources)
    executor = found.AutoExecutor(folder / "slurm", slurm_max_num_timeout=resources.retries)
    return lambda jobs: by_submitit(executor, jobs, resources)


def by_ray(ray: Any, jobs: Sequence[Job], resources: Resources) -> Iterator[tuple[int, int]]:
    """Runs jobs on the Ray cluster of RAY_ADDRESS, or on one that it starts on this machine."""
    began = not ray.is_initialized()
    if began:
        ray.init(log_to_driver=False, configure_logging=False)
    try:
        run = ray.remote(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            max_retries=resources.retries,  # also of workers and machines that are lost
            retry_exceptions=[Lost],
        )(_call)
        pending = {run.remote(job): i for i, job in enumerate(jobs)}
        while pending:
            [done], _ = ray.wait(list(pending))
            yield pending.pop(done), _status(lambda done=done: ray.get(done))
    finally:
        if began:
            ray.shutdown()


def by_submitit(
    executor: Any, jobs: Sequence[Job], resources: Resources
) -> Iterator[tuple[int, int]]:
    """Runs jobs as SLURM's, as one array; with submitit's local executor as processes here."""
    executor.update_parameters(
        timeout_min=max(1, int(60 * resources.hours)),
        cpus_per_task=resources.cpus,
        gpus_per_node=resources.gpus,
        slurm_signal_delay_s=120,  # for the last checkpoint
        **({"slurm_partition": resources.partition} if resources.partition else {}),
    )
    with executor.batch():
        submitted = [executor.submit(job) for job in jobs]
    pending = dict(enumerate(submitted))
    while pending:
        done = [i for i, job in pending.items() if job.done()]
        for i in done:
            yield i, _status(pending.pop(i).result)
        if pending and not done:
            time.sleep(_POLL)


def _call(job: Job) -> int:
    return job()


def _status(result: Callable[[], int]) -> int:
    """A job's exit status; 1, with the reason on stderr, where the engine has lost it for good."""
    try:
        return result()
    except Exception as error:  # each engine has errors of its own
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
