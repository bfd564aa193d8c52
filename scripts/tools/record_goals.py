"""Records what each Meta-World task looks like when it starts and when it is done, for `TaskSpec`:
`python scripts/tools/record_goals.py`; then `python scripts/tools/record_goals.py --sheet FILE`
draws them, and with `--suite softgym` SoftGym's three tasks, with the expert at work between start
and goal. The last line of stdout is one JSON object.

The start is protocol `paper`'s; the goal is where the scripted expert has got to a few steps after
its first success. Snapshots, not pictures, are kept: some dozen numbers each.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.envs import rendering
from core_jax.envs.metaworld.experts import expert
from core_jax.envs.softgym import flatten_rope, fold_cloth, pass_water
from core_jax.envs.softgym.base import SoftGymEnv
from core_jax.envs.softgym.particles import Body
from core_jax.training.devices import rendering_options
from core_jax.visual.figures import new_figure
from core_jax.visual.frames import FrameRenderer

PATH = Path(envs.__file__).parent / "metaworld" / "goals.json"
_STEPS, _AFTER = 120, 5
_SIZE = 300  # pixels, height of a picture
_CARRIED = 48  # frames of the expert's move of the cloth, about half


def main(sheet: Path | None = None, suite: Literal["metaworld", "softgym"] = "metaworld") -> int:
    """Writes the snapshots, or draws those that are there.

    Args:
        sheet: a PNG to write: every task of a suite, its start above its goal.
        suite: whose tasks are drawn.
    """
    if sheet is None:
        return record()
    if suite == "softgym":
        return draw_softgym(sheet)
    names = envs.names("metaworld")
    columns = []
    for task in names:
        env = envs.make(task)
        ends = np.array([env.spec.start, env.spec.goal], np.float32)
        columns.append(FrameRenderer(env, _SIZE, batch=2).render(ends))
    return draw(names, columns, sheet)


def draw(names: Sequence[str], columns: list[np.ndarray], sheet: Path) -> int:
    """Writes a contact sheet: columns [N, H, W, 3] of one height under their names."""
    widths = [column.shape[2] / _SIZE for column in columns]
    rows = len(columns[0])
    figure = new_figure(figsize=(2.2 * sum(widths), 2.2 * rows + 0.3))
    axes = figure.subplots(rows, len(names), width_ratios=widths, squeeze=False)
    for column, task, shots in zip(axes.T, names, columns, strict=True):
        for axis, shot in zip(column, shots, strict=True):
            axis.imshow(shot)
            axis.set_axis_off()
        column[0].set_title(task, fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(sheet, dpi=110)
    print(json.dumps({"sheet": str(sheet), "tasks": list(names)}))
    return 0


def draw_softgym(sheet: Path) -> int:
    """Writes the contact sheet of SoftGym's tasks: start, the expert at work, goal."""
    cloth, rope, water = (envs.make(t) for t in ("fold-cloth", "flatten-rope", "pass-water"))
    key = jax.random.key(0)
    x = jnp.asarray(rope.spec.start).reshape(-1, 3).T
    shown = rope.place(key).replace(body=Body(x, jnp.zeros_like(x)))
    middles = (
        half_folded(cloth),
        played(rope, flatten_rope.expert, shown, 3),
        played(water, pass_water.expert, water.place(key), 12),
    )
    columns = []
    for env, middle, wide in zip((cloth, rope, water), middles, (1.0, 1.0, 1.8), strict=True):
        # As wide a picture as the task's, cut off above and below where that shows only the table.
        tangent = np.tan(np.radians(env.spec.camera.fovy) / 2) / wide
        camera = dataclasses.replace(
            env.spec.camera, fovy=float(np.degrees(2 * np.arctan(tangent)))
        )
        draw_one = jax.jit(
            lambda s, env=env, camera=camera, wide=wide: rendering.render(
                env.view(s), camera, _SIZE, int(wide * _SIZE)
            ),
            compiler_options=rendering_options(),
        )
        shots = [np.asarray(x, np.float32) for x in (env.spec.start, middle, env.spec.goal)]
        columns.append(np.stack([np.asarray(draw_one(s)) for s in shots]))
    return draw([env.spec.name for env in (cloth, rope, water)], columns, sheet)


def half_folded(env: fold_cloth.FoldCloth) -> jax.Array:
    """Snapshot in the middle of the expert's one move."""
    start = env.place(jax.random.key(0))
    corner, action = start.body.x[:, 0, 0], jnp.full(2, fold_cloth.OPPOSITE)

    @jax.jit
    def play(body):
        def frame(t, body):
            return env.cloth.advance(body, fold_cloth.carry_to(corner, action, t + 1.0))

        return jax.lax.fori_loop(0, _CARRIED, frame, body)

    return env.snapshot(start.replace(body=play(start.body)))


def played(env: SoftGymEnv, act: Callable, physics: Any, steps: int) -> jax.Array:
    """Snapshot after some steps of an expert."""

    @jax.jit
    def play(physics):
        step = lambda _, p: env.advance(p, act(env.observe(p)))
        return jax.lax.fori_loop(0, steps, step, physics)

    return env.snapshot(play(physics))


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
    print(json.dumps({"goals": sorted(found)}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
