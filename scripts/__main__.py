"""`core-jax COMMAND ...`: each command is the script of its name, run as `python scripts/NAME.py`
runs it.

Nothing but the chosen script is imported: the list of commands needs no JAX.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
from pathlib import Path

import core_jax

COMMANDS = {
    "train": "train policies on a task, by a method",
    "sweep": "train many tasks by many methods, one run after another",
    "evaluate": "play the policies of a run; write a video",
    "export": "write a run's policies as files that need only NumPy",
    "report": "make a page and tables of runs or of committed results",
    "label": "open a page on which a person answers a run's queries",
    "bench": "measure the speed of one part",
    "compile-for": "compile a run for GPUs and TPUs that are not here; say what it will take",
    "evaluate-reward": "measure a reward on episodes of graded skill",
    "train-reward-model": "record episodes of graded skill; fit a large reward model to them",
    "serve-reward-model": "offer a large reward model over HTTP",
    "compile-reward": "compile a reward file for a task and print its values",
}


def main() -> int:
    """Runs a command; returns 0 after the list of commands, 2 for an unknown command."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(_listed())
        return 0
    if words[0] == "--version":
        print(f"core-jax {core_jax.__version__}")
        return 0
    if words[0] not in COMMANDS:
        near = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(f"unknown command {words[0]!r}.{hint}\n\n{_listed()}", file=sys.stderr)
        return 2
    _run(words[0], words[1:])
    return 0


def _listed() -> str:
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return "\n".join(
        ["usage: core-jax COMMAND ...", "", *lines, "", "core-jax COMMAND --help lists its flags."]
    )


def _run(name: str, words: list[str]) -> None:
    """Executes a script as the process's main module; most end by `sys.exit`."""
    path = Path(__file__).with_name(f"{name.replace('-', '_')}.py")
    spec = importlib.util.spec_from_file_location("__main__", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["__main__"] = module
    sys.argv = [f"core-jax {name}", *words]
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.exit(main())
