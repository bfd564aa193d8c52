"""Records what each task looks like when it starts and when it is done, for `TaskSpec`:
`python scripts/record_goals.py`; then `python scripts/record_goals.py --sheet FILE` draws them.

The start is protocol `paper`'s; the goal is where the scripted expert has got to a few steps after
its first success. Snapshots, not pictures, are kept: some dozen numbers each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import envs
from core.film import pictures
from envs.metaworld.experts import expert

PATH = Path(envs.__file__).parent / "metaworld" / "goals.json"
_STEPS, _AFTER = 120, 5


def main(sheet: Path | None = None) -> int:
    """Writes the snapshots, or draws those that are there.

    Args:
        sheet: a PNG to write: every task, its start above its goal.
    """
    return record() if sheet is None else draw(sheet)


def draw(sheet: Path) -> int:
    """Writes the contact sheet of all tasks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = envs.names("metaworld")
    figure, axes = plt.subplots(2, len(names), figsize=(2.2 * len(names), 4.7))
    for column, task in zip(axes.T, names, strict=True):
        env = envs.make(task)
        shots = pictures(env, np.array([env.spec.start, env.spec.goal], np.float32), 300)
        for axis, shot in zip(column, shots, strict=True):
            axis.imshow(shot)
            axis.set_axis_off()
        column[0].set_title(task, fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(sheet, dpi=110)
    return 0


def record() -> int:
    """Plays the experts; returns 1 if one fails."""
    found = {}
    for task in envs.names("metaworld"):
        env, act = envs.make(task), expert(task)

        @jax.jit
        def play(state, env=env, act=act):
            def body(state, _):
                state = env.step(state, act(state.obs))
                return state, (env.snapshot(state.pipeline_state), state.metrics["success"])

            return jax.lax.scan(body, state, None, _STEPS)[1]

        state = jax.jit(env.reset)(jax.random.key(0))
        snapshots, success = play(state)
        if not success.any():
            print(f"{task}: the expert fails", file=sys.stderr)
            return 1
        at = min(int(jnp.argmax(success > 0)) + _AFTER, _STEPS - 1)
        shots = {"start": env.snapshot(state.pipeline_state), "goal": snapshots[at]}
        found[task] = {k: [round(float(x), 5) for x in np.asarray(v)] for k, v in shots.items()}
        print(f"{task}: goal after {at + 1} steps", file=sys.stderr)
    rows = [f'"{task}": {json.dumps(shots)}' for task, shots in sorted(found.items())]
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
