"""A run's folder: made once, never overwritten, and read back by other scripts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from core_jax import files
from core_jax.runs import lock
from core_jax.runs.config import Config
from core_jax.runs.layout import from_dict, to_dict
from core_jax.runs.lock import FolderLock

# What a resumed run may be given anew: no result depends on it.
RENEWABLE = (
    "max_cost",
    "checkpoint_every",
    "final_episodes",
    "stop_at",
    "render_batch",
    "vlm.in_flight",
    *(f"{chat}.{name}" for chat in ("chat", "vlm.chat")
      for name in ("base_url", "send_key", "timeout", "retries", "prices")),
)  # fmt: skip
_AS_TRAINED = ".config.json"  # a copy of config.json, which tells whether that was edited
# Settings of the version before, by where they are now; groups that this run has no use for, and
# settings that became part of another, are left out when such a config is read.
_RENAMED = {"pixels.relabel": "pixels.rescore_every"}
_FORMER_GROUPS = (
    "sac", "formal", "eureka", "residual", "pixels", "feedback", "scripted", "chat", "vlm",
    "frm", "rrm", "importance", "residual_input",
)  # fmt: skip
_FORMER = ("pixels.clip_frames", "pixels.batches", "pixels.learning_rate")


def prepare(out: Path, config: Config, resume: bool) -> None:
    """Makes the folder, or checks that it may be resumed.

    A folder in which a run was killed before its config was written can be started anew.

    Raises:
        ValueError: it exists (and `resume` is off), there is nothing to resume, or it holds a run
            of another config (more steps are allowed).
    """
    path = out / "config.json"
    if resume:
        if not path.exists():
            raise ValueError(
                f"{out} has no run to resume: it has no config.json; leave --resume out to start"
            )
        check_same(out, config)
    elif not _unused(out):
        if path.exists():
            raise ValueError(f"{out} already holds a run: --resume it, or choose another --out")
        raise ValueError(f"{out} exists and is not a run's folder; choose another --out")
    for name in ("rewards", "checkpoints"):
        (out / name).mkdir(parents=True, exist_ok=True)
    files.write_json(path, to_dict(config))
    files.write_json(out / _AS_TRAINED, to_dict(config))


@contextlib.contextmanager
def opened(out: Path, config: Config, resume: bool) -> Iterator[None]:
    """Prepares the folder and keeps other processes from training in it meanwhile.

    Raises:
        ValueError: as `prepare`, or another process trains in it, or it cannot be made.
    """
    try:
        if not ((out / "config.json").exists() if resume else _unused(out)):
            prepare(out, config, resume)  # raises, before anything is written
        out.mkdir(parents=True, exist_ok=True)
        held = FolderLock(out)
    except OSError as error:
        raise ValueError(f"--out {out} cannot be used: {error.strerror}") from error
    with held:
        prepare(out, config, resume)
        yield


def check_same(out: Path, config: Config) -> None:
    """Checks that a folder's run and a config are the same run.

    Raises:
        ValueError: they differ in something that a result depends on; more steps are allowed.
    """
    _check_against(load_config(out), config, f"{out} holds a run of another config")
    if (out / _AS_TRAINED).exists():
        edited = f"{out}/config.json was edited, and the run in it was trained with another config"
        _check_against(load_config(out, _AS_TRAINED), config, edited)


def _check_against(before: Config, config: Config, message: str) -> None:
    stored = to_dict(before)
    # More steps continue the same run, unless trials, a share of the steps long, chose for it.
    trials = config.recipe.parallel_seeds(config.settings, config.training) > config.training.seeds
    if config.training.steps > before.training.steps and not trials:
        stored["steps"] = config.training.steps
    differing = sorted(_differing(stored, to_dict(config)))
    if differing:
        raise ValueError(f"{message}: {'; '.join(differing)}")


def load_config(out: Path, name: str = "config.json") -> Config:
    """The config of a run's folder, or a copy of it by another name.

    Raises:
        ValueError: it is no run's folder, or one of a version with other settings.
    """
    path = out / name
    if not path.exists():
        raise ValueError(f"{out} is not a run's folder: it has no config.json")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("it holds no JSON object")
        return from_dict(current_version(stored))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def current_version(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values under their present names; the version before kept every group, also those
    that its run had no use for."""
    values = {k: dict(v) if isinstance(v, Mapping) else v for k, v in stored.items()}
    if values.get("method", "core") == "core" and isinstance(values.get("formal"), dict):
        values["formal"].setdefault("accept", "better")  # whatever a task's preset is today
    if "learner" in values:
        return values
    pixels = values.get("residual_input") == "pixels"
    for name in _FORMER:
        group, field = name.split(".")
        if field in values.get(group, {}):
            former = values[group].pop(field)
            if pixels:
                values.setdefault("residual", {})[field] = former
    if pixels:
        values.setdefault("residual", {})["shared_batches"] = True
    for old, new in _RENAMED.items():
        group, field = old.split(".")
        if field in values.get(group, {}):
            values[group][new.split(".")[1]] = values[group].pop(field)
    if "eureka" in values and "formal" in values:
        values["eureka"].setdefault("attempts", values["formal"].get("attempts", 3))
    if values.get("method") == "text2reward":
        values["formal"] = {"attempts": values.get("formal", {}).get("attempts", 3)}
    known = set(to_dict(from_dict(_run_values(values))))
    return {k: v for k, v in values.items() if k in known or k not in _FORMER_GROUPS}


