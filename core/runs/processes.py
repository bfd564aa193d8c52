"""One run over several processes: each trains its share of the seeds, one asks the hosted models
and writes the metrics of all.

Seeds do not depend on each other, so the processes need not wait for each other: each has a folder
`OUT/part-K` of its own, an ordinary run's, with checkpoints of its seeds. `OUT/metrics.jsonl` and
`OUT/summary.json` are those of the whole run. `jax.distributed` starts the processes, tells them
their numbers and keeps watch on them.
"""

from __future__ import annotations

import dataclasses
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from core_jax import files
from core_jax.models.shared import ModelServer, SharedModel
from core_jax.runs import run_folder
from core_jax.runs.config import Config
from core_jax.runs.layout import to_dict
from core_jax.runs.loggers import OnRow
from core_jax.training.devices import configure_jax

M = TypeVar("M")

_ADDED = ("steps_per_second", "tokens", "cost_usd")
_LARGEST = ("wall_seconds", "label_wait_seconds", "pictures")
_SECRET, _ADDRESS = 32, 256  # bytes


class Place(NamedTuple):
    """Which process this is.

    Attributes:
        index: its number.
        count: of all processes.
    """

    index: int
    count: int


def join(
    coordinator: str | None = None, count: int | None = None, index: int | None = None
) -> Place:
    """Joins the processes of a run, before anything else runs on JAX.

    Args:
        coordinator: HOST:PORT of the first process; found by itself under SLURM, Open MPI and on
            TPU pods.
        count: number of processes, where that is not found by itself.
        index: this process's number, likewise.

    Raises:
        ValueError: only some of the three are given, or none can be found.
    """
    given = (coordinator, count, index)
    if any(x is None for x in given) and any(x is not None for x in given):
        raise ValueError("give --coordinator, --num-processes and --process-id, or none of them")
    # It would take SIGTERM for itself, by which a run is told to save and end.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(coordinator, count, index)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"this process cannot join the others: {error}") from error
    return Place(jax.process_index(), jax.process_count())


def share(config: Config, place: Place) -> Config:
    """The config of one process: its seeds.

    Raises:
        ValueError: the seeds cannot be shared evenly, or it has a setting that needs all of them.
    """
    seeds = config.training.seeds
    if seeds % place.count:
        raise ValueError(f"seeds ({seeds}) must be a multiple of the processes ({place.count})")
    if config.stop_at is not None:
        raise ValueError("--stop-at looks at all seeds: with several processes leave it out")
    if config.sweep:
        raise ValueError("--sweep has seeds in an order of its own: run it in one process")
    own = seeds // place.count
    training = dataclasses.replace(config.training, seeds=own)
    return dataclasses.replace(config, seed=config.seed + place.index * own, training=training)


class Models:
    """Hosted models of a run: asked by process 0, by the others through it.

    Call it with the role of a model and a function that makes it.
    """

    def __init__(self, place: Place):
        """Starts to answer in process 0, and learns in the others where that is."""
        self._place, self._server = place, None
        message = np.zeros(_SECRET + _ADDRESS, np.uint8)
        if place.index == 0:
            secret = secrets.token_bytes(_SECRET)
            self._server = ModelServer(socket.gethostname(), secret)
            host, port = self._server.address
            text = f"{host} {port}".encode().ljust(_ADDRESS)
            message = np.frombuffer(secret + text, np.uint8)
        # Every process takes part, so all of them have begun.
        message = bytes(np.asarray(multihost_utils.broadcast_one_to_all(message), np.uint8))
        self._secret = message[:_SECRET]
        host, _, port = message[_SECRET:].decode().strip().rpartition(" ")
        self._address = (host, int(port))

    @property
    def asks(self) -> bool:
        """Whether this process asks: it needs the key."""
        return self._server is not None

    def __call__(self, role: str, make: Callable[[], M]) -> M:
        """The model of a role."""
        if self._server is None:
            return SharedModel(self._address, self._secret, role)  # pyright: ignore[reportReturnType]
        model = make()
        self._server.add(role, model)
        return model


def run(
    config: Config,
    out: Path,
    place: Place,
    resume: bool,
    quiet: bool,
    on_row: OnRow | None = None,
    base_url_trusted: bool = True,
) -> dict[str, Any]:
    """Runs this process's share and returns its summary; in process 0 that of the whole run.

    Args:
        config: of the whole run.
        out: the run's folder, which all processes see.
        place: which process this is.
        resume: continue what is in the folder.
        quiet: no progress on stderr.
        on_row: called in process 0 with every row of the whole run.
        base_url_trusted: as `core_jax.run`.

    Raises:
        ValueError: as `core_jax.run`, or the seeds cannot be shared.
    """
    from core_jax.runs import loop

    own = share(config, place)
    configure_jax(own.training.seeds)
    models = Models(place)
    part = out / f"part-{place.index}"
    parts = [out / f"part-{i}" for i in range(place.count)]
    merging = Merging(out, parts, on_row) if place.index == 0 else None
    out.mkdir(parents=True, exist_ok=True)
    if merging is not None:
        files.write_json(out / "config.json", to_dict(config))
    summary = loop.run(
        own,
        part,
        resume=resume and (part / "config.json").exists(),
        quiet=quiet or place.index > 0,
        on_row=merging,
        base_url_trusted=base_url_trusted,
        models=models,
    )
    # A summary is there when its process is done: files.write_json replaces it as a whole.
    multihost_utils.sync_global_devices("core_jax: trained")
    jax.distributed.shutdown()  # all leave together: one that is gone would count as crashed
    return summary if merging is None else merging.finish()


class Merging:
    """Makes the metrics and the summary of a run from those of its parts, in order of the seeds.

    Args:
        out: the run's folder.
        parts: the processes' folders.
        on_row: called with every row.
    """

    def __init__(self, out: Path, parts: Sequence[Path], on_row: OnRow | None = None):
        self._out, self._parts, self._on_row = out, parts, on_row
        self._told = 0  # environment steps up to which it was called

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Writes the rows that all parts have; `row` is only the sign that there may be more."""
        del row
        found = [self._rows(part) for part in self._parts]
        common = set(found[0]).intersection(*found[1:])
        rows = [merged([rows[steps] for rows in found]) for steps in sorted(common)]
        files.write_rows(self._out / "metrics.jsonl", rows)
        new = [one for one in rows if one["env_steps"] > self._told]
        if new and self._on_row is not None:
            for one in new:
                self._on_row(one)
            self._told = new[-1]["env_steps"]

    def finish(self) -> dict[str, Any]:
        """Writes the last rows and the summary, which it returns."""
        self({})
        summaries = [run_folder.summary(part) for part in self._parts]
        summary = merged([one or {} for one in summaries])
        summary |= {"processes": len(self._parts), "run": str(self._out)}
        files.write_json(self._out / "summary.json", summary)
        return summary

    def _rows(self, part: Path) -> dict[int, dict[str, Any]]:
        path = part / "metrics.jsonl"
        rows = files.read_rows(path) if path.exists() else []
        return {row["env_steps"]: row for row in rows}


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row or summary from those of the parts: lists, one value for each seed, follow each
    other; speeds, tokens and costs add up; of times the longest counts; anything else is the
    first's."""
    found: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts if name in part]
        if name == "seeds" or name in _ADDED:
            found[name] = sum(values)
        elif name in _LARGEST:
            found[name] = max(values)
        elif isinstance(first, list):
            found[name] = [x for value in values for x in value]
        elif isinstance(first, Mapping):
            found[name] = merged(values)
        else:
            found[name] = first
    return found
