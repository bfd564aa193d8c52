"""The renderer's speed, and its agreement with MuJoCo's own: `bench.py render [--task T]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from core_jax import envs
from core_jax.envs import rendering
from core_jax.training.devices import rendering_options

_STATES, _SIZE, _BATCH = 50, 128, 64


def bench_render(task: str, gl: str, seconds: Callable[..., float]) -> dict[str, Any]:
    """Frames per second at 64 x 64 in batches, beside `mujoco.Renderer`, and agreement with it.

    Args:
        task: whose scene is rendered.
        gl: MuJoCo's backend: `egl` or `osmesa`.
        seconds: median wall seconds of a call.
    """
    env: Any = envs.make(task, protocol="random")
    snapshots = random_snapshots(env, _STATES)
    found: dict[str, Any] = {"task": task, "primitives": len(env.view(snapshots[0]).kinds)}
    theirs = mujoco_answer(env, snapshots, gl)
    batch = jnp.asarray(np.resize(snapshots, (_BATCH, snapshots.shape[1])))
    for name, samples, shadows in (("full", 2, True), ("fast", 1, False)):

        def draw(x, samples=samples, shadows=shadows):
            return rendering.render(env.view(x), env.spec.camera, 64, 64, samples, shadows)

        many = jax.jit(jax.vmap(draw), compiler_options=rendering_options())
        began = time.perf_counter()
        jax.block_until_ready(many(batch))
        compiled = time.perf_counter() - began
        rate = _BATCH / seconds(lambda f=many: f(batch), 9)
        found |= {f"{name}_per_second": round(rate), f"{name}_compile_seconds": round(compiled, 1)}
        beside = ""
        if theirs:
            ratio = rate / float(theirs["rate"])
            found[f"{name}_ratio"] = round(ratio, 2)
            beside = f"; {ratio:.1f} times mujoco.Renderer ({gl}), {theirs['rate']:,.0f}"
        print(f"{name}: {rate:,.0f} frames/s at 64 x 64, {compiled:.1f} s to compile{beside}")
    if theirs:
        found |= agreement(env, snapshots, theirs)
        print(
            f"object ids agree on {found['ids_agree']:.4f} of pixels (worst picture "
            f"{found['ids_worst']:.4f}); depth within {found['depth_error']:.5f} (median of the "
            f"worst pixels {found['depth_worst']:.4f})"
        )
    return found


def random_snapshots(env: Any, count: int) -> np.ndarray:
    """Snapshots [count, K] of resets whose hand and objects were moved about."""
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), count))
    snapshots = np.array(jax.vmap(env.snapshot)(states.pipeline_state))
    rng = np.random.default_rng(0)
    nq = env.scene.mj_model.nq
    snapshots[:, :3] = rng.uniform([-0.15, 0.5, 0.06], [0.15, 0.8, 0.3], (count, 3))
    snapshots[:, 3:5] = rng.uniform([0.0, -0.03], [0.04, 0.0], (count, 2))
    snapshots[:, 5:nq] += rng.uniform(-0.05, 0.05, (count, nq - 5))
    return snapshots


def mujoco_answer(env: Any, snapshots: np.ndarray, gl: str) -> dict[str, Any] | None:
    """What `mujoco.Renderer` makes of the snapshots; None where it cannot run."""
    camera = env.spec.camera
    right, up = np.array(camera.xyaxes[:3]), np.array(camera.xyaxes[3:])
    forward = -np.cross(right / np.linalg.norm(right), up / np.linalg.norm(up))
    with tempfile.TemporaryDirectory() as folder:
        save: Any = mujoco.mj_saveModel  # pyright: ignore[reportAttributeAccessIssue]
        save(env.scene.looks().mj_model, f"{folder}/model.mjb", None)
        np.savez(f"{folder}/asked.npz", snapshots=snapshots, size=_SIZE, timed=64, pos=camera.pos,
                 forward=forward, fovy=camera.fovy)  # fmt: skip
        script = Path(__file__).with_name("bench_mujoco.py")
        variables = {**os.environ, "MUJOCO_GL": gl, "PYOPENGL_PLATFORM": gl}
        done = subprocess.run([sys.executable, str(script), folder], env=variables,
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            print(f"MuJoCo's renderer did not run: {done.stderr.strip().splitlines()[-1]}")
            return None
        return dict(np.load(f"{folder}/answer.npz"))


def agreement(env: Any, snapshots: np.ndarray, theirs: dict[str, Any]) -> dict[str, float]:
    """How much of the pictures is the same object at the same depth."""
    look = jax.jit(lambda s: rendering.layers(env.view(s), env.spec.camera, _SIZE, _SIZE))
    shares, errors, worst = [], [], []
    for snapshot, ids, depth in zip(snapshots, theirs["ids"], theirs["depth"], strict=True):
        ours = look(snapshot)
        same = np.asarray(ours.ids) == ids
        shares.append(same.mean())
        hit = same & (ids >= 0)
        error = np.abs(np.asarray(ours.depth)[hit] / depth[hit] - 1.0)
        errors.append(np.quantile(error, 0.99))
        worst.append(error.max())
    return {
        "ids_agree": round(float(np.mean(shares)), 4),
        "ids_worst": round(float(np.min(shares)), 4),
        "depth_error": round(float(np.max(errors)), 5),
        "depth_worst": round(float(np.median(worst)), 4),
    }
