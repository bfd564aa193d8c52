"""What the command line refuses, and what it says then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

WRONG = (
    (["--task", "drawer-opn"], "unknown task 'drawer-opn'. Did you mean 'drawer-open'"),
    (["--method", "cores"], "unknown method 'cores'. Did you mean 'core'"),
    (["--steps", "1234"], "steps (1234) must be a multiple of chunk"),
    (["--envs", "0"], "envs must be at least 1, not 0"),
    (["--seed", str(2**31)], "seed must be less than 2**31"),
    (["--final-episodes", "0"], "final_episodes must be at least 1, not 0"),
    (["--pixels.size", "64"], "--pixels.size has no effect in this run"),
    (["--resume"], "has no run to resume"),
)
# One process for them all: imports take seconds.
COMMANDS = """
import contextlib, io, json, os, pathlib, runpy, sys, traceback
found, first = [], list(sys.path)
os._exit = sys.exit  # with which a run ends at once, whatever its threads do
for script, *words in json.load(sys.stdin):
    sys.argv, sys.path = [script, *words], [str(pathlib.Path(script).parent), *first]
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            code = end.code
        except Exception:
            traceback.print_exc()
    found.append([code or 0, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


def said(commands):
    """Exit code, stdout and stderr of scripts that end before they compute anything."""
    process = subprocess.run(
        [sys.executable, "-c", COMMANDS], input=json.dumps(commands),
        cwd=ROOT, text=True, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(process.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    out = tmp_path_factory.mktemp("refused") / "x"
    found = said([["scripts/train.py", *words, "--out", str(out)] for words, _ in WRONG])
    return out, [(*one, message) for one, (_, message) in zip(found, WRONG, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(WRONG)))
def test_the_command_line_says_what_is_wrong(refused, index):
    out, found = refused
    code, stdout, stderr, message = found[index]
    assert code == 2 and message in stderr
    assert stdout == "" and not out.exists()
