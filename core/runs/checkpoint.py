"""Checkpoints of a whole run: state, labels, schedule. Orbax writes the arrays.

A checkpoint is a folder `step_000020000` with orbax's files, `meta.json`, and `MANIFEST` with the
hash of every file, written last. A folder without a matching manifest is damaged or unfinished: it
is skipped with a note, and the newest sound one is used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from core_jax.runs import orbax_calls

KEEP = 2
_TRIES = 3  # to write a checkpoint that orbax says has taken too long
_FOLDER = re.compile(r"step_(\d{9,})")
_UNFINISHED = re.compile(r"step_\d{9,}\.[0-9a-f]{8}\.tmp")


class SaveError(OSError):
    """A checkpoint that cannot be written, with the system's reason."""

    def __init__(self, path: Path, error: Exception):
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        for known in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
            if os.strerror(known) in str(error):
                reason = os.strerror(known)
        lines = reason.strip().splitlines() or [type(error).__name__]
        super().__init__(f"checkpoint {path} cannot be saved: {lines[0][:300]}")


def save(folder: Path, env_steps: int, arrays: Any, meta: dict[str, Any]) -> Path:
    """Writes a checkpoint and deletes all but the newest `KEEP` sound ones.

    Damaged ones that are newer than those are deleted, too, and so are what a killed run left
    unfinished.

    Args:
        folder: the run's `checkpoints` folder.
        env_steps: environment steps so far.
        arrays: a pytree of arrays; typed PRNG keys allowed.
        meta: JSON-able.

    Raises:
        SaveError: it cannot be written; the ones before are still there.
    """
    path = folder.absolute() / f"step_{env_steps:09d}"
    # Host arrays: a run may be resumed on another number of devices.
    on_host = jax.device_get(_unwrap_keys(arrays))
    try:
        with orbax_calls.quiet_orbax():
            scratch = _write(path, on_host, meta)
        _remove(path)
        scratch.rename(path)
    except Exception as error:  # orbax and tensorstore have many kinds for a disk's troubles
        _delete_unfinished(folder)
        raise SaveError(path, error) from error
    _delete_unfinished(folder)
    _delete_old(folder, path)
    return path


def load_latest(
    folder: Path,
    like: Any,
    note: Callable[[str], None],
    fit: Callable[[Any, Any], Any] | None = None,
) -> tuple[int, Any, dict[str, Any]] | None:
    """The newest sound checkpoint: (env_steps, host arrays, meta), or None if there is none.

    Args:
        folder: the run's `checkpoints` folder.
        like: a pytree of arrays (or shape structs) of the shapes to expect.
        note: called with a line for every damaged checkpoint that is skipped.
        fit: `(arrays, like) -> arrays` of the expected shapes, where some may differ.

    Raises:
        ValueError: it was written by a version that kept other arrays.
    """
    for path in reversed(_steps(folder)):
        problem = _problem(path)
        if problem:
            note(f"checkpoint {path.name} is damaged ({problem}); trying the one before")
            continue
        with orbax_calls.plain_path(path) as plain, orbax_calls.checkpointer() as reader:
            shapes = jax.eval_shape(_unwrap_keys, like)
            target = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
            try:
                arrays = _restored(reader, plain / "arrays", target)
                arrays = arrays if fit is None else fit(arrays, shapes)
                _check_shapes(arrays, shapes)
            except (ValueError, KeyError, TypeError) as error:
                # Its files are sound, so it is what they hold.
                raise ValueError(
                    f"checkpoint {path} holds other arrays than this version of the program keeps; "
                    "read it with the version that wrote it"
                ) from error
        meta = json.loads((path / "meta.json").read_text())
        return _env_steps(path), _wrap_keys(arrays, like), meta
    return None


def _write(path: Path, arrays: Any, meta: dict[str, Any]) -> Path:
    """Writes all files of a checkpoint to a folder beside `path`, which it returns. Every try has a
    folder of its own: orbax's threads may still write to the last one's after an error."""
    tries = _TRIES
    while True:
        scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        scratch.mkdir(parents=True)
        try:
            with orbax_calls.plain_path(scratch) as plain, orbax_calls.checkpointer() as writer:
                writer.save(plain / "arrays", arrays)
            break
        except TimeoutError:  # by the wall clock, which may have been set anew meanwhile
            tries -= 1
            if not tries:
                raise
    (scratch / "meta.json").write_text(json.dumps(meta))
    (scratch / "MANIFEST").write_text(json.dumps(_hashes(scratch)))
    return scratch


