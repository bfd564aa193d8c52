"""Copies rows of metrics to TensorBoard and to Weights & Biases.

    with loggers.opened(("tensorboard",), "runs/drawer") as on_row:
        core_jax.run(config, "runs/drawer", on_row=on_row)

`on_row` of `core_jax.run` takes any function of a row; the loggers here are such functions. They
follow `metrics.jsonl`: what a log has not got yet of its rows is added, and a step that is in a log
is not written again after a resume.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import numbers
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from core_jax import files

OnRow = Callable[[dict[str, Any]], None]
_STATE = "logs.json"


class Logger(Protocol):
    """Where rows go."""

    def write(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """Adds one row; on return a kill does not lose it.

        Args:
            step: environment steps of the row.
            scalars: name -> value, see `scalars`.
            texts: `phase` where it has changed, and `events` where there were any.
        """
        ...

    def close(self) -> None:
        """Ends the log."""
        ...


def names() -> tuple[str, ...]:
    """The loggers that there are."""
    return tuple(_LOGGERS)


@contextlib.contextmanager
def opened(loggers: Sequence[str], out: Path | str) -> Iterator[OnRow | None]:
    """Gives a function that writes each row of a run to the loggers; None without any.

    Args:
        loggers: of `names()`.
        out: the run's folder. It is needed only when the first row comes. The steps that each log
            has are in its `logs.json`.

    Raises:
        ValueError: an unknown logger, or one whose package is not installed.
    """
    for name in loggers:
        if name not in _LOGGERS:
            raise ValueError(f"unknown logger {name!r}. Valid: {', '.join(_LOGGERS)}.")
        package = _LOGGERS[name][0]
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"logger {name} needs the package {package}: pip install 'core-jax[{name}]'"
            )
    if not loggers:
        yield None
        return
    logs = [_Log(name, Path(out)) for name in dict.fromkeys(loggers)]

    def on_row(row: dict[str, Any]) -> None:
        for log in logs:
            log(row)

    try:
        yield on_row
    finally:
        for log in logs:
            log.close()


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row by name; what is not finite is left out.

    A list with one number per seed becomes its mean, and with several seeds also `NAME/0`,
    `NAME/1`, ... in the order of the seeds or members. Nested names are joined by `/`.
    """
    found: dict[str, float] = {}
    for name, value in row.items():
        if name == "env_steps":
            continue
        if isinstance(value, Mapping):
            found |= {f"{name}/{inner}": x for inner, x in scalars(value).items()}
        elif isinstance(value, (list, tuple)):
            each = {str(i): float(x) for i, x in enumerate(value) if _is_finite(x)}
            if each:
                found[name] = sum(each.values()) / len(each)
            if len(value) > 1:
                found |= {f"{name}/{i}": x for i, x in each.items()}
        elif _is_finite(value):
            found[name] = float(value)
    return found


class _Log:
    """One logger and the last step that it has got; opened at the first row."""

    def __init__(self, name: str, out: Path):
        self._name, self._out = name, out
        self._logger: Logger | None = None
        self._last, self._phase = 0, ""

    def __call__(self, row: dict[str, Any]) -> None:
        if self._logger is None:
            state = _read(self._out)
            self._last = state.get(self._name, {}).get("env_steps", 0)
            self._logger = _LOGGERS[self._name][1](self._out, self._last + 1)
            # The rows before a resume that the log does not have: all, if it is a new one.
            for earlier in files.read_rows(self._out / "metrics.jsonl"):
                if earlier["env_steps"] < row["env_steps"]:
                    self._write(self._logger, earlier)
        self._write(self._logger, row)

    def close(self) -> None:
        if self._logger is not None:
            self._logger.close()

    def _write(self, logger: Logger, row: Mapping[str, Any]) -> None:
        step, phase = row["env_steps"], str(row.get("phase") or "")
        texts = {"phase": phase} if phase != self._phase else {}
        if row.get("events"):
            texts["events"] = "\n".join(map(str, row["events"]))
        self._phase = phase
        if step <= self._last:
            return
        logger.write(step, scalars(row), texts)
        self._last = step
        _update(self._out, self._name, env_steps=step)


class _TensorBoard:
    """An event file in `OUT/tensorboard`. tensorboardX's `SummaryWriter` hands events to another
    thread, and a kill would lose them; its file is written to directly here."""

    def __init__(self, out: Path, first_step: int):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        Event, SessionLog = (getattr(event_pb2, name) for name in ("Event", "SessionLog"))
        self._event = Event
        (out / "tensorboard").mkdir(exist_ok=True)
        # A name of its own: two in the same second would write to the same file.
        self._file = EventsWriter(str(out / "tensorboard" / "events"), f".{uuid.uuid4().hex[:8]}")
        # TensorBoard hides what a kill left of steps from here on.
        start = SessionLog(status=SessionLog.START)
        self._file.write_event(Event(wall_time=time.time(), step=first_step, session_log=start))

    def write(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        from tensorboardX import summary

        now = time.time()
        found = [summary.scalar(name, value) for name, value in scalars.items()]
        found += [summary.text(name, text) for name, text in texts.items()]
        for one in found:
            self._file.write_event(self._event(wall_time=now, step=step, summary=one))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Wandb:
    """A run of Weights & Biases with the config of the run's folder. Entity, project, mode and
    address are chosen by W&B's own variables (WANDB_ENTITY, WANDB_PROJECT, WANDB_MODE, ...)."""

    def __init__(self, out: Path, first_step: int):
        import wandb  # pyright: ignore[reportMissingImports]

        del first_step
        # The identifier is kept: a resumed run continues the same run there.
        identifier = _read(out).get("wandb", {}).get("id") or uuid.uuid4().hex[:8]
        _update(out, "wandb", id=identifier)
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "core-jax"),
                name=os.environ.get("WANDB_NAME", out.name),
                id=identifier,
                resume="allow",
                dir=str(out),
                config=json.loads((out / "config.json").read_text(encoding="utf-8")),
                allow_val_change=True,  # a run may be continued with more steps
            )
        except wandb.errors.Error as error:
            raise ValueError(f"logger wandb: {error}") from error

    def write(self, step: int, scalars: Mapping[str, float], texts: Mapping[str, str]) -> None:
        self._run.log({**scalars, **texts, "env_steps": step}, step=step)

    def close(self) -> None:
        self._run.finish()


_LOGGERS: dict[str, tuple[str, Callable[[Path, int], Logger]]] = {
    "tensorboard": ("tensorboardX", _TensorBoard),
    "wandb": ("wandb", _Wandb),
}


def _is_finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _read(out: Path) -> dict[str, Any]:
    path = out / _STATE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _update(out: Path, name: str, **values: Any) -> None:
    state = _read(out)
    files.write_json(out / _STATE, {**state, name: {**state.get(name, {}), **values}})
