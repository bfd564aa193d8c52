"""How orbax is called: by itself in each of several processes, quietly, with any path."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


def checkpointer() -> ocp.StandardCheckpointer:
    """Orbax's. Where several processes train one run, each writes its own seeds by itself."""
    if jax.process_count() == 1:
        return ocp.StandardCheckpointer()
    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"part_{own}"
    )
    return ocp.StandardCheckpointer(multiprocessing_options=options)


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
