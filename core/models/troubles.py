"""Logs failures of hosted models that do not end a run."""

from __future__ import annotations

import collections
import re
import threading
from collections.abc import Callable

SHOWN_AT = frozenset({1, 10, 100, 1_000, 10_000})  # occurrences of a kind that are logged


class TroubleLog:
    """Logs a failure when its kind occurs for the first, 10th, 100th, ... time.

    Several threads may report. The kind is the text up to its first colon or bracket, so that what
    differs each time (a request's id, the start of a page) makes no new kind.

    Args:
        note: logs a line; None: failures are only counted.

    Attributes:
        counts: kind -> occurrences.
    """

    def __init__(self, note: Callable[[str], None] | None = None):
        self.counts: collections.Counter[str] = collections.Counter()
        self._note, self._lock = note, threading.Lock()

    def report(self, name: str, text: str, consequence: str = "") -> None:
        """Counts a failure.

        Args:
            name: of the model.
            text: what failed; one line that is safe to show.
            consequence: what is done about it.
        """
        kind = re.split(r"[:(]", text, maxsplit=1)[0].strip()
        with self._lock:
            self.counts[kind] += 1
            count = self.counts[kind]
        if self._note is None or count not in SHOWN_AT:
            return
        often = f"; {count:,} times so far" if count > 1 else ""
        then = f" ({consequence})" if consequence else ""
        self._note(f"  {name}: {text}{then}{often}")
