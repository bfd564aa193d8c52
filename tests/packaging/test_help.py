"""Every script answers `--help`, without the packages that only some of them need."""

import os
import runpy
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("scripts", "scripts/tools")
    for path in (ROOT / folder).glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def shown(monkeypatch, capsys):
    """Runs a script with `--help` in this process; returns what it shows."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}  # train.py sets its own
    environment = dict(os.environ)

    def run(script):
        path = ROOT / script
        monkeypatch.setattr(sys, "argv", [str(path), "--help"])
        monkeypatch.syspath_prepend(str(path.parent))
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ended:
            assert not ended.code
        return capsys.readouterr().out

    yield run
    os.environ.clear()
    os.environ.update(environment)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_all_scripts_are_found():
    assert {"scripts/train.py", "scripts/__main__.py", "scripts/tools/transfer.py"} < set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_answers_help(script, shown):
    text = shown(script)
    assert text.startswith("usage: ")
    described = [
        line
        for line in text.splitlines()[1:]
        if line and line[0] not in " ╭│╰" and not line.endswith(":")
    ]
    assert described, text


@pytest.mark.parametrize(
    ("script", "own", "hidden"),
    [("teacher_report", "--questions", "--scripted.kind"),
     ("pair_accuracy", "--labels-per-round", "--residual.epochs")],
)  # fmt: skip
def test_a_tool_lists_its_own_flags_and_names_the_others(script, own, hidden, shown):
    text = shown(f"scripts/tools/{script}.py")
    assert own in text and hidden not in text and len(text.splitlines()) < 80
    assert f"{hidden.partition('.')[0]}.*" in text


def test_a_sweep_says_that_flags_are_passed_on(shown):
    text = " ".join(shown("scripts/sweep.py").split())
    assert "Flags that are not listed here are flags of train" in text
