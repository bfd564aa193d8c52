"""A fixed slice of the fuzzer: drawn and mutated programs are refused or agree with NumPy."""

import importlib
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(ROOT / "scripts" / "tools"))
    try:
        yield importlib.import_module("fuzz_formal")
    finally:
        sys.path.remove(str(ROOT / "scripts" / "tools"))


@pytest.fixture(scope="module")
def judge(fuzz):
    watch, values = fuzz.Watch(), fuzz.Values()
    return lambda program, **options: fuzz.judge(program, watch, values, **options)


def test_a_slice_of_the_fuzzer(fuzz, judge):
    outcomes, programs = Counter(), fuzz.fuzz_programs
    replies = programs.recorded()
    assert len({(one.signature.kind) for one in replies}) == 3
    for program in programs.programs("5/0", 150, replies):
        outcome, detail = judge(program, limit=2.0)  # other tests run beside this one
        assert not outcome.isupper(), f"{outcome}: {detail}\n{program.source}"
        outcomes[outcome] += 1
    assert outcomes["agrees"] > 5 and outcomes["refused"] > 100, outcomes


def test_the_judge_sees_what_is_wrong(fuzz, judge, monkeypatch):
    source = "def compute_reward(a, b, c):\n    return 1.0, {'x': 2.0}\n"
    program = fuzz.Program(source)
    assert judge(program)[0] == "agrees"
    same = fuzz.Program(source.replace("    return", "  return  "), origin=source)
    assert judge(same)[0] == "unchanged"
    good = fuzz.compile_reward
    false = source.replace("1.0", "1.5")
    monkeypatch.setattr(fuzz, "compile_reward", lambda text, signature: good(false))
    assert judge(program)[0] == "DIFFERS"

    def reads(text, signature):
        (ROOT / "README.md").read_text()
        return good(text)

    monkeypatch.setattr(fuzz, "compile_reward", reads)
    outcome, detail = judge(program)
    assert outcome == "SYSTEM" and "README.md" in detail

    def environment(text, signature):
        assert fuzz.os.environ["PATH"]
        return good(text)

    monkeypatch.setattr(fuzz, "compile_reward", environment)
    assert "environment" in judge(program)[1]
    monkeypatch.setattr(fuzz, "compile_reward", lambda text, signature: 1 / 0)
    assert judge(program)[0] == "CRASH"
    monkeypatch.setattr(fuzz, "compile_reward", good)
    assert judge(program, limit=0.0)[0] == "SLOW"


@pytest.mark.parametrize("value, detail", [
    ("np.nan_to_num(math.sqrt(9.0 - np.sum(a ** 2)))", "though Python raises"),  # far out
    ("round(np.where(a[0] > 0, 1.0, 2.0), 1)", "though NumPy refuses: TypeError"),
])  # fmt: skip
def test_the_judge_sees_what_python_raises(fuzz, judge, monkeypatch, value, detail):
    head = "import math\nimport numpy as np\ndef f(a, b, c):\n"
    source = f"{head}    x = {value}\n    return x, {{}}\n"
    assert judge(fuzz.Program(source))[0] in ("agrees", "refused")
    monkeypatch.setattr(
        "core_jax.reward_models.formal.raising.Raising.raises", lambda *arguments: None
    )
    outcome, found = judge(fuzz.Program(source))
    assert outcome == "ACCEPTED" and detail in found


@pytest.mark.parametrize("value", [
    "1.0 if math.exp(-60.0 - a[0]) * np.exp(-60.0) else 2.0",  # 1e-52: zero
    "np.exp(10.0 * np.sum(np.abs(a))) * 1e-60",  # infinite, but on far states only
])  # fmt: skip
def test_the_judge_knows_what_float32_cannot_hold(fuzz, judge, value):
    head = "import math\nimport numpy as np\ndef f(a, b, c):\n"
    program = fuzz.Program(f"{head}    x = {value}\n    return x, {{}}\n")
    assert judge(program)[0] == "on a step"


def test_a_log_is_gone_on_with(fuzz, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "BLOCK", 4)
    monkeypatch.setattr(fuzz, "judge", lambda program, watch, values: ("refused", ""))
    log = tmp_path / "log.jsonl"
    assert fuzz.main(fuzz.Options(count=8, seed=3, log=log)) == 0
    monkeypatch.setattr(fuzz, "judge", lambda program, watch, values: ("CRASH", "here"))
    assert fuzz.main(fuzz.Options(count=12, seed=3, log=log)) == 4
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["seed"] for row in rows] == ["3/0", "3/1", "3/2"]
    assert [len(row["kept"]) for row in rows] == [0, 0, 4]
    assert "12 programs: {'refused': 8, 'CRASH': 4}" in capsys.readouterr().out
