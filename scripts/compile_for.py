"""Compiles a run's programs for accelerators that are not here, and says what they will take:
`python scripts/compile_for.py --task drawer-open --seeds 64 --on h200 v5e`.

Needs `pip install 'core-jax[aot]'`, and no device. Kernels, loops and bytes are the compiler's;
steps/s are a prediction from them. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

if __name__ == "__main__":  # before JAX, which would look for devices
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402

from core_jax.accelerators import measure, prediction, targets  # noqa: E402
from core_jax.accelerators.measure import Call, Compiled  # noqa: E402
from core_jax.accelerators.targets import Target  # noqa: E402
from core_jax.runs import flags, setup  # noqa: E402
from core_jax.runs.checks import check  # noqa: E402
from core_jax.runs.config import Config  # noqa: E402

Device = Literal["a100", "h100", "h200", "v5e", "v5p", "v6e"]
Function = Literal["collect", "insert", "learn", "evaluate", "rescore", "fit"]


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: compile a run for GPUs and TPUs without having them.

    Prints seconds of compilation, kernels, loops without a static trip count, callbacks of the host
    and bytes on the device for each function, and a prediction of environment steps per second.
    """

    on: tuple[Device, ...] = ("h200", "v5e")
    """Devices to compile for."""
    functions: tuple[Function, ...] = (
        "collect", "insert", "learn", "evaluate", "rescore", "fit",
    )  # fmt: skip
    """Functions to compile; without all of them the most memory may be missed. Reward programs and
    trials of candidates are not among them."""


def main() -> int:
    """Runs the command; returns 2 for a bad flag or a missing compiler."""
    try:
        config, own = flags.parse(Flags)
        config = without_models(check(config))
        found = {}
        for name in own.on:
            found[name] = compile_config(config, targets.TARGETS[name], own.functions)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    about = {"task": config.task, "method": config.method, "seeds": config.training.seeds}
    print(json.dumps({**about, "envs": config.training.envs, "devices": found}))
    return 0


def without_models(config: Config) -> Config:
    """The config with recorded and scripted answers: who is asked does not change the programs."""
    if config.teacher == "scripted" and config.model == "replay":
        return config
    return dataclasses.replace(config, teacher="scripted", teacher_settings=None, model="replay")


def compile_config(config: Config, target: Target, only: Sequence[str]) -> dict[str, Any]:
    """Compiles a config's functions for a device and prints a table of them.

    Args:
        config: checked.
        target: the device.
        only: first words of the names of the functions to compile.

    Returns:
        What was printed, as JSON.

    Raises:
        ValueError: the device's compiler is not installed.
    """
    targets.sharding(target)  # a missing compiler is found before anything is traced
    with tempfile.TemporaryDirectory() as folder, targets.traced_for(target):
        parts = setup.make_parts(config, Path(folder), lambda text: None)
        try:
            calls = _chosen(parts, only)
            on_policy = parts.train.plan.learner.on_policy
            training = parts.train.plan.config
        finally:
            parts.close()
    print(f"{target.name}: {len(calls)} functions, jax {jax.__version__}", flush=True)
    compiled = []
    for name, call in calls.items():
        [one] = measure.compile_all({name: call}, target)
        compiled.append(one)
        print(f"  {line(one)}", flush=True)
    predicted = prediction.predict(compiled, target, training, on_policy)
    for text in described(predicted, target):
        print(f"  {text}")
    return {**dataclasses.asdict(predicted), "functions": [as_json(one) for one in compiled]}


def line(one: Compiled) -> str:
    """One function as one line."""
    if one.counts is None:
        return f"{one.name:<18} {one.cpu_seconds:6.1f} CPU s  does not compile: {one.problem}"
    counts, loops = one.counts, "".join(f"; loop of {x.kernels}" for x in one.counts.loops)
    return (
        f"{one.name:<18} {one.cpu_seconds:6.1f} CPU s  {counts.kernels:6,} kernels{loops}; "
        f"{counts.callbacks} callbacks; arguments {size(one.arguments)}, "
        f"rest of the state {size(one.held)}, temporaries {size(one.temporaries)}, "
        f"outputs {size(one.outputs)}"
    )


def described(found: prediction.Prediction, target: Target) -> list[str]:
    """The prediction as lines."""
    lines = []
    if found.kernels_per_step is not None:
        lines.append(f"kernels per vector step: {found.kernels_per_step:.0f}")
    if found.kernels_per_update is not None:
        lines.append(f"kernels per update: {found.kernels_per_update:.0f}")
    lines.append(f"loops without a static trip count: {found.loops} (counted once)")
    room = f"{size(target.usable * target.memory)} of {size(target.memory)}"
    verdict = "fits" if found.fits else "DOES NOT FIT"
    lines.append(f"peak memory: {size(found.peak)}; programs get {room}: {verdict}")
    if found.steps_per_second is not None:
        lines.append(
            f"predicted, not measured: at most {found.steps_per_second:,.0f} environment steps/s "
            f"of all seeds together, bound by {found.bound} "
            f"({target.launch * 1e6:g} us a kernel are assumed)"
        )
    return lines


def as_json(one: Compiled) -> dict[str, Any]:
    """One function for the last line."""
    found = {"name": one.name, "problem": one.problem}
    found |= {name: round(getattr(one, name), 1) for name in ("seconds", "cpu_seconds")}
    sizes = {name: getattr(one, name) for name in ("arguments", "temporaries", "outputs")}
    if one.counts is None:
        return found
    loops = [dataclasses.asdict(loop) for loop in one.counts.loops]
    counted = {"kernels": one.counts.kernels, "callbacks": one.counts.callbacks, "loops": loops}
    return {**found, **counted, **sizes, "traffic": one.counts.traffic, "flops": one.flops}


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _chosen(parts: setup.Parts, only: Sequence[str]) -> dict[str, Call]:
    calls = measure.functions(parts.train)
    if "fit" in only and (fit := parts.method.fit_call()) is not None:
        seeds = calls["collect"][1][0]
        calls["fit"] = (fit[0], (seeds, *fit[1]))
    return {name: call for name, call in calls.items() if name.partition("_")[0] in only}


if __name__ == "__main__":
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    sys.exit(main())
