# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.
"""MuJoCo's own renderer on a saved scene, for comparison: `bench.py render` runs this in a process
of its own, because `MUJOCO_GL` is read when mujoco is first imported.

`python scripts/bench_mujoco.py FOLDER` reads `model.mjb` and `asked.npz` there and writes
`answer.npz`: depth, object ids, and frames per second in colour with shadows.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import mujoco
import numpy as np


def main(folder: Path) -> int:
    """Renders what was asked; returns 1 where there is no OpenGL."""
    model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
    asked = np.load(folder / "asked.npz")
    size, timed = int(asked["size"]), int(asked["timed"])
    model.vis.global_.fovy = float(asked["fovy"])
    model.vis.map.znear, model.vis.map.zfar = 0.01, 50.0
    model.stat.extent = 1.0
    data = mujoco.MjData(model)
    fixture = model.body("fixture").id
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    forward = asked["forward"]
    camera.lookat[:], camera.distance = asked["pos"] + forward, 1.0
    camera.azimuth = np.degrees(np.arctan2(forward[1], forward[0]))
    camera.elevation = np.degrees(np.arcsin(forward[2]))
    try:
        renderer = mujoco.Renderer(model, size, size)
        small = mujoco.Renderer(model, timed, timed)
    except (RuntimeError, mujoco.FatalError, ImportError, AttributeError) as error:
        print(f"no OpenGL here: {error}", file=sys.stderr)
        return 1

    def pose(snapshot: np.ndarray) -> None:
        data.qpos[:], model.body_pos[fixture] = np.split(snapshot, [model.nq])
        mujoco.mj_forward(model, data)

    depth, ids = [], []
    for snapshot in asked["snapshots"]:
        pose(snapshot)
        for kept, switch in ((depth, "depth"), (ids, "segmentation")):
            getattr(renderer, f"enable_{switch}_rendering")()
            renderer.update_scene(data, camera)
            kept.append(renderer.render().copy())
            getattr(renderer, f"disable_{switch}_rendering")()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 3.0:
        for snapshot in asked["snapshots"]:
            pose(snapshot)
            small.update_scene(data, camera)
            small.render()
            count += 1
    rate = count / (time.perf_counter() - began)
    np.savez(folder / "answer.npz", depth=depth, ids=np.stack(ids)[..., 0], rate=rate)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="holds model.mjb and asked.npz")
    sys.exit(main(parser.parse_args().folder))