def _restored(reader: ocp.StandardCheckpointer, path: Path, like: Any) -> Any:
    """A checkpoint's arrays in the structure of `like`. Parts without arrays may have been added
    since it was written (a setting that this run does not use), which orbax refuses: the arrays are
    then found by their names.

    Raises:
        ValueError, KeyError, TypeError: there are other arrays in it.
    """
    try:
        return reader.restore(path, like)
    except (ValueError, KeyError, TypeError):
        stored = {_name(place): x for place, x in jax.tree.leaves_with_path(reader.restore(path))}
        wanted = [_name(place) for place, _ in jax.tree.leaves_with_path(like)]
        if set(wanted) != set(stored):
            raise
        return jax.tree.structure(like).unflatten([stored[name] for name in wanted])


def _name(place: tuple[Any, ...]) -> str:
    """A leaf's path, whichever types its containers have."""
    keys = ("name", "key", "idx")
    return "/".join(str(next(getattr(k, a) for a in keys if hasattr(k, a))) for k in place)


def _check_shapes(arrays: Any, like: Any) -> None:
    """Raises a ValueError at a leaf of another shape: orbax restores the shape that was saved."""
    for (place, x), y in zip(jax.tree.leaves_with_path(arrays), jax.tree.leaves(like), strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            name = jax.tree_util.keystr(place)
            raise ValueError(f"{name} is {x.dtype}{x.shape}, should be {y.dtype}{y.shape}")


def _delete_old(folder: Path, newest: Path) -> None:
    """Deletes what is not needed to resume: all but the newest sound checkpoints up to `newest`."""
    sound = 0
    for path in reversed(_steps(folder)):
        if _env_steps(path) > _env_steps(newest):
            _remove(path)  # damaged, or of a run that was resumed from an earlier one
            continue
        if sound >= KEEP:
            _remove(path)
        elif path == newest or _problem(path) is None:
            sound += 1


def _delete_unfinished(folder: Path) -> None:
    if not folder.is_dir():
        return
    for path in folder.absolute().iterdir():
        if _UNFINISHED.fullmatch(path.name):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _steps(folder: Path) -> list[Path]:
    """Folders named as checkpoints are, by environment steps; anything else is not looked at."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.absolute().iterdir() if _FOLDER.fullmatch(p.name) and p.is_dir()]
    return sorted(found, key=_env_steps)


def _env_steps(path: Path) -> int:
    return int(path.name.removeprefix("step_"))


def _hashes(path: Path) -> dict[str, str]:
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.relative_to(path) != Path("MANIFEST")
    }


def _problem(path: Path) -> str | None:
    """Why a checkpoint cannot be used; None if it is sound."""
    manifest = path / "MANIFEST"
    if not manifest.exists():
        return "it has no manifest"
    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return f"its manifest cannot be read: {type(error).__name__}"
    if not isinstance(expected, dict) or not expected:
        return "its manifest lists no files"
    try:
        found = _hashes(path)
    except OSError as error:
        return f"a file cannot be read: {error.strerror}"
    for name, digest in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} has changed"
    if "meta.json" not in expected or not any(name.startswith("arrays/") for name in expected):
        return "its manifest lacks the arrays or meta.json"
    return None


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _unwrap_keys(tree: Any) -> Any:
    """Arrays that orbax can save: keys as numbers, and one zero for an array without elements."""

    def leaf(x: Any) -> Any:
        if _is_key(x):
            return jax.random.key_data(x)
        return x if x.size else jnp.zeros(1, x.dtype)

    return jax.tree.map(leaf, tree)


def _wrap_keys(tree: Any, like: Any) -> Any:
    """The inverse of `_unwrap_keys`."""

    def leaf(x: Any, shape: Any) -> Any:
        if _is_key(shape):
            return jax.random.wrap_key_data(x)
        return x if shape.size else np.zeros(shape.shape, shape.dtype)

    return jax.tree.map(leaf, tree, like)
