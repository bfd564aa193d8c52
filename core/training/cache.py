"""JAX's persistent compilation cache, on by default: a second start compiles nothing."""

from __future__ import annotations

import os
from pathlib import Path

import jax


def enable() -> None:
    """Keeps compiled programs in the user's cache folder, unless JAX was told of another."""
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no HOME, and a user without a name, as in containers
        return
    jax.config.update("jax_compilation_cache_dir", str(base / "core-jax" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
