"""Signals to real processes: what they end with, and that a sweep hands them on."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core_jax.runs import interrupt

SCRIPTS = Path(__file__).parents[3] / "scripts"
# In place of `train.py`: notes the signals that it gets in the first second after one, then ends.
STUB = """
import pathlib, signal, sys, time
got = pathlib.Path(__file__).with_name("got")
seen = []
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: seen.append(number))
got.with_name("ready").write_text("")
while not seen:
    time.sleep(0.02)
time.sleep(1.0)
got.write_text(" ".join(str(int(n)) for n in seen))
sys.exit(128 + seen[0])
"""
# A run that waits inside of a call which lets no handler of Python's run, as compilations do.
RUN = """
import ctypes, sys
from core_jax.runs import interrupt
with interrupt.catching():
    {state}
    print("ready", flush=True)
    {wait}
    {after}
"""


# A lock that is taken twice: unlike a sleep, no signal ends this wait.
FOREVER = "lock = ctypes.create_string_buffer(64); take = ctypes.CDLL(None).pthread_mutex_lock"
FOREVER += "; take(lock); take(lock)"


def start(state, wait=FOREVER, after="pass"):
    code = RUN.format(state=state, wait=wait, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_where_nothing_would_be_saved_a_signal_stops_a_compilation():
    process, began = start("interrupt.set_idle('while compiling')"), time.monotonic()
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate()
    assert process.returncode == 129 and time.monotonic() - began < 10
    assert stderr == "stopped by SIGHUP while compiling\n"


def test_what_is_paid_for_is_waited_for():
    """`may_leave` says no twice, and then yes."""
    process = start("asked = iter([0, 0, 1]); interrupt.set_idle('then', lambda: next(asked))")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 143 and stderr == "stopped by SIGTERM then\n"


def test_a_second_signal_stops_at_once_also_a_compilation():
    process = start("interrupt.set_busy()")
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith("stopping with a checkpoint at the next row of m")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130 and stderr == "stopped by SIGINT at once\n"


def test_the_first_signal_is_left_to_the_run():
    process = start(
        "interrupt.set_busy()", "import time; time.sleep(1)", "print(interrupt.received())"
    )
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate()
    assert process.returncode == 0 and stdout == "15\n"
    assert interrupt.received() is None
    assert str(interrupt.Stopped(signal.SIGHUP, 2_000)).startswith("stopped by SIGHUP at 2,000")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_sweep_hands_a_signal_on_once(number, tmp_path):
    shutil.copy(SCRIPTS / "sweep.py", tmp_path)
    (tmp_path / "train.py").write_text(STUB)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "sweep.py", "--tasks", "soccer", "hammer", "--out",
         tmp_path / "out"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    stdout, stderr = process.communicate()
    assert process.returncode == 128 + number and stdout == ""
    assert (tmp_path / "got").read_text() == str(int(number))
    assert stderr.splitlines() == [
        "2 runs left, 2 of them of unknown length; next: soccer-paper-core",
        f"stopped by {number.name}; started again, the sweep continues",
    ]
