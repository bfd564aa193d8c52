"""Exports a policy: `python scripts/export.py RUN --out policy.npz`.

Writes the actor's weights and, beside them, `numpy_policy.py`: numpy is all it needs to act.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from core_jax.runs import restore
from core_jax.training import cache, devices


def export(
    run: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("policy.npz"),
    seed: int | None = None,
) -> int:
    """Writes one seed's policy.

    Args:
        run: the run's folder.
        out: the file to write; other seeds of the run are numbered in their names.
        seed: which seed of the run; all of them by default.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        restored = restore.load(run)
        config = restored.config
        seeds = [config.seed + s for s in range(config.seeds)]
        if seed is not None and seed not in seeds:
            raise ValueError(f"{run} has no seed {seed}; it has {', '.join(map(str, seeds))}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    written = []
    for s, name in enumerate(seeds):
        if seed not in (None, name):
            continue
        path = out if len(seeds) == 1 or seed is not None else _numbered(out, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        actor = jax.tree.map(lambda x, s=s: np.asarray(x[s]), restored.lanes.learner.average_actor)
        layers = actor["params"]["mlp"]
        arrays = {}
        for i in range(len(layers)):
            arrays[f"kernel_{i}"] = layers[f"layer_{i}"]["kernel"]
            arrays[f"bias_{i}"] = layers[f"layer_{i}"]["bias"]
        np.savez(path, **arrays, task=config.task, protocol=config.protocol)
        written.append(str(path))
    shutil.copy(Path(__file__).with_name("numpy_policy.py"), out.parent / "numpy_policy.py")
    print(json.dumps({"run": str(run), "task": config.task, "policies": written}))
    return 0


def _numbered(path: Path, seed: int) -> Path:
    return path.with_name(f"{path.stem}_seed{seed}{path.suffix}")


if __name__ == "__main__":
    sys.exit(tyro.cli(export))
