"""What a formal reward may not be: every refusal is located and says what to write instead."""

import math
import pickle
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from formal_sources import PLAIN, SOURCES

from core_jax.reward_models.formal import FormalReward, RewardError, compile_reward, extract_code

HEAD = "import numpy as np\ndef compute_reward(observation, action, target_pos):\n"
TAIL = "\n    return x, {'x': x}\n"


def body(text: str) -> str:
    lines = "\n".join("    " + line for line in text.strip().splitlines())
    return HEAD + lines + TAIL


def refusal(source: str) -> RewardError:
    with pytest.raises(RewardError) as caught:
        compile_reward(source)
    return caught.value


ESCAPES = [
    "x = ().__class__.__bases__[0].__subclasses__()",
    "x = ().__class__",
    "x = (1).__class__",
    "x = observation.__class__",
    "x = observation.__array_interface__",
    "x = observation._value",
    "x = np.__builtins__",
    "x = np.__dict__['load']",
    "x = np.load('/etc/passwd')",
    "x = np.fromfile('/etc/passwd')",
    "x = np.genfromtxt('/etc/passwd')",
    "x = np.save('/tmp/x', action)",
    "x = np.memmap('/tmp/x')",
    "x = np.lib.format.open_memmap('/tmp/x')",
    "x = np.core.multiarray",
    "x = np.ctypeslib.load_library('c', '/')",
    "x = np.f2py",
    "x = np.testing.runstring('1', {})",
    "x = np.random.rand()",
    "x = np.vectorize(len)",
    "x = np.frompyfunc(len, 1, 1)",
    "x = np.apply_along_axis(len, 0, action)",
    "x = np.fromiter(open('x'), float)",
    "x = np.array(['a'])",
    "x = np.array([1], dtype='object')",
    "x = np.array([1], dtype=object)",
    "x = np.zeros(3, dtype='O')",
    "x = action.astype('object')",
    "x = action.tofile('/tmp/x')",
    "x = action.dump('/tmp/x')",
    "x = action.at[0].set(1)",
    "x = action.addressable_data(0)",
    "x = action.view('int8')",
    "x = action.data",
    "x = open('/etc/passwd').read()",
    "x = eval('1')",
    "exec('import os')\nx = 1",
    "x = compile('1', '', 'eval')",
    "x = __import__('os').system('true')",
    "import os\nx = os",
    "import os.path as np\nx = np",
    "import jax\nx = jax",
    "from os import system\nx = system",
    "from numpy import *\nx = 1",
    "from numpy import load\nx = load",
    "from numpy.lib import format\nx = format",
    "from . import reward\nx = reward",
    "from .. import reward as r\nx = r",
    "import importlib\nx = importlib",
    "x = getattr(np, 'load')",
    "x = setattr(np, 'pi', 3)",
    "x = vars(np)",
    "x = dir(np)",
    "x = globals()['np']",
    "x = locals()",
    "x = type(action)",
    "x = object()",
    "x = isinstance(action[0], float)",
    "x = isinstance(action, object)",
    "x = input()",
    "x = breakpoint()",
    "x = help()",
    "x = memoryview(action)",
    "x = '{0.__class__}'.format(action)",
    "x = f'{action.__class__}'",
    "x = f'{action!r:{action.__class__}}'",
    "x = '%s' % action",
    "x = (lambda *a: a.__class__)()",
    "x = [c for c in ().__class__.__mro__]",
    "x = (g for g in [1]).gi_frame",
    "class A:\n    def f(self): pass\nx = 1",
    "def f(): yield 1\nx = f()",
    "async def f(): pass\nx = 1",
    "@print\ndef f(): pass\nx = 1",
    "def f(a=().__class__): return a\nx = f()",
    "def f(a: __import__('os')): return a\nx = f(1)",
    "def f(): return f.__globals__\nx = f()",
    "def f(): return 1\nx = f.func_globals",
    "def f(): return 1\nf.attribute = 1\nx = f()",
    "np.pi = 3\nx = 1",
    "x = print.__self__",
    "x = sum.__call__",
    "try:\n    x = 1 / 0\nexcept Exception as e:\n    x = e.__traceback__",
    "with open('x') as f:\n    x = 1",
    "global np\nx = 1",
    "raise SystemExit",
    "x = [y := 1 for a in action][0]",
    "a = np.asarray(action, dtype=float)\na[0] = 1\nx = a[0]",
    "match action:\n    case _:\n        x = 1",
    "while True:\n    x = 1",
    "with np.errstate(all=open('x')):\n    x = 1",
    "with np.errstate(all='ignore') as x:\n    pass",
    "try:\n    x = 1\nexcept Exception as e:\n    x = e.__traceback__",
    "if action[0] > 0:\n    x = 1\nelse:\n    raise ValueError('x')",
    "x = ValueError",
    "x = max(**action)",
    "x = {'a': 1}.keys() == {'a': 1}.keys()",
    "x = dict(**{'a': 1})",
    "x = {1, 2}",
    "x = b'abc'",
    "x = 1j",
    "x = [__name__ for __name__ in range(2)]",
    "__x = 1\nx = __x",
    "x = np.array(__file__)",
]


