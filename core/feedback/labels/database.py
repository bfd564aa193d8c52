"""One label file as a database: transactions for all threads of a process, and named errors."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from core_jax.feedback.labels import schema
from core_jax.feedback.labels.snapshot import open_snapshot

LOCK_TIMEOUT = 60.0  # seconds to wait for another process's transaction


class LabelFileError(ValueError):
    """A label file that cannot be opened, read or written, with the reason and what to do."""


class Database:
    """A connection to a label file; creates the file if there is none and migrates older ones.

    Read-only, nothing is created or written: older versions are migrated in memory.

    Raises:
        LabelFileError: it is not a label file, one of a newer version, locked or damaged. All
            methods raise it, too.
    """

    def __init__(self, path: Path, read_only: bool = False):
        self.path = path
        self._lock = threading.RLock()
        if read_only:
            with self._errors_named():
                self.connection = open_snapshot(path)
            return
        with self._errors_named():
            self.connection = sqlite3.connect(
                path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors_named():
                # A commit must survive kill -9 and must not be lost to a half-written page.
                self.connection.execute("PRAGMA journal_mode=WAL")
                self.connection.execute("PRAGMA synchronous=FULL")
                schema.create_or_migrate(self.connection)
        except BaseException:
            self.connection.close()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, for one thread at a time; one inside another is part of it."""
        with self._lock, self._errors_named():
            if self.connection.in_transaction:
                yield self.connection
                return
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                    self.connection.execute("ROLLBACK")
                raise

    def all(self, statement: str, values: Sequence = ()) -> list[tuple]:
        """All rows that a statement returns."""
        with self._lock, self._errors_named():
            return self.connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self.connection.close()

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """SQLite's errors about the file, as `LabelFileError`. Those that only a mistake in this
        program causes pass."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            raise LabelFileError(f"{self.path}: {_advice(error)}") from error
        except schema.MigrationError as error:
            raise LabelFileError(f"{self.path} {error}") from error


def _advice(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return (
            f"another process has kept the label file locked for {LOCK_TIMEOUT:g} s ({text}); "
            "end that process and start again"
        )
    if "malformed" in text or "corrupt" in text:
        return (
            f"the label file is damaged ({text}); restore a copy, or save what is readable with "
            "`sqlite3 labels.sqlite .recover | sqlite3 recovered.sqlite`"
        )
    return f"cannot be read or written as a label file: {text}"
