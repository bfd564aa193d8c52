"""One process at a time trains in a run's folder."""

from __future__ import annotations

import datetime
import json
import os
import socket
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"


class FolderLock:
    """An exclusive lock on a run's folder, released by `close` or when the process ends.

    The lock is the operating system's (`flock`), so a killed process leaves none behind; the file
    says who holds it. Where the system has no `flock` (Windows), nothing is locked.
    """

    def __init__(self, folder: Path):
        """Takes the lock.

        Raises:
            ValueError: another process holds it; the message names it.
            OSError: the file cannot be made.
        """
        self._file: IO[str] | None = (folder / NAME).open("a+", encoding="utf-8")
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = _holder(self._file)
                self._file.close()
                raise ValueError(f"{folder} is in use by {holder}") from error
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._write({"process": os.getpid(), "host": socket.gethostname(), "since": now})

    def close(self) -> None:
        """Releases the lock."""
        if self._file is not None:
            self._write(None)
            self._file.close()
            self._file = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _write(self, content: Any) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        if content is not None:
            self._file.write(json.dumps(content) + "\n")
        self._file.flush()


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        found = json.loads(file.read(1_000))
        return f"process {found['process']} on host {found['host']} since {found['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