@contextlib.contextmanager
def kept_once_begun(out: Path, resume: bool) -> Iterator[None]:
    """Removes the folder of a new run that fails before its first row of metrics, so that the same
    command can be given again; one in which a hosted model was paid for is kept."""
    try:
        yield
    except OSError:  # such as a full disk: the run is to be resumed
        raise
    except Exception:
        rows = out / "metrics.jsonl"
        begun = resume or rows.exists() and rows.stat().st_size > 0
        if not begun and not (out / "replies.sqlite").exists():
            shutil.rmtree(out, ignore_errors=True)
        raise


def summary(out: Path) -> dict[str, Any] | None:
    """The summary of a finished run, None if it has not finished.

    Raises:
        ValueError: it cannot be read.
    """
    path = out / "summary.json"
    if not path.exists():
        return None
    advice = "delete it, then continue with --resume"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}; {advice}") from error
    if not isinstance(found, dict) or not isinstance(found.get("env_steps"), int):
        raise ValueError(f"{path} is no summary of a run; {advice}")
    return found


def is_complete(summary: Mapping[str, Any], config: Config) -> bool:
    """Whether a finished run needs no more training to be a run of this config."""
    stopped = summary.get("stopped_at")
    if stopped is not None and config.stop_at is not None and stopped >= config.stop_at:
        return True
    return summary["env_steps"] >= config.training.steps


def device() -> str:
    """What a run was made on."""
    kind = jax.devices()[0]
    if kind.platform == "cpu":
        return f"cpu, {cores()} cores, {platform.machine()}"
    return f"{jax.device_count()} x {kind.device_kind}"


def cores() -> int:
    """Processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have none
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _unused(out: Path) -> bool:
    """Whether nothing is there, or no more than a run that was killed before its config was
    written."""
    if not out.exists():
        return True
    if not out.is_dir():
        return False
    for path in out.iterdir():
        if path.name in ("rewards", "checkpoints") and path.is_dir():
            if any(path.iterdir()):
                return False
        elif path.name == "config.json":
            if path.is_dir() or path.read_bytes().strip():
                return False
        elif path.name not in (lock.NAME, "config.json.tmp"):
            return False
    return True


def _run_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What decides which groups a config has."""
    names = ("task", "method", "protocol", "teacher", "model", "frm", "rrm", "residual_input")
    method = values.get("method")
    own = {"frm", "rrm", "residual_input"} if method != "core" else set()
    return {k: values[k] for k in names if k in values and k not in own}


def _differing(stored: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name in sorted(stored.keys() | given.keys()):
        a, b = stored.get(name), given.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differing(a, b, f"{prefix}{name}.")
        elif a != b and prefix + name not in RENEWABLE:
            found.append(f"{prefix}{name} was {a}, is {b}")
    return found