@pytest.mark.parametrize("trick", ESCAPES)
def test_escapes_are_refused(trick):
    error = refusal(body(trick))
    first = error.diagnostics[0]
    lines = body(trick).split("\n")
    assert 3 <= first.line < 3 + len(trick.splitlines()) or "return x" in first.source_line
    assert first.source_line == lines[first.line - 1] and 1 <= first.column <= len(lines[0]) + 99
    assert first.message and first.message in str(error) and "^" in str(error)


LOCATED = [
    ("while True:\n    x = 1", 3, 5, "`while`", "range(N)"),
    ("x = np.exq(action[0])", 3, 9, ".exq", "NumPy"),
    ("x = obsrvation[0]", 3, 9, "obsrvation", "`observation`"),
    ("x = observation[20]", 3, 9, "out of range", "0 to 10"),
    ("x = observation[-12]", 3, 9, "out of range", "0 to 10"),
    ("x = 0\nfor i in range(action[0]):\n    x += 1", 4, 14, "range()", "np.where"),
    ("x = 1 if action > 0 else 0", 3, 14, "ambiguous", "np.any"),
    ("x = observation[:3] - action", 3, 9, "", "shapes"),
    ("z = zip(action, action)\na = list(z)\nx = sum(p for p, q in z)", 5, 27, "used up", "list"),
    ("c = [1, 2]\nx = 0\nfor i, v in enumerate(c):\n    c.append(v)", 5, 9, "length", "copy"),
    (
        "d = {'a': 1, 'c': 2}\nx = 0\nfor k in d:\n    d['b'] = 1",
        5,
        9,
        "changes its length",
        "list",
    ),
    ("x = zip(action, action)[0]", 3, 9, "zip", ""),
    ("import os\nx = os", 3, 5, "`os` cannot be imported", "numpy"),
    ("from typing import Taple\nx = Taple", 3, 5, "`typing.Taple` cannot be imported", "typing"),
    ("if action[0] > 0:\n    y = 1.0\nx = y", 5, 9, "only one branch", "before the `if`"),
    ("d = {}\nif action[0] > 0:\n    d['a'] = 1.0\nx = d['a']", 6, 9, "only one", "before"),
    ("def f(n):\n    return f(n)\nx = f(1)", 4, 16, "calls itself", "for"),
    ("x = [a for a in action if a > 9][0]", 3, 9, "out of range", "test its length"),
    ("x = 9 ** 9 ** 9", 3, 9, "too large", ""),
    ("x = observation[action[0]]", 3, 9, "integer", "int"),
    ("x = {}['a']", 3, 9, "'a'", ""),
    ("x = np.sum(action, out=action)", 3, 9, "`out`", "axis"),
    ("é = 'ü'; x = zzzz", 3, 18, "zzzz", "define"),
]


