"""Runs that are killed, stopped, damaged and crowded at random end bit-exact or with a clear line.

All of it: `CORE_JAX_FULL=1 python -m pytest tests/core/chaos -s`. CORE_JAX_CHAOS_SEEDS="7 14" does
these rounds only, CORE_JAX_CHAOS_JOBS is how many go at once, CORE_JAX_CHAOS_REFERENCES keeps the
undisturbed runs in a folder.
"""

import concurrent.futures
import os
import shutil
import threading
from pathlib import Path

import pytest
from chaos_cases import CASES
from chaos_process import Process
from chaos_round import Round, case_of, make_reference

SEEDS = [int(seed) for seed in os.environ.get("CORE_JAX_CHAOS_SEEDS", "").split()] or range(50)
JOBS = int(os.environ.get("CORE_JAX_CHAOS_JOBS", 1))


class References:
    """Undisturbed runs, each made once."""

    def __init__(self, folder):
        self._folder = folder
        self._locks = {case.name: threading.Lock() for case in CASES}

    def get(self, case):
        folder = self._folder / case.name
        with self._locks[case.name]:
            out = folder / "undisturbed"
            if not (out / "episode.png").exists():  # written last
                shutil.rmtree(folder, ignore_errors=True)
                make_reference(case, folder)
            return out


def disturbed(seed, case, references, folder, kinds=None):
    """What goes wrong in one round."""
    round = Round(seed, case, folder / f"round{seed}", references.get(case), kinds)
    try:
        problems = round.run()
    except Exception as error:  # a mistake in the test itself must not hide the other rounds
        problems = [f"{round.log[0]}: {error!r}"]
    print("\n".join(round.log), *problems, sep="\n", flush=True)
    if not problems:
        shutil.rmtree(folder / f"round{seed}")
    return problems


@pytest.mark.long
def test_a_disturbed_run_is_the_undisturbed_one(tmp_path):
    references, case = References(tmp_path / "references"), CASES[2]
    for seed, kinds in ((0, ["kill", "damage"]), (1, ["term"])):
        assert not disturbed(seed, case, references, tmp_path, kinds)


@pytest.mark.long
def test_whatever_happens_nothing_is_lost(tmp_path):
    kept = os.environ.get("CORE_JAX_CHAOS_REFERENCES")
    references = References(Path(kept) if kept else tmp_path / "references")
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        rounds = [
            pool.submit(disturbed, seed, case_of(seed), references, tmp_path) for seed in SEEDS
        ]
        problems = [problem for round in rounds for problem in round.result()]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
def test_a_service_that_is_not_there_is_one_line_though_xla_compiles(tmp_path):
    """Threads that compile are still inside of XLA when the run gives up."""
    [case] = [c for c in CASES if c.name == "text2reward"]
    words = ["--config", case.config(tmp_path, "http://127.0.0.1:1"), "--chat.retries", 0]
    end = Process(tmp_path / "run", words).end()
    assert end.status == 2 and not end.problem(), end.stderr
    assert "cannot connect" in end.lines[-1]
