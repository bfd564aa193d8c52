"""Reading a label file without changing its folder, whether or not a run writes to it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from core_jax.feedback.labels import schema

_ATTEMPTS = 5  # at a copy that no checkpoint of the writer's log interrupts


def open_snapshot(path: Path) -> sqlite3.Connection:
    """A connection to what a label file holds now; a file of an older version is migrated in
    memory. Nothing is written beside the file, and writes through the connection are errors.

    Raises:
        sqlite3.DatabaseError: it is missing, damaged, or rewritten faster than it can be copied.
        MigrationError: as `schema.create_or_migrate`.
    """
    if not path.is_file():
        raise sqlite3.OperationalError("there is no such file")
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        connection = _in_memory(path, log)
    else:
        # Without a log, SQLite would create one to read: `immutable` tells it that nobody writes.
        connection = _connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            [version] = connection.execute("PRAGMA user_version").fetchone()
            if version != schema.VERSION:
                connection = _copied(connection)
        except BaseException:
            connection.close()
            raise
    try:
        schema.create_or_migrate(connection)
        connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _in_memory(path: Path, log: Path) -> sqlite3.Connection:
    """A copy in memory of a file and of its write-ahead log."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(_ATTEMPTS):
            before = _state(path)
            copy = Path(shutil.copy(path, Path(folder) / path.name))
            if log.exists():  # the writer may have ended meanwhile
                shutil.copy(log, copy.with_name(log.name))
            if _state(path) == before:
                return _copied(_connect(str(copy)))
            time.sleep(0.1)
            for one in Path(folder).iterdir():
                one.unlink()
    raise sqlite3.OperationalError("it changed while it was read; try again")


def _copied(source: sqlite3.Connection) -> sqlite3.Connection:
    """A connection to a copy in memory; the source is closed."""
    target = _connect(":memory:")
    try:
        source.backup(target)
    except BaseException:
        target.close()
        raise
    finally:
        source.close()
    return target


def _connect(name: str, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, isolation_level=None, check_same_thread=False, uri=uri)


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