@pytest.mark.parametrize("text, line, column, message, hint", LOCATED)
def test_refusals_are_located(text, line, column, message, hint):
    first = refusal(body(text)).diagnostics[0]
    assert (first.line, first.column) == (line, column), str(first)
    assert message in first.message and hint in first.hint, str(first)


RETURNS = [
    ("return 1.0", "not two values"),
    ("return 1.0, {}, 2", "3 values"),
    ("return action, {'a': 1}", "the reward is an array"),
    ("return 1.0, 2.0", "not a dict"),
    ("return 1.0, {'a': action}", "'a' is an array"),
    ("return 1.0, {'a': None}", "'a' is None"),
    ("return 1.0, {'a': 'b'}", "'a' is a string"),
    ("return 1.0, {1: 2.0}", "not a string"),
    ("return", "not two values"),
    ("pass", "without `return`"),
    ("if action[0] > 0:\n        return 1.0, {'a': 1}", "without `return`"),
    ("if action[0] > 0:\n        return 1.0, {'a': 1}\n    return 0, {'b': 1}", "'a'"),
]


@pytest.mark.parametrize("text, message", RETURNS)
def test_wrong_returns(text, message):
    error = refusal(HEAD + "    " + text + "\n")
    assert message in error.diagnostics[0].message, str(error)


def test_non_finite_values_name_the_component_and_the_operation():
    text = "    a = np.log(action[0])\n    return a, {'fine': 0.0, 'bad': a}\n"
    error = refusal(HEAD + text)
    assert "non-finite value" in str(error) and "'bad'" in str(error)
    assert len(error.diagnostics) == 1 and "`np.log(action[0])`" in str(error)
    assert error.diagnostics[0].line == 3


def test_what_fails_when_all_inputs_are_zero_is_a_warning():
    reward = compile_reward(body("x = 1 / action[0]"))
    assert len(reward.warnings) == 1 and "when all inputs are zero" in reward.warnings[0]
    sane = "d = target_pos - observation[:3]\nx = (d / np.linalg.norm(d))[0]"
    assert "when all inputs are zero" in compile_reward(body(sane)).warnings[0]


def test_recorded_states_decide_where_there_are_some():
    source = body("x = np.sqrt(observation[2])")
    with pytest.raises(RewardError, match="on an ordinary state"):
        compile_reward(source)
    high = np.full(11, 0.2, np.float32)
    reward = compile_reward(source, states=[(high, np.zeros(4), np.zeros(3))])
    assert any("on an ordinary state" in text for text in reward.warnings)
    with pytest.raises(RewardError, match="recorded state"):
        compile_reward(source, states=[(-high, np.zeros(4), np.zeros(3))])


def test_several_diagnostics_at_once():
    error = refusal(body("import os\nx = eval('1')\nglobal x\ny = _y + os\nasync def f(): pass"))
    assert [found.line for found in error.diagnostics] == [3, 4, 5, 6, 7]
    for found in error.diagnostics:
        assert found.message in str(error) and found.hint in str(error)
        assert found.source_line in str(error)


