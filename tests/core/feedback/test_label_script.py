"""`scripts/label.py` and Ctrl-C: it ends without a traceback, whenever it comes."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import labelled_run

ROOT = Path(__file__).parents[3]


def start(run, *path):
    """Starts the script; folders of `path` come first among those of imports."""
    paths = [*map(str, path), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "scripts/label.py", str(run), "--port", "0", "--no-browser"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        # A shell's background job, as this may be, ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_ctrl_c_during_the_imports(tmp_path):
    (tmp_path / "tyro.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    process = start(tmp_path / "run", tmp_path)
    stdout, stderr = process.communicate(timeout=300)
    assert (stdout, stderr.strip()) == ("", "stopped before the page was served")
    assert process.returncode == 128 + signal.SIGINT


def test_ctrl_c_while_the_pictures_of_an_open_page_are_rendered(tmp_path):
    run = labelled_run.make(tmp_path / "run", count=2)
    process = start(run)
    address = process.stderr.readline().split()[0]
    with urllib.request.urlopen(f"{address}state", timeout=300) as reply:
        assert json.load(reply)["next"]["ready"] is False
    for _ in range(2):  # a second one has no effect
        process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0 and stderr.strip() == "closing"
    told = json.loads(stdout)
    assert (told["answered"], told["total"], told["teacher"]) == (0, 2, "person")
