"""Commands of the project in the process of the test, which has imported and traced already what a
process of their own would begin with. That a process starts is for `subprocess` to show."""

import contextlib
import importlib.util
import io
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]
# Scripts that change how the process takes signals where they are its program.
_WITH_MAIN = {"train.py"}


def command(*words):
    """Runs `python WORDS`, where the first is a script's path from the root, or `-m` and the second
    a module; returns what `subprocess.run` does."""
    words = [str(word) for word in words]
    program, rest = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    out, errors = io.StringIO(), io.StringIO()
    path = ROOT / program
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.object(sys, "argv", [str(path), *rest]),
        mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
    ):
        try:
            status = _run(words[0] == "-m", program, path)
        except SystemExit as end:
            status = end.code
    code = status if isinstance(status, int) else int(status is not None)
    return subprocess.CompletedProcess(words, code, out.getvalue(), errors.getvalue())


def _run(is_module, program, path):
    if is_module:
        return runpy.run_module(program, run_name="__main__", alter_sys=True) and None
    if path.name in _WITH_MAIN:
        spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # where the documentation of its flags is looked up
        spec.loader.exec_module(module)
        return module.main()
    return runpy.run_path(str(path), run_name="__main__") and None