HOSTILE = [
    "",
    "\0",
    "def f(:",
    "\ud800",
    "x = 1",
    "def f(a):\n    return a",
    "def f(a, b, c):\n    return",
    "x = " + "(" * 300 + ")" * 300,
    "x = " + "-" * 9_000 + "1",
    "x = " + "1+" * 9_000 + "1",
    "x = 1" + ".a" * 9_000,
    "x = [" * 100 + "]" * 100,
    "a" * 20_001,
    "x = " + "9" * 5_000,
    "x = 1\n" * 3_000,
    body("x = 0\nfor i in range(1001):\n    x += 1"),
    body("x = 0\nfor i in range(200):\n    for j in range(200):\n        x += 1"),
    body("x = range(10**12)"),
    body("x = [0] * 10**9"),
    body("x = 'a' * 10**9"),
    body("x = np.zeros(10**9)"),
    body("x = np.ones((1000, 1000, 1000))"),
    body("x = np.outer(np.ones(1000), np.ones(1000))"),
    body("x = np.tile(action, 10**9)"),
    body("x = np.linspace(0, 1, 10**9)"),
    body("x = 2\nfor i in range(100):\n    x = x * x"),
    body("x = 'ab'\nfor i in range(100):\n    x = x + x"),
    body("x = [1]\nfor i in range(100):\n    x = x + x"),
    body("x = [1]\nfor i in range(100):\n    x = [x, x]"),
    body("x = []\nx.append(x)"),
    body("x = {}\nx['a'] = x"),
    body("x = [1]\nfor i in x:\n    x.append(i)\n    x.extend(x)\n    x *= 900"),
    body(
        "x = 0\nfor a in range(40):\n    x = x + 1 if action[0] > x else x\n    y = [x, x] * 99999"
    ),
    body("def f(a): return g(a)\ndef g(a): return f(a)\nx = f(1)"),
    body("x = compute_reward(observation, action, target_pos)[0]"),
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_limits(index):
    assert refusal(HOSTILE[index]).diagnostics


def test_fuzz_raises_nothing_else():
    generator = random.Random(0)
    tokens = "( ) [ ] : , . = + - * / ** @ if for in not np. None {} 0 -1 1e9 'a' x action".split()
    sources = [text for name, text in sorted(SOURCES.items()) if name not in ("loops", "arrays")]
    refused = 0
    for _ in range(300):
        text = list(generator.choice(sources))
        for _ in range(generator.randint(1, 2)):
            place = generator.randrange(60, len(text))
            kind = generator.random()
            if kind < 0.4:
                text[place] = generator.choice(tokens)
            elif kind < 0.7:
                del text[place : place + generator.randint(1, 4)]
            else:
                start = generator.randrange(len(text))
                text[place:place] = text[start : start + generator.randint(1, 30)]
        try:
            compile_reward("".join(text))
        except RewardError as error:
            refused += 1
            assert str(error) and error.diagnostics
    assert refused > 100


def test_reward_is_a_value():
    first, second = compile_reward(PLAIN), compile_reward(PLAIN)
    assert isinstance(first, FormalReward) and first == second and hash(first) == hash(second)
    assert first.name == "compute_reward" and first.source == PLAIN
    assert pickle.loads(pickle.dumps(first)) == first
    jitted = jax.jit(lambda reward, *x: reward(*x)[0], static_argnums=0)
    assert jitted(first, jnp.ones(11), jnp.ones(4), jnp.zeros(3)).shape == ()
    with pytest.raises(ValueError, match="shapes"):
        first(jnp.ones(5), jnp.ones(4), jnp.zeros(3))


def test_other_sizes():
    reward = compile_reward(
        body("x = observation[20] + action[5] + target_pos[1, 1]"),
        observation_size=21,
        action_size=6,
        target_shape=(2, 2),
    )
    value, _ = reward(jnp.ones(21), jnp.ones(6), jnp.ones((2, 2)))
    assert value == 3.0


def test_code_may_divide_by_a_target_that_never_varies():
    source = body("x = observation[0] / target_pos[0]")
    sizes = {"observation_size": 7, "action_size": 1, "target_shape": (1,)}
    assert "when all inputs are zero" in compile_reward(source, **sizes).warnings[0]
    reward = compile_reward(source, **sizes, target=(1.2,))
    assert reward(jnp.full(7, 0.6), jnp.zeros(1), jnp.full(1, 1.2))[0] == 0.5
    assert not reward.warnings


def test_an_assertion_that_fails_on_a_sample_state_is_refused():
    error = refusal(body("assert action[0] > 0, 'no'\nx = action[0]"))
    assert error.diagnostics[0].line == 3 and "this assertion fails" in str(error)


def test_dropped_handlers_are_told():
    reward = compile_reward(body("try:\n    x = action[0]\nexcept ValueError:\n    x = 0.0"))
    assert len(reward.warnings) == 1 and "line 5: the handler was dropped" in reward.warnings[0]


def test_the_named_function_is_preferred():
    text = PLAIN + "\ndef other(a, b, c):\n    return 0.0, {}\n"
    assert compile_reward(text).name == "compute_reward"
    assert compile_reward(text.replace("compute_reward", "first")).name == "other"


def test_extract_code():
    reply = f"Here:\n```\nno code\n```\n1. so\n```python\nK = 2\n{PLAIN}```\nand\n```python\nx\n```"
    code = extract_code(reply)
    assert code.startswith("K = 2\n") and compile_reward(code).name == "compute_reward"
    assert extract_code(PLAIN).strip() == PLAIN.strip()
    assert "def compute_reward" in extract_code(f"```\n{PLAIN}\n```")
    assert "def compute_reward" in extract_code(f"Sure.\n```python\n{PLAIN}")
    indented = "\n".join("   " + line for line in f"```python\n{PLAIN}\n```".splitlines())
    assert compile_reward(extract_code("1. reward\n" + indented)).name == "compute_reward"
    for empty in ("", "I cannot help.", "```python\nx = 1\n```", "```"):
        with pytest.raises(RewardError, match="no Python code"):
            extract_code(empty)


@pytest.mark.parametrize("text, message", [
    ("x = np.exp(observation[0] > 0)", "half precision"),
    ("x = np.sum(np.tanh(observation[:3] > 0))", "half precision"),
    ("x = np.arctan2(observation[0] > 0, action[0] > 0)", "half precision"),
    ("x = 0.2 * +(observation[0] > 0)", "no np.positive"),
    ("x = np.clip(observation[0] > 0)", "truth values"),
    ("x = np.percentile(observation[:3] > 0, 50)", "truth values"),
    ("x = np.quantile(observation[:3], 2.0)", "0 to 1"),
    ("x = np.quantile(observation[:3], action[0])", "constants"),
    ("x = 1.0 * np.digitize(observation[0], target_pos)", "constants in order"),
    ("x = 2 ** (np.argmax(action) - 2)", "negative whole power"),
    ("x = 1.0 * np.argmax(action) ** -1", "negative whole power"),
    ("x = np.power(np.argmax(action), -2)", "negative whole power"),
    ("x = np.quantile(q=0.5)", "needs the arguments a, q"),
    ("x = np.digitize(observation[0])", "needs the arguments x, bins"),
    ("x = 1.0 * np.reciprocal(1 + np.argmax(action))", "whole numbers"),
    ("x = np.select([1.0 * (observation[0] > 0)], [1.0])", "comparisons"),
    ("x = [observation[0]]", "reduce"),
])  # fmt: skip
def test_what_numpy_refuses_or_computes_in_half_precision(text, message):
    found = refusal(body(text)).diagnostics
    assert any(message in one.message + one.hint for one in found), found
    assert all(one.line >= 3 for one in found)


@pytest.mark.parametrize("text", [
    "x = np.exp((observation[0] > 0).astype(float)) + math.exp(observation[0] > 0)",
    "x = 0.2 * +(float(observation[0]) > 0)",
    "x = np.sum(action > 0) ** 2 + np.power(np.argmax(action), 3) + 2 ** np.argmax(action)",
    "x = (observation[0] > 0) ** 2 + np.argmax(action) ** 0.5 + int(observation[0] + 9) ** -1",
    "x = 2.0 ** (np.argmax(action) - 2) + np.digitize(observation[0], [-0.5, 0.0, 0.5])",
    "x = np.floor_divide(np.argmax(action), np.sum(action > 9)) + np.fmod(3, np.argmax(action))",
])  # fmt: skip
def test_what_stays_allowed_agrees_with_numpy(text):
    source = "import math\n" + body(text)
    reward = compile_reward(source)
    rng = np.random.default_rng(3)
    for _ in range(20):
        state = [rng.normal(size=n) for n in (11, 4, 3)]
        names = {"np": np, "math": math}
        with np.errstate(all="ignore"):
            exec(source, names)
            expected = names["compute_reward"](*state)[0]
        np.testing.assert_allclose(reward(*state)[0], float(expected), rtol=1e-5, atol=1e-6)
