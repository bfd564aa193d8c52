"""Records the snapshots of start and goal that SoftGym's specs hold:
`python scripts/tools/record_softgym_snapshots.py` writes `envs/softgym/snapshots.npz`.

They follow from the recorded worlds (`folds.npz`, `ropes.npz`, `water.npz`); the file exists so
that `core_jax.envs.spec` needs neither those nor JAX.
"""

from __future__ import annotations

import argparse

import numpy as np

from core_jax.envs.softgym import flatten_rope, fold_cloth, pass_water, rope, tasks


def snapshots() -> dict[str, np.ndarray]:
    """Returns start and goal of every task and preset, float64 [2, K]."""
    rows = {}
    for preset in ("fast", "full"):
        sheet, goal = fold_cloth.PRESETS[preset], np.load(fold_cloth.PATH)[preset]
        rows[f"fold-cloth/{preset}"] = [sheet.shown(x) for x in (sheet.lying(), goal)]
        starts = np.load(pass_water.PATH)[preset].astype(np.float32)
        still = starts[1, 1, :, :: pass_water.PRESETS[preset].stride].T.ravel()
        width = pass_water.INNER[1]
        rows[f"pass-water/{preset}"] = [
            (x, width, width, *still.tolist()) for x in (0.0, pass_water.TARGET)
        ]
    start = flatten_rope.starts().x[0].astype(np.float32)
    rows["flatten-rope"] = [x.T.ravel() for x in (start, rope.straight_points())]
    return {key: np.asarray(pair, np.float64) for key, pair in rows.items()}


if __name__ == "__main__":
    argparse.ArgumentParser(description="Writes envs/softgym/snapshots.npz.").parse_args()
    np.savez_compressed(tasks.SNAPSHOTS, **snapshots())
    print(f"wrote {tasks.SNAPSHOTS}")
