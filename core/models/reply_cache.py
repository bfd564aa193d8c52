"""Every reply of a hosted model that was paid for, in a run's `replies.sqlite`.

A reply's key is the hash of all that it depends on, so the same question is never paid for twice:
what arrived before a run was killed is found again when it is resumed. Refusals, empty replies and
single samples that the run did without are kept as what they are; asked again, they would make a
resumed run another run. A service's errors are not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core_jax.models.failures import ChatError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS questions (key TEXT PRIMARY KEY, messages TEXT);
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, question TEXT REFERENCES questions(key), provider TEXT, model TEXT,
    attempt INTEGER, sample INTEGER, status TEXT, text TEXT, reason TEXT,
    tokens_in INTEGER, tokens_out INTEGER, cost_usd REAL);
CREATE TABLE IF NOT EXISTS at_risk (why TEXT, cost_usd REAL);
"""


class Kept(NamedTuple):
    """One sample as it is kept. An answer's tokens and cost are booked on its first sample."""

    sample: int
    status: str
    text: str
    reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0


class Ask(NamedTuple):
    """All that replies depend on, but for the sample's index."""

    provider: str
    model: str
    messages: tuple[Any, ...]  # of each turn, role and content
    settings: tuple[Any, ...]
    attempt: int

    def key(self, sample: int) -> str:
        """Content hash of one sample."""
        return _hash([*self, sample])


class ReplyCache:
    """The replies of one run, and what they cost; may be used by several threads and processes.

    Raises:
        ChatError: by every method, if the file is damaged, or locked for more than 30 s.
    """

    def __init__(self, path: Path):
        self._path, self._lock = path, threading.RLock()  # one connection for all threads
        with self._errors():
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            # A commit must survive kill -9 and must not be lost to a half-written page.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._forget_errors()

    def find(self, ask: Ask, sample: int) -> Kept | None:
        """The kept sample, if there is one."""
        with self._errors():
            row = self._db.execute(
                "SELECT sample, status, text, reason, tokens_in, tokens_out, cost_usd "
                "FROM replies WHERE key = ?",
                (ask.key(sample),),
            ).fetchone()
        return None if row is None else Kept(*row)

    def keep(self, ask: Ask, samples: Sequence[Kept]) -> None:
        """Writes the samples of one answer, as one transaction.

        A sample that another process has kept meanwhile stays as it is; what the second one cost
        counts against the budget as an answer that got lost.
        """
        question = _hash(ask.messages)
        with self._errors(), self._db:
            self._db.execute(
                "INSERT OR IGNORE INTO questions VALUES (?,?)", (question, json.dumps(ask.messages))
            )
            for kept in samples:
                written = self._db.execute(
                    "INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                    (ask.key(kept.sample), question, ask.provider, ask.model, ask.attempt, *kept),
                )
                if not written.rowcount and kept.cost_usd:
                    why = "another process asked the same"
                    self._db.execute("INSERT INTO at_risk VALUES (?,?)", (why, kept.cost_usd))

    def risk(self, why: str, cost_usd: float) -> None:
        """Notes a request that may have been billed though its answer got lost."""
        with self._errors(), self._db:
            self._db.execute("INSERT INTO at_risk VALUES (?,?)", (why, cost_usd))

    def totals(self) -> tuple[int, float]:
        """Tokens and USD of all answers."""
        with self._errors():
            return self._db.execute(
                "SELECT COALESCE(SUM(tokens_in + tokens_out), 0), COALESCE(SUM(cost_usd), 0.0) "
                "FROM replies"
            ).fetchone()

    def at_risk(self) -> float:
        """The most that lost answers can have cost, USD."""
        with self._errors():
            total = self._db.execute("SELECT COALESCE(SUM(cost_usd), 0.0) FROM at_risk")
            return total.fetchone()[0]

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._db.close()

    def _forget_errors(self) -> None:
        """Removes errors of services that earlier versions kept as if they were replies."""
        with self._db:
            self._db.execute(
                "DELETE FROM replies WHERE reason LIKE 'the reply is empty: %' "
                "OR reason LIKE 'the service''s answer has no c%' "
                "OR reason LIKE '%has a choice without a message%'"
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Holds the lock; turns a database's errors into one that names the file."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise ChatError(f"{self._path} cannot be used: {error}") from None


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
