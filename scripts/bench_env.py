"""Environment steps per second, for `scripts/bench.py`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from core_jax import envs

Seconds = Callable[[Callable[[], Any], int], float]


def bench_env(task: str, original: Path | None, seconds: Seconds) -> dict[str, Any]:
    """Environment steps per second under random actions, and compile seconds; of SoftGym's tasks
    in every preset.

    Args:
        task: one of `core_jax.envs.names()`.
        original: a Python with metaworld==3.1.1 installed, to compare with.
        seconds: (call, repeats) -> median wall seconds.
    """
    env = envs.make(task, protocol="random")
    found = {"task": task}
    if task in envs.names("softgym"):
        presets = envs.overrides(task).get("preset")
        for preset in presets or ("",):
            env = envs.make(task, protocol="random", **({"preset": preset} if presets else {}))
            # A step of fold-cloth is a whole move, some 90 frames.
            rows = env_rates(env, 16, 2 if presets else 8, 1, None, seconds)
            found |= {f"{preset}_{k}" if preset else k: v for k, v in rows.items()}
    else:
        for batch in (1, 32, 128):
            theirs = original if batch == 128 else None
            found |= env_rates(env, batch, 64 if batch > 1 else 256, 3, theirs, seconds)
    return found


def env_rates(
    env: envs.TaskEnv,
    batch: int,
    length: int,
    repeats: int,
    original: Path | None,
    seconds: Seconds,
) -> dict[str, Any]:
    """Steps per second of some worlds at once, the median of three times some repeats."""
    traces = []

    @jax.jit
    def play(state, key):
        traces.append(batch)

        def body(state, key):
            action = jax.random.uniform(key, (batch, env.action_size), minval=-1.0)
            return jax.vmap(env.step)(state, action), None

        return jax.lax.scan(body, state, jax.random.split(key, length))[0]

    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), batch))
    began = time.perf_counter()
    state = jax.block_until_ready(play(state, jax.random.key(1)))
    first = time.perf_counter() - began
    rates, theirs, cpu = [], [], 0.0
    for _ in range(3):
        began = time.process_time()
        rates.append(batch * length / seconds(lambda: play(state, jax.random.key(2)), repeats))
        cpu += time.process_time() - began
        if original:
            theirs.append(original_rate(original, env.spec.name))
    rate = float(np.median(rates))
    found = {
        f"steps_per_second_{batch}": round(rate) if rate >= 100 else round(rate, 1),
        # Of all cores together, and without what other programs take of them.
        f"steps_per_cpu_second_{batch}": float(f"{3 * repeats * batch * length / cpu:.4g}"),
        f"compile_seconds_{batch}": round(first, 1),
        f"traces_{batch}": len(traces),
    }
    print(f"batch {batch:>4}: {rate:>9,.1f} steps/s, {first:.1f} s to compile", flush=True)
    if theirs:
        ratio = float(np.median(rates) / np.median(theirs))
        found |= {"original": round(float(np.median(theirs))), "ratio": round(ratio, 2)}
        print(f"Meta-World, one process: {np.median(theirs):,.0f} steps/s; ratio {ratio:.2f}")
    return found


def original_rate(python: Path, task: str) -> float:
    """Steps per second of the original Meta-World, run by a Python that has it installed."""
    script = Path(__file__).parent / "tools" / "record_metaworld.py"
    if not script.exists():
        raise FileNotFoundError(f"--original needs a checkout of the repository: no {script}")
    command = [str(python), str(script), "--task", task, "--rate"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])
