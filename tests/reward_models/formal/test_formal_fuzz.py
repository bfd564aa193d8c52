"""A fixed slice of the fuzzer: drawn and mutated programs are refused or agree with NumPy."""

import ast
import functools
import importlib
import json
import random
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
HEAD = "import math\nimport numpy as np\ndef f(a, b, c):\n"


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(ROOT / "scripts" / "tools"))
    try:
        yield importlib.import_module("fuzz_formal")
    finally:
        sys.path.remove(str(ROOT / "scripts" / "tools"))


@pytest.fixture(scope="module")
def judging(fuzz):
    return importlib.import_module("formal_fuzz.judge")


@pytest.fixture(scope="module")
def judge(fuzz, judging):
    watch, values = fuzz.Watch(), fuzz.Values()
    yield lambda program, **options: judging.judge(program, watch, values, **options)
    values.restore()


def body(fuzz, text):
    """A program that returns `x`."""
    lines = "".join(f"    {line}\n" for line in text.split("\n"))
    return fuzz.programs.Program(f"{HEAD}{lines}    return x, {{}}\n")


def test_a_slice_of_the_fuzzer(fuzz, judge):
    outcomes, replies = Counter(), fuzz.programs.recorded()
    assert len({(one.signature.kind) for one in replies}) == 3
    for program in fuzz.programs.programs("5/0", 40, replies):
        verdict = judge(program, limit=3.0)  # other tests run beside this one
        assert not verdict.failed, f"{verdict.outcome}: {verdict.detail}\n{program.source}"
        outcomes[verdict.outcome] += 1
    assert outcomes["agrees"] > 15 and outcomes["refused"] > 5, outcomes


CORE_HEAD = "def compute_reward(observation, action, target_pos):\n"


@pytest.mark.parametrize("head, text, outcome", [
    ("from scipy.spatial.transform import Rotation as R\n",
     "e = {'n': R.from_quat(action + 1e-3).apply(target_pos), 'f': target_pos}\n"
     "r = 1.0 if min(e, key=lambda k: np.linalg.norm(e[k])) == 'n' else 0.0", "on a step"),
    ("from scipy.spatial.transform import Rotation as R\n",
     "r = R.from_quat(action + 1e-3).apply(np.diag(observation[:9].reshape(3, 3)))[0]", "refused"),
    ("", "r = np.linalg.det(np.broadcast_to(action[1:], (3, 3)))", "on a step"),
    ("import torch.nn.functional as F\n", "r = F.softmax(observation, dim=-1)[:, 1]", "agrees"),
    ("", "try:\n        r = 1.0 / float(action[0])\n    except ZeroDivisionError:\n        r = 0.0",
     "agrees"),
    ("from scipy.special import softmax\n", "r = float((softmax(observation * 3) > 0).sum())",
     "on a step"),
])  # fmt: skip
def test_what_rounding_decides_and_what_is_documented_is_no_failure(
    fuzz, judge, head, text, outcome
):
    lines = text.replace("\nr =", "\n    r =")
    source = f"import numpy as np\n{head}{CORE_HEAD}    {lines}\n    return r, {{}}\n"
    verdict = judge(fuzz.programs.Program(source), limit=60.0)
    assert verdict.outcome in (outcome, "agrees in float32"), verdict


def test_the_grammar_draws_valid_programs_of_all_its_templates(fuzz):
    grammars = importlib.import_module("formal_fuzz.grammar")
    grammar = grammars.Grammar(random.Random(1))
    programs = [grammar.program() for _ in range(500)]
    programs += [grammar.torch_program() for _ in range(60)]
    for source in programs:
        ast.parse(source)
    assert sum(map(len, programs)) / len(programs) < 1_500
    tables = (grammars.EXPRESSIONS, grammars.TORCH, {"": grammars.STATEMENTS})
    templates = {one for table in tables for sections in table.values()
                 for some in sections.values() for one in some}  # fmt: skip
    assert len(templates) > 800 and len(grammar.used) > 0.8 * len(templates)
    again = grammars.Grammar(random.Random(1))
    assert [again.program() for _ in range(3)] == programs[:3]


