"""How orbax is called: by itself in each of several processes, quietly, with any path."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint._src.futures import signaling_client


@contextlib.contextmanager
def checkpointer() -> Iterator[ocp.StandardCheckpointer]:
    """Orbax's. Where several processes train one run, each writes its own seeds by itself; orbax
    would have the first process alone write host arrays, and wait for the others, so it is told
    that there is one. Its threads signal each other by names that count checkpoints, at the
    processes' common service: one process would delete what another waits for."""
    real = jax.process_index, jax.process_count, signaling_client.get_signaling_client
    if jax.process_count() > 1:
        jax.process_index, jax.process_count = lambda *_: 0, lambda *_: 1
        signaling_client.get_signaling_client = _own_signals
    try:
        with ocp.StandardCheckpointer() as found:
            yield found
    finally:
        jax.process_index, jax.process_count, signaling_client.get_signaling_client = real


@functools.cache
def _own_signals() -> Any:
    return signaling_client.ThreadSafeKeyValueSignalingClient()


@contextlib.contextmanager
def quiet_orbax() -> Iterator[None]:
    """Keeps orbax's threads from printing the tracebacks of errors that it raises anyway."""
    logger = logging.getLogger("absl")
    level, before = logger.level, sys.unraisablehook

    def show(raised: Any) -> None:
        if "Event loop is closed" not in str(raised.exc_value):  # writes that end after an error
            before(raised)

    logger.setLevel(logging.CRITICAL)
    sys.unraisablehook = show
    try:
        yield
        sys.unraisablehook = before  # after an error it stays: what is under way ends later
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """A path to the same folder without `[ ] * ?` and backslashes, which orbax takes for patterns
    when it lists its own files."""
    if not re.search(r"[\[\]*?\\]", str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "checkpoint"
        link.symlink_to(path, target_is_directory=True)
        yield link
