"""Checkpoints of a whole run: state, labels, schedule. Orbax writes the arrays.

A checkpoint is a folder `step_000020000` with orbax's files, `meta.json`, and `MANIFEST` with the
size and hash of every file, written last: a checkpoint without a matching manifest is damaged or
unfinished and is passed over, with a word, for the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

KEEP = 2


def save(folder: Path, env_steps: int, arrays: Any, meta: dict[str, Any]) -> Path:
    """Writes a checkpoint and drops all but the newest `KEEP`.

    Args:
        folder: the run's `checkpoints` folder.
        arrays: a pytree of arrays; typed PRNG keys allowed.
        meta: JSON-able.
    """
    path = folder.absolute() / f"step_{env_steps:09d}"
    scratch = path.with_name(path.name + ".tmp")
    for old in (scratch, path):
        shutil.rmtree(old, ignore_errors=True)
    scratch.mkdir(parents=True)
    with ocp.StandardCheckpointer() as writer:
        # Host arrays: a run may be resumed on another number of devices.
        writer.save(scratch / "arrays", jax.device_get(_unwrap_keys(arrays)))
    (scratch / "meta.json").write_text(json.dumps(meta))
    (scratch / "MANIFEST").write_text(json.dumps(_hashes(scratch)))
    scratch.rename(path)
    for old in _steps(folder)[:-KEEP]:
        shutil.rmtree(old)
    return path


def load_latest(
    folder: Path, like: Any, say: Callable[[str], None]
) -> tuple[int, Any, dict[str, Any]] | None:
    """The newest sound checkpoint: (env_steps, host arrays, meta), or None if there is none.

    Args:
        like: a pytree of arrays (or shape structs) of the shapes to expect.
        say: told of every damaged checkpoint that is passed over.

    Raises:
        ValueError: it was written by a version that kept other arrays.
    """
    for path in reversed(_steps(folder)):
        problem = _problem(path)
        if problem:
            say(f"checkpoint {path.name} is damaged ({problem}); trying the one before")
            continue
        with ocp.StandardCheckpointer() as reader:
            shapes = jax.eval_shape(_unwrap_keys, like)
            target = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
            try:
                arrays = reader.restore(path / "arrays", target)
            except ValueError as error:  # its files are sound, so it is what they hold
                raise ValueError(
                    f"checkpoint {path} holds other arrays than this version of the program keeps; "
                    "read it with the version that wrote it"
                ) from error
        meta = json.loads((path / "meta.json").read_text())
        return int(path.name.split("_")[1]), _wrap_keys(arrays, like), meta
    return None


def _steps(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    found = folder.absolute().glob("step_*")
    return sorted(p for p in found if p.is_dir() and p.suffix != ".tmp")


def _hashes(path: Path) -> dict[str, str]:
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "MANIFEST"
    }


def _problem(path: Path) -> str | None:
    manifest = path / "MANIFEST"
    if not manifest.exists():
        return "no manifest"
    try:
        expected = json.loads(manifest.read_text())
    except json.JSONDecodeError:
        return "unreadable manifest"
    found = _hashes(path)
    for name, digest in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} has changed"
    return None


def _is_key(x: Any) -> bool:
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _unwrap_keys(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, tree)


def _wrap_keys(tree: Any, like: Any) -> Any:
    return jax.tree.map(
        lambda x, shape: jax.random.wrap_key_data(x) if _is_key(shape) else x, tree, like
    )