def test_numpy_runs_a_jaxpr_as_xla_does(fuzz):
    interpreter = importlib.import_module("formal_fuzz.interpreter")

    def function(x, y):
        whole = jnp.int32(jnp.floor(4 * x))
        places = jnp.argsort(x)
        sums = [x @ y, jnp.cumsum(x)[2], jnp.max(x), jnp.sum(x > 0), jnp.argmax(y), jnp.median(x)]
        sums += [x[whole[0]], x.at[whole[1]].set(3.0).sum(), x[::-1][places].prod(), jnp.sqrt(x[0])]
        sums += [x.at[places[:2]].add(y[:2])[0], jnp.linalg.det(jnp.outer(x, y) + jnp.eye(4))]
        sums += [jnp.floor_divide(x[0], 0.3), jnp.int32(x[0] / 0), whole[0] % 3, whole[0] // 3]
        sums += [jnp.interp(x[0], y, y), jnp.clip(x[1], -0.1, 0.1), jax.nn.softmax(x)[1]]
        sums += [jnp.round(x[0], 1), jnp.where(x > 0, x, y).std(), jnp.power(x[0], 3), x[0] ** -2]
        sums += [jnp.searchsorted(jnp.sort(y), x[0]), jnp.pad(x, 1)[1], jnp.tile(x, 2)[5]]
        return jnp.stack([jnp.float32(one) for one in sums])

    rng = np.random.default_rng(0)
    batch = [np.float32(rng.normal(size=(16, 4))) for _ in range(2)]
    closed = jax.make_jaxpr(function)(*(part[0] for part in batch))
    [found] = interpreter.on_batch(closed, batch)
    np.testing.assert_allclose(found, jax.jit(jax.vmap(function))(*batch), rtol=2e-4, atol=1e-5)


def test_the_reference_knows_tensors(fuzz):
    torch = importlib.import_module("formal_fuzz.tensors").TORCH
    x = torch.tensor([[3.0, -4.0]])
    assert torch.norm(x, dim=-1).tolist() == [5.0] and x.norm(p=1, dim=1).tolist() == [7.0]
    assert x.max(dim=1).values.tolist() == [3.0] and x.clamp(min=0.0).tolist() == [[3.0, 0.0]]
    assert torch.std(x, dim=-1).tolist() == pytest.approx([4.9497475])  # of n - 1
    assert torch.cat([x, x], dim=-1).view(-1, 2).sum(dim=0).tolist() == [6.0, -8.0]


def test_the_judge_sees_what_is_wrong(fuzz, judging, judge, monkeypatch):
    source = "def compute_reward(a, b, c):\n    return 1.0, {'x': 2.0}\n"
    program = fuzz.programs.Program(source)
    assert judge(program).outcome == "agrees" and judge(program, xla=True).outcome == "agrees"
    same = fuzz.programs.Program(source.replace("    return", "  return  "), origin=source)
    assert judge(same).outcome == "unchanged"
    good = judging.compile_reward
    false = source.replace("1.0", "1.5")
    monkeypatch.setattr(judging, "compile_reward", lambda text, signature: good(false))
    assert judge(program).outcome == "DIFFERS"

    def reads(text, signature):
        (ROOT / "README.md").read_text()
        return good(text)

    monkeypatch.setattr(judging, "compile_reward", reads)
    verdict = judge(program)
    assert verdict.outcome == "SYSTEM" and "README.md" in verdict.detail

    def environment(text, signature):
        assert __import__("os").environ["PATH"]
        return good(text)

    monkeypatch.setattr(judging, "compile_reward", environment)
    assert "environment" in judge(program).detail
    monkeypatch.setattr(judging, "compile_reward", lambda text, signature: 1 / 0)
    assert judge(program).outcome == "CRASH"

    def hangs(text, signature):
        while True:
            pass

    monkeypatch.setattr(judging, "HANGS", 0.1)
    monkeypatch.setattr(judging, "compile_reward", hangs)
    assert judge(program).outcome == "HANG"
    monkeypatch.setattr(judging, "HANGS", 60.0)
    monkeypatch.setattr(judging, "compile_reward", good)
    assert judge(program, limit=0.0).outcome == "SLOW"


@pytest.mark.parametrize("value, detail", [
    ("np.nan_to_num(math.sqrt(9.0 - np.sum(a ** 2)))", "though Python raises"),  # far out
    ("round(np.where(a[0] > 0, 1.0, 2.0), 1)", "though NumPy refuses: TypeError"),
])  # fmt: skip
def test_the_judge_sees_what_python_raises(fuzz, judge, monkeypatch, value, detail):
    program = body(fuzz, f"x = {value}")
    assert not judge(program).failed
    monkeypatch.setattr(
        "core_jax.reward_models.formal.raising.Raising.raises", lambda *arguments: None
    )
    verdict = judge(program)
    assert verdict.outcome == "ACCEPTED" and detail in verdict.detail


@pytest.mark.parametrize("value", [
    "1.0 if math.exp(-60.0 - a[0]) * np.exp(-60.0) else 2.0",  # 1e-52: zero
    "np.exp(10.0 * np.sum(np.abs(a))) * 1e-60",  # infinite, but on far states only
    "np.zeros(3).sum() + (1.0 if a[0] + 1e-9 > a[0] else 2.0)",
    "(np.sum(a > 0) + 1e9 + 2.0) - (np.add(np.sum(a > 0), 1e9) + 1.0)",  # of whole numbers, too
])  # fmt: skip
def test_the_judge_knows_what_float32_cannot_hold(fuzz, judge, value):
    assert judge(body(fuzz, f"x = {value}")).outcome in ("agrees in float32", "on a step")


@pytest.mark.parametrize("value, outcome", [
    ("1e-52 / float(np.exp(-120.0))", "agrees in float32"),  # 1e-52 is zero in float32
    ("1e-52 / np.exp(-120.0)", "agrees in float32"),  # NaN, as zero by zero
    ("2.0 / float(np.exp(-9.0))", "DIFFERS"),
])  # fmt: skip
def test_python_does_not_divide_by_what_float32_holds_as_zero(
    fuzz, judging, judge, monkeypatch, value, outcome
):
    good = judging.compile_reward
    nan = body(fuzz, "x = np.sqrt(9.0 - np.sum(a ** 2))").source  # NaN far out
    monkeypatch.setattr(judging, "compile_reward", lambda text, signature: good(nan))
    program = body(fuzz, f"x = {value} if np.sum(a**2) > 9.0 else np.sqrt(9.0 - np.sum(a**2))")
    assert judge(program).outcome == outcome
    monkeypatch.setattr(judging, "compile_reward", good)
    assert not judge(program).failed


def test_divisions_are_found_and_enforced(fuzz):
    divisions = importlib.import_module("formal_fuzz.divisions").Divisions()
    source = "def f(x, y):\n    z = x % y\n    z /= y + 0\n    return z // 2 + x / y"

    def run(x, y):
        names = divisions.names()
        exec(compile(divisions.visit(ast.parse(source)), "<test>", "exec"), names)
        return names["f"](x, y)

    assert run(7.0, 2.0) == 0.5 // 2 + 3.5 and divisions.places == {0, 1, 2, 3}
    divisions.enforced = True
    with pytest.raises(ZeroDivisionError):
        run(np.float32(1), np.float32(0))
    divisions.places.clear()
    with np.errstate(all="ignore"):
        assert np.isnan(run(np.float32(1), np.float32(0)))


def test_a_log_is_resumed(fuzz, judging, tmp_path, monkeypatch, capsys):
    verdict = judging.Verdict
    monkeypatch.setattr(fuzz, "BLOCK", 4)
    monkeypatch.setattr(fuzz, "judge", lambda *arguments, **options: verdict("refused"))
    log = tmp_path / "log.jsonl"
    # Without a limit of memory: above it the process replaces itself, and this one runs tests.
    options = functools.partial(fuzz.Options, seed=3, log=log, memory=float("inf"))
    assert fuzz.main(options(count=8)) == 0
    monkeypatch.setattr(fuzz, "judge", lambda *arguments, **options: verdict("CRASH", "here"))
    assert fuzz.main(options(count=12)) == 4
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["seed"] for row in rows] == ["3/0", "3/1", "3/2"]
    assert [len(row["kept"]) for row in rows] == [0, 0, 4]
    assert "12 programs: {'refused': 8, 'CRASH': 4}" in capsys.readouterr().out


def test_constants_are_disturbed_by_many_parts_of_a_millionth(fuzz, judging):
    """By one part alone, what a large number leaves modulo 0.3 is one value, and may seem sure."""
    program = body(fuzz, "x = 0.3 + 0.0 * a[0]")
    reward = judging.compile_reward(program.source)
    batch = [np.ones((1, n), np.float32) for n in (11, 4, 3)]
    moved = {float(judging.disturbed(program, reward, batch, seed)[0, 0]) for seed in range(24)}
    assert len(moved) == 17 and max(abs(x - 0.3) for x in moved) < 4e-7
