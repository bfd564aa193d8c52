"""What a run was made with: versions, cores, device and a fingerprint of the code.

XLA sums in another order on another number of cores, so the same seed is another run there; a
resume that will not be bit-exact says so.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import jax

import core_jax
from core_jax import agents, envs, files, reward_models
from core_jax.runs import run_folder

_FILE = "machine.json"
_APART = ("commit",)  # differences in code are told by its hash


def describe() -> dict[str, Any]:
    """This process: versions, cores, device, code."""
    return {
        "core_jax": core_jax.__version__,
        "code": fingerprint(),
        "commit": commit(),
        "jax": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": run_folder.cores(),
        "device": run_folder.device(),
        "prng": _prng(),
    }


def fingerprint() -> str:
    """A hash of the package's source files."""
    digest = hashlib.sha256()
    for package in (core_jax, agents, envs, reward_models):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def check_keys(out: Path) -> None:
    """Raises a ValueError if a run was made with random keys of another kind: its checkpoints hold
    such keys."""
    before, now = _read(out / _FILE).get("prng"), _prng()
    if before is not None and before != now:
        raise ValueError(
            f"{out} was made with JAX_DEFAULT_PRNG_IMPL={before}, and this process has {now}: set "
            "the variable as it was, then continue with --resume"
        )


def record(out: Path) -> list[str]:
    """Writes what a run is made with into its folder.

    Returns:
        What differs from the machine that the run was made with so far, a line each: with any of
        it, a resumed run may not be the uninterrupted run bit for bit.
    """
    path, now = out / _FILE, describe()
    before = _read(path)
    files.write_json(path, now)
    return [
        f"{name} was {before[name]}, is {value}"
        for name, value in now.items()
        if name in before and before[name] != value and name not in _APART
    ]


def commit() -> str | None:
    """The git commit of the source, with `-dirty` if files were changed; None outside of its
    repository."""
    folder = Path(str(core_jax.__file__)).resolve().parent  # a checkout's files may be links
    git = lambda *words: subprocess.run(
        ["git", "--no-optional-locks", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout.strip()
    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # not a repository around an install
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def for_summary(out: Path) -> dict[str, Any]:
    """What a summary says of how its run was made, from what `record` wrote: commit, versions;
    and today's date."""
    made = _read(out / _FILE)
    return {
        "commit": made.get("commit"),
        "versions": {k: made[k] for k in ("core_jax", "jax", "jaxlib", "python") if k in made},
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _prng() -> str:
    return str(jax.random.key_impl(jax.random.key(0)))


def _read(path: Path) -> dict[str, Any]:
    """What is recorded in a file; nothing if it is not there or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
