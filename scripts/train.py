"""Trains: `python scripts/train.py --task drawer-open --method core --seeds 3 --out runs/NAME`.

`--help` shows the flags of the chosen task, method, teacher and learner; their defaults are the
task's and the method's, with `--resume` the run's. Progress goes to stderr; the last line of stdout
is the summary as one JSON object.
"""

from __future__ import annotations

import os
import signal


def _stop_early(number: int, frame: object) -> None:
    del frame
    os.write(2, f"stopped by {signal.Signals(number).name} before it began\n".encode())
    os._exit(128 + number)


for _name in ("SIGINT", "SIGTERM", "SIGHUP"):  # before the imports, which take seconds
    if __name__ == "__main__" and hasattr(signal, _name):
        signal.signal(getattr(signal, _name), _stop_early)

import dataclasses  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, Literal  # noqa: E402

from core_jax.models import ChatError  # noqa: E402
from core_jax.runs import flags, interrupt, loggers, processes  # noqa: E402
from core_jax.runs.loop import run  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: learn a task without writing its reward."""

    out: Path = Path("runs/latest")
    """The run's folder; must not exist yet."""
    resume: bool = False
    """Continue the run in --out from its last sound checkpoint; flags left out stay as they
    were."""
    config: Path | None = None
    """Start from the settings in this JSON or YAML file, such as another run's config.json."""
    quiet: bool = False
    """No progress on stderr."""
    distributed: bool = False
    """This is one of several processes that train the run's seeds together, each its share; SLURM,
    Open MPI and TPU pods say which, elsewhere the next three flags do."""
    coordinator: str | None = None
    """HOST:PORT on which the first process of --distributed listens."""
    num_processes: int | None = None
    """Number of processes of --distributed."""
    process_id: int | None = None
    """Number of this process of --distributed, from 0."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also write every row of metrics to TensorBoard (OUT/tensorboard), to Weights & Biases, or to
    both. They need core-jax[tensorboard] and core-jax[wandb]."""


def main() -> int:
    """Trains; returns 2 for a bad flag or a model that does not answer."""
    try:
        config, own = flags.parse(Flags)
        # An address that came with a folder or a file may be anybody's: no key is sent there.
        given = {"chat.base_url", "vlm.chat.base_url"} & flags.named(sys.argv[1:])
        trusted = bool(given) or not (own.resume or own.config)
        with interrupt.catching(), loggers.opened(own.log, own.out) as on_row:
            options: dict[str, Any] = {"on_row": on_row, "base_url_trusted": trusted}
            if own.distributed:
                place = processes.join(own.coordinator, own.num_processes, own.process_id)
                summary = processes.run(config, own.out, place, own.resume, own.quiet, **options)
            else:
                summary = run(config, own.out, own.resume, own.quiet, **options)
    except (ValueError, ChatError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full or vanished disk, a quota, missing rights
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; --resume continues", file=sys.stderr)
        return 2
    except interrupt.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_status
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    interrupt.leave(main())
