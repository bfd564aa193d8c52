"""Trains: `python scripts/train.py --task drawer-open --method core --seeds 3 --out runs/NAME`.

`--help` shows the flags of the chosen task, method, teacher and learner; their defaults are the
task's and the method's, with `--resume` the run's. Progress goes to stderr; the last line of stdout
is the summary as one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from core_jax.models import ChatError
from core_jax.runs import flags, interrupt
from core_jax.runs.loop import run


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


def main() -> int:
    """Trains; returns 2 for a bad flag or a model that does not answer."""
    try:
        config, own = flags.parse(Flags)
        # An address that came with a folder or a file may be anybody's: no key is sent there.
        given = {"chat.base_url", "vlm.chat.base_url"} & flags.named(sys.argv[1:])
        trusted = bool(given) or not (own.resume or own.config)
        with interrupt.catching():
            summary = run(config, own.out, own.resume, own.quiet, base_url_trusted=trusted)
    except (ValueError, ChatError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except interrupt.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_status
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    interrupt.leave(main())
