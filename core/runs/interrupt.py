"""Stopping a run by a signal: a checkpoint at the next boundary; a second signal stops at once.

Signals are caught by scripts (`catching`), never by the library on its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_received: list[int] = []


class Stopped(Exception):
    """A signal stopped the run after a checkpoint.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int, env_steps: int):
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name} at {env_steps:,} environment steps; --resume continues"
        )
        self.signal = number

    @property
    def exit_status(self) -> int:
        """128 + the signal's number, as shells report it."""
        return 128 + self.signal


@contextlib.contextmanager
def catching() -> Iterator[None]:
    """Lets runs stop at their next boundary on SIGINT, SIGTERM and SIGHUP."""
    _received.clear()
    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def received() -> int | None:
    """The signal that asks the run to stop, if one did."""
    return _received[0] if _received else None


def leave(status: int) -> None:
    """Ends the process without waiting for compilations that are still under way in threads: the
    interpreter's own way out would abort inside of XLA."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    if _received:
        print(f"\nstopped at once by {signal.Signals(number).name}", file=sys.stderr)
        leave(128 + number)
    _received.append(number)
    print(
        "\nstopping with a checkpoint at the next row of metrics (once more: at once)",
        file=sys.stderr,
    )
