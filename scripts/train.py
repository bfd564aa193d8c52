"""Trains: `python scripts/train.py --task drawer-open --method core --seeds 3 --out runs/NAME`.

Every field of `core_jax.runs.config.Config` is a flag; its default is the task's
(`core_jax.runs.presets`), with `--resume` the run's. Progress goes to stderr; the last line of
stdout is the summary as one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from core_jax import methods
from core_jax.models import ChatError
from core_jax.runs import presets as schedules
from core_jax.runs.config import Config, suggest
from core_jax.runs.loop import run
from core_jax.training import cache, devices


@dataclasses.dataclass(frozen=True)
class Flags(Config):
    """CoRe-JAX: learn a manipulation task without writing its reward."""

    out: Path = Path("runs/latest")
    """The run's folder; must not exist yet."""
    resume: bool = False
    """Go on with the run in --out, from its last sound checkpoint; flags left out stay as they
    were."""
    quiet: bool = False
    """No progress on stderr."""


def main() -> int:
    cache.enable()
    try:
        flags = schedules.parse(Flags)
        config = Config.of(flags)
        # Before `run` checks the rest: SoftGym's worlds, which that builds, start the backend.
        suggest("method", config.method, methods.names())
        devices.prepare_cpu(max(config.seeds, config.trial_lanes))
        summary = run(config, flags.out, flags.resume, flags.quiet)
    except (ValueError, ChatError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
