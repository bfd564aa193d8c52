"""Stopping a run by a signal: a checkpoint at the next boundary; a second signal stops at once.

Signals are caught by scripts (`catching`), never by the library on its own. A thread waits for
them: Python runs its own handlers in the main thread, and not while that is inside a compilation.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_END = 0  # written to the pipe when no more signals are waited for
_received: list[int] = []
_idle: tuple[str, Callable[[], bool]] | None = None


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
    """Lets runs stop at their next boundary on SIGINT, SIGTERM and SIGHUP. For main threads."""
    _received.clear()
    set_idle("before it began")
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {number: signal.signal(number, _leave_to_thread) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(read,), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(write, bytes([_END]))
        watcher.join()
        os.close(read)
        os.close(write)
        _received.clear()  # a run that follows without `catching` is not stopped


def set_idle(when: str, may_leave: Callable[[], bool] = lambda: True) -> None:
    """From now on there is nothing that a checkpoint would keep: a first signal stops the run at
    once.

    Args:
        when: for the message.
        may_leave: asked after a signal, from another thread, until it says yes: no while something
            that was paid for is under way.
    """
    global _idle
    _idle = (when, may_leave)


def set_busy() -> None:
    """From now on a first signal stops the run with a checkpoint at its next boundary."""
    global _idle
    _idle = None


def received() -> int | None:
    """The signal that asks the run to stop, if one did."""
    return _received[0] if _received else None


def leave(status: int) -> None:
    """Ends the process without waiting for compilations that are still under way in threads: the
    interpreter's own way out would abort inside of XLA."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _leave_to_thread(number: int, frame: FrameType | None) -> None:
    del number, frame


def _watch(read: int) -> None:
    while True:
        idle = _idle  # the main thread may change it
        if _received and idle and idle[1]():
            _leave_by(_received[0], idle[0])
        ready, _, _ = select.select([read], [], [], 0.05 if _received else None)
        for number in os.read(read, 1) if ready else b"":
            if number == _END:
                return
            if number in SIGNALS:
                _note(number)


def _note(number: int) -> None:
    if _received:
        _leave_by(number, "at once")
    _received.append(number)
    if _idle is None:
        _say("stopping with a checkpoint at the next row of metrics (once more: at once)")


def _leave_by(number: int, how: str) -> None:
    _say(f"stopped by {signal.Signals(number).name} {how}")
    os._exit(128 + number)


def _say(line: str) -> None:
    """Writes a line past Python's buffer, whose lock the main thread may hold."""
    begin = "\n" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):  # nobody may be there to read it any more
        os.write(2, f"{begin}{line}\n".encode())
