"""A fixed slice of the fuzzer: drawn and mutated programs are refused or agree with NumPy."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("fuzz_formal", ROOT / "scripts/fuzz_formal.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def watch(fuzz):
    return fuzz.Watch()


def test_a_slice_of_the_fuzzer(fuzz, watch):
    outcomes = Counter()
    for source in fuzz.programs(seed=5, count=75):
        outcome, detail = fuzz.judge(source, watch, limit=2.0)  # other tests run beside this one
        assert not outcome.isupper(), f"{outcome}: {detail}\n{source}"
        outcomes[outcome] += 1
    assert outcomes["agrees"] > 20 and outcomes["refused"] > 20, outcomes


def test_the_judge_sees_what_is_wrong(fuzz, watch, monkeypatch):
    source = "def compute_reward(a, b, c):\n    return 1.0, {'x': 2.0}\n"
    assert fuzz.judge(source, watch)[0] == "agrees"
    good = fuzz.compile_reward
    false = source.replace("1.0", "1.5")
    monkeypatch.setattr(fuzz, "compile_reward", lambda text: good(false))
    assert fuzz.judge(source, watch)[0] == "DIFFERS"

    def reads(text):
        (ROOT / "README.md").read_text()
        return good(text)

    monkeypatch.setattr(fuzz, "compile_reward", reads)
    outcome, detail = fuzz.judge(source, watch)
    assert outcome == "SYSTEM" and "README.md" in detail

    def environment(text):
        assert fuzz.os.environ["PATH"]
        return good(text)

    monkeypatch.setattr(fuzz, "compile_reward", environment)
    assert "environment" in fuzz.judge(source, watch)[1]
    monkeypatch.setattr(fuzz, "compile_reward", lambda text: 1 / 0)
    assert fuzz.judge(source, watch)[0] == "CRASH"
    monkeypatch.setattr(fuzz, "compile_reward", good)
    assert fuzz.judge(source, watch, limit=0.0)[0] == "SLOW"
