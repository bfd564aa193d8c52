"""Makes the goals of fold-cloth: `python scripts/tools/record_folds.py`.

A goal is what the solver makes of one move of the held corner to the opposite one, as the
original's was made by its own. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import numpy as np
import tyro

from core_jax import envs
from core_jax.envs.softgym import fold_cloth


def main(out: Path = fold_cloth.PATH) -> int:
    """Writes both presets' goals and prints what is known of the original's.

    Args:
        out: the file to write.
    """
    goals, bounds = {}, {}
    for preset in ("fast", "full"):
        env = envs.make("fold-cloth", preset=preset)
        start = env.place(jax.random.key(0))
        move = jax.jit(lambda p, env=env: env.advance(p, fold_cloth.expert(env.observe(p))))
        goal = np.asarray(move(start).body.x, np.float32)
        if not np.isfinite(goal).all():
            print(f"{preset}: not finite", file=sys.stderr)
            return 1
        goals[preset] = goal
        low, high = goal.min((1, 2)), goal.max((1, 2))
        print(f"{preset}: xyz from {low.round(4)} to {high.round(4)}", file=sys.stderr)
        bounds[preset] = [[round(float(x), 4) for x in end] for end in (low, high)]
    np.savez_compressed(out, **goals)
    print(json.dumps({"goals": str(out), "bounds": bounds}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
