"""A run's folder: made once, never overwritten, and read back by other scripts."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import typing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.runs.config import Config

# What a resumed run may be given anew: no result depends on it.
RENEWABLE = (
    "max_cost",
    "chat.timeout",
    "chat.retries",
    "vlm.in_flight",
    "vlm.chat.timeout",
    "vlm.chat.retries",
)


def prepare(out: Path, config: Config, resume: bool) -> None:
    """Makes the folder, or checks that it may be resumed.

    Raises:
        ValueError: it exists (and `resume` is off), or holds a run of another config (more steps
            are none).
    """
    path = out / "config.json"
    given = dataclasses.asdict(config)
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise ValueError(f"{out} exists and is not a run's folder; choose another --out")
        for name in ("rewards", "checkpoints"):
            (out / name).mkdir(parents=True, exist_ok=True)
        write_json(path, given)
        return
    if not resume:
        raise ValueError(
            f"{out} already holds a run: --resume goes on with it, or choose another --out"
        )
    # A setting newer than the run has its default there, which is what the run did.
    before = load_config(out)
    stored = dataclasses.asdict(before)
    # More steps are the same run going on, unless trials, a share of the steps long, chose for it.
    if config.steps > before.steps and not config.trial_lanes:
        stored["steps"] = config.steps
    differing = sorted(_differing(stored, given))
    if differing:
        raise ValueError(f"{out} holds a run of another config: {'; '.join(differing)}")
    write_json(path, given)


def load_config(out: Path) -> Config:
    """The config of a run's folder.

    Raises:
        ValueError: it is no run's folder, or one of a version with other settings.
    """
    path = out / "config.json"
    if not path.exists():
        raise ValueError(f"{out} is no run's folder: it has no config.json")
    stored = json.loads(path.read_text())
    unknown = sorted(_unknown(Config, stored))
    if unknown:
        raise ValueError(
            f"{path} has settings that this version does not know: {', '.join(unknown)}; read it "
            "with the version that wrote it"
        )
    return _build(Config, stored)


def summary(out: Path) -> dict[str, Any] | None:
    """The summary of a finished run, None if it has not finished."""
    path = out / "summary.json"
    return json.loads(path.read_text()) if path.exists() else None


def write_json(path: Path, content: Any) -> None:
    """Writes a file whole or not at all."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(scratch, path)


def seed_keys(config: Config) -> jax.Array:
    """One key per seed [S]: seed i is the same run whichever seeds run beside it."""
    return jax.vmap(jax.random.key)(config.seed + jnp.arange(config.seeds))


def device() -> str:
    """What a run was made on."""
    kind = jax.devices()[0]
    if kind.platform == "cpu":
        return f"cpu, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"
    return f"{jax.device_count()} x {kind.device_kind}"


def _differing(stored: dict, given: dict, prefix: str = "") -> list[str]:
    found = []
    for name in sorted(stored.keys() | given.keys()):
        a, b = stored.get(name), given.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differing(a, b, f"{prefix}{name}.")
        elif a != b and prefix + name not in RENEWABLE:
            found.append(f"{prefix}{name} was {a}, is {b}")
    return found


def _unknown(kind: Any, content: dict[str, Any], prefix: str = "") -> list[str]:
    hints, found = typing.get_type_hints(kind), []
    for name, value in content.items():
        if name not in hints:
            found.append(prefix + name)
        elif dataclasses.is_dataclass(hints[name]):
            found += _unknown(hints[name], value, f"{prefix}{name}.")
    return found


def _build(kind: Any, content: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in content.items():
        if dataclasses.is_dataclass(hints[name]):
            value = _build(hints[name], value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return kind(**values)
