"""What a formal reward may not be: every refusal is located and says what to write instead."""

import math
import random

import numpy as np
import pytest
from formal_bodies import HEAD, body, refusal
from formal_sources import SOURCES

from core_jax.reward_models.formal import RewardError, compile_reward

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


IN_PLACE = "from collections import defaultdict\nd = defaultdict(list)\n"
HANDED_ON = "from collections import defaultdict\nd = defaultdict(float)\n"
FIELDS = "from dataclasses import dataclass\n@dataclass\nclass W:\n    a: float\n    b: float = 2\n"


@pytest.mark.parametrize("text, message", [
    (IN_PLACE + "l = d['a']\nd['a'] += [1.0]\nx = len(l)", "a defaultdict that is handed on"),
    (HANDED_ON + "def f(e): return e['a']\nx = f(d)", "a defaultdict that is handed on"),
    (HANDED_ON + "def f(d): return d['a']\nx = d['b']", "a defaultdict that is handed on"),
    (HANDED_ON + "d[str(len(d))] += 1.0\nx = len(d)", "a defaultdict that is handed on"),
    (FIELDS + "x = W(1.0, a=2.0).a", "`W` takes a, b"),
    (FIELDS + "x = W(1.0, 2.0, 3.0).a", "`W` takes a, b"),
    (FIELDS + "x = W(b=1.0).b", "needs a value for `a`"),
    (FIELDS.replace("b: float = 2", "b: list = []") + "x = W(1.0).a", "lists of constants"),
    ("class C:\n    k = 2.0\nx = C(k=3.0).k", "`C` takes no arguments"),
    ("import operator\nx = operator.attrgetter('T')(action)[0]", "is not available"),
    ("import sys\nx = sys.modules", "is not available"),
    ("import copy\nx = copy.copyreg", "is not available"),
    ("from functools import cache\nx = cache(abs)(action[0])", "cannot be imported"),
    ("import statistics\nx = statistics.stdev([action[0]])", "statistics.stdev of 1 values"),
])  # fmt: skip
def test_of_the_standard_library_only_what_means_the_same(text, message):
    assert message in str(refusal(body(text)))
