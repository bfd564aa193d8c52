"""Processes of `scripts/train.py` in the chaos test: started, disturbed, and how they ended."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

from chaos_cases import HERE, ROOT

KEY = "sk-test-0123456789abcdef"
STOPS = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP", signal.SIGINT: "SIGINT"}
# The run on a disk of its own that is soon full, then copied back: needs leave to mount.
ON_SMALL_DISK = """
set -e; out=$1; back=$2; size=$3; shift 3
mount -t tmpfs -o size=${size}k small "$out"; cp -a "$back/." "$out/"
set +e; "$@"; rc=$?; rm -rf "$back"; mkdir "$back"; cp -a "$out/." "$back/"; exit $rc
"""


def can_mount():
    test = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(test, capture_output=True).returncode == 0
    except OSError:
        return False


@dataclasses.dataclass
class Ended:
    """How a process ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self):
        return [line for line in self.stderr.splitlines() if line.strip()]

    @property
    def summary(self):
        return json.loads(self.stdout.splitlines()[-1])

    def problem(self):
        """What no process may show, whatever was done to it; "" if there is nothing."""
        for word in ("Traceback", "Fatal Python error", "Segmentation", "Check failure", KEY):
            if word in self.stderr:
                return f"{word} on stderr"
        if self.status not in (0, 2, -signal.SIGKILL, *(128 + s for s in STOPS)):
            return f"exit status {self.status}"
        if self.status == 2 and not self.lines[-1].startswith("error: "):
            return "no error in the last line"
        if self.status > 128:
            name, last = STOPS[self.status - 128], self.lines[-1]
            if not last.startswith(f"stopped by {name} "):
                return f"ended by {name} and says {last!r}"
        return ""


class Process:
    """One process that trains in `out`.

    Args:
        out: the run's folder.
        words: of the command line.
        cores: that it may use; None for all.
        jumps: whether its wall clock jumps.
        room: KiB that it may write before its disk is full; None for no limit.
    """

    def __init__(self, out, words, cores=None, jumps=False, room=None):
        self.out = out
        command = [sys.executable, str(ROOT / "scripts/train.py"), *map(str, words), "--out",
                   str(out)]  # fmt: skip
        if room is not None and can_mount():
            back = out.with_name(out.name + "-disk")
            out.rename(back) if out.exists() else back.mkdir()
            out.mkdir()
            used = sum(p.stat().st_size + 4_096 for p in back.rglob("*")) // 1_024
            command = ["unshare", "-rm", "bash", "-c", ON_SMALL_DISK, "small", out, back,
                       used + room, *command]  # fmt: skip
        elif room is not None:
            command = ["bash", "-c", f'ulimit -f {room}; exec "$@"', "small", *command]
        if cores is not None:
            command = ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]
        self._back = room is not None and can_mount()
        given = filter(None, [os.environ.get("PYTHONPATH")])
        path = [str(HERE / "clock")] * jumps + [*given, str(HERE), str(HERE.parent)]
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(path), "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": KEY,
            "GEMINI_API_KEY": KEY, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }  # fmt: skip

        self._process = subprocess.Popen(
            [str(w) for w in command], cwd=ROOT, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def send(self, number):
        """Sends a signal, unless the process has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait_for_rows(self, count, timeout=600.0):
        """Waits until so many rows are written; returns whether the process still runs."""
        path, until = self.out / "metrics.jsonl", time.monotonic() + timeout
        while time.monotonic() < until and self._process.poll() is None:
            if not count or (path.exists() and path.read_bytes().count(b"\n") >= count):
                return True
            time.sleep(0.01)
        return False

    def end(self, timeout=900.0):
        """Waits for its end."""
        stdout, stderr = self._process.communicate(timeout=timeout)
        back = self.out.with_name(self.out.name + "-disk")
        if self._back:
            self.out.rmdir()
            back.rename(self.out)
        return Ended(self._process.returncode, stdout, stderr)
