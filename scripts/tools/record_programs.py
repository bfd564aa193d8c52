"""Record what OpenCV makes of the image programs in `tests/data/programs`.

    python scripts/tools/record_programs.py frames     # frames.npz: the episodes
    python scripts/tools/record_programs.py values     # values.json: each program on its episodes

A program's first line names its episodes: `# frames: grid`. Frames of `drawer` are drawn by the
project's renderer from the drawer expert's and from random actions. Needs OpenCV.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from program_fuzz.pictures import LENGTH, SETS, SIZE
from program_fuzz.reference import rewards

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "data" / "programs"
EPISODES = 2  # of each kind, good and not


def drawer(seed: int, good: bool) -> np.ndarray:
    """[T, 64, 64, 3] the drawer-open task, rendered."""
    import jax

    from core_jax import envs
    from core_jax.envs import rendering

    env = envs.make("drawer-open", protocol="random")
    act = envs.expert("drawer-open")
    step = jax.jit(env.step)
    draw = jax.jit(lambda x: rendering.render(env.view(x), env.spec.camera, SIZE, SIZE, 2, True))
    state = jax.jit(env.reset)(jax.random.key(seed))
    rng, frames = np.random.default_rng(seed), []
    for t in range(LENGTH * 8):
        if t % 8 == 0:
            frames.append(np.asarray(draw(env.snapshot(state.pipeline_state))))
        action = act(state.obs) if good else rng.uniform(-1, 1, env.action_size)
        state = step(state, np.asarray(action, np.float32))
    return np.stack(frames)


def record_frames() -> None:
    """Write frames.npz: [episodes, T, 64, 64, 3] for each kind, the good ones first."""
    found = {}
    for name, make in {**SETS, "drawer": drawer}.items():
        found[name] = np.stack(
            [make(seed, good) for good in (True, False) for seed in range(EPISODES)]
        )
    np.savez_compressed(FOLDER / "frames.npz", **found)


def record_values() -> None:
    """Write values.json: for each program the rewards of each of its episodes, null for NaN."""
    frames = np.load(FOLDER / "frames.npz")
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        source = path.read_text()
        name = source.splitlines()[0].removeprefix("# frames: ").strip()
        rows = [rewards(source, episode) for episode in frames[name]]
        found[path.stem] = [[None if math.isnan(x) else x for x in row] for row in rows]
    (FOLDER / "values.json").write_text(json.dumps(found, indent=0) + "\n")
    print(f"{len(found)} programs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("frames", "values"))
    {"frames": record_frames, "values": record_values}[parser.parse_args().what]()
