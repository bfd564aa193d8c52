"""Where Python raises, a formal reward is refused, or NaN in the states in which it would."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.formal import RewardError, compile_reward

HEAD = (
    "import math\nimport numpy as np\nW = np.array([0.5, 1.0, -2.0])\n"
    "def compute_reward(observation, action, target_pos):\n"
    "    s, t = observation[0], observation[1]\n"
)
# Compiled on states whose numbers are within 2.5 of zero, so a place that needs more is not met.
FAR = (-9.0, 0.5)
NEAR = (0.5, -0.25)


def source(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.split("\n")) + "    return x, {'x': x}\n"


def state(values: tuple[float, float]) -> list[np.ndarray]:
    return [np.concatenate([values, np.zeros(9)]), np.zeros(4), np.zeros(3)]


def python(text: str, values: tuple[float, float]) -> float:
    """What Python gives; NaN if it raises."""
    namespace = {}
    exec(source(text), namespace)  # trusted text of this test, the oracle
    with np.errstate(all="ignore"):
        try:
            return float(namespace["compute_reward"](*state(values))[0])
        except (ValueError, ArithmeticError, TypeError, AttributeError, AssertionError):
            return math.nan


RAISE_FAR = [
    "x = math.sqrt(s + 5)",
    "x = np.clip(math.log(s + 5), -1, 1)",
    "x = 1.0 if math.log2(s + 5) > 0 else 0.0",  # a comparison with NaN would go on
    "x = np.nan_to_num(math.log10(s + 5))",
    "x = max(0.0, math.log1p(s + 5))",
    "x = math.acos(s / 5) + math.asin(s / 5)",
    "x = math.atanh(s / 5) * 0",
    "x = 1.0 if math.acosh(s + 8) > -1 else 0.0",
    "x = math.exp(-math.exp(-100 * s))",  # larger than any float, where NumPy gives infinity
    "x = 1 / math.cosh(100 * s)",
    "x = np.tanh(math.pow(s + 5, 0.5))",
    "x = math.exp(-math.sqrt(s + 5))",
    "x = 1.0 / float(np.maximum(s + 5, 0)) if s < 3 else 0.0",
    "x = min(1.0, float(t) / float(s + 9))",
    "x = float(t) // (float(s) + 9) * 0 + float(t) % (float(s) + 9) * 0",
    "x = max((float(s) + 5) ** 0.5, 0.0)",
    "x = np.exp(-float(abs(float(s) + 9) ** -1.0))",
    "x = 0 * int(np.sqrt(s + 5)) + 0 * math.floor(np.sqrt(s + 5))",
    "x = round(np.sqrt(s + 5)) * 0",
    "assert s > -5, 'far'\nx = s",
    "if s < -5:\n    raise ValueError('far')\nx = s",
    "y = np.where(t > 0, s, t) if s < -5 else t\nx = round(y, 2)",
    "x = (float(s) if s < -5 else s).sum()",
    "y = np.where(t > 9, 1, 2) if s < -5 else 1\ny += 0.5\nx = y",
    "x = 0.0\nfor k in range(3):\n    x += math.sqrt(s + 5 + k)",
    "x = sum([math.sqrt(e + 5) for e in observation])",
    "def f(v):\n    return math.sqrt(v)\nx = np.where(s > -5, f(s + 5), 0.0)",  # both are evaluated
    "x = 1.0 if np.linalg.svd(np.eye(2) * np.log(s + 5), compute_uv=False)[0] > 0 else 0.5",
    "x = 1.0 if np.linalg.pinv(np.eye(2) / np.maximum(s + 5, 0))[0, 0] > 0 else 0.5",
    "x = 1.0 if np.linalg.eigvalsh(np.eye(3) * np.sqrt(s + 5))[0] > 0 else 0.5",
    "x = 1.0 if np.linalg.eigh(np.eye(3) * np.sqrt(s + 5))[0][0] > 0 else 0.5",
    "x = 1.0 if np.linalg.lstsq(np.eye(2) * np.sqrt(s + 5), W[:2])[0][0] > 0 else 0.5",
    "x = 1.0 if np.polyfit(np.sqrt(np.array([s, t]) + 5), W[:2], 1)[0] > 0 else 0.5",
    "x = 1.0 if np.linalg.inv(np.eye(2) * np.maximum(s + 5, 0))[0, 0] > 0 else 0.5",
    "x = 1.0 if np.linalg.solve(np.ones((2, 2)) - (s > -5) * np.eye(2), W[:2])[0] > 0 else 0.5",
    "from scipy.spatial import distance\n"
    "x = 1.0 if distance.euclidean(np.sqrt(np.array([s, t]) + 5), W[:2]) > 0 else 0.5",
    "from scipy import linalg\nx = 1.0 if linalg.norm(np.sqrt(np.array([s, t]) + 5)) > 0 else 0.5",
    "from scipy import linalg\nx = 1.0 if linalg.det(np.eye(2) * np.sqrt(s + 5)) > 0 else 0.5",
    "from scipy.linalg import solve\n"
    "x = 1.0 if solve(np.eye(2), np.sqrt(np.array([s, t]) + 5))[0] > 0 else 0.5",
    "x = 1.0 if np.linalg.matrix_power(np.eye(2) * (s > -5), -2)[0, 0] > 0 else 0.5",
    "x = 1.0 if all(math.log(e + 5) > 0 for e in (t, s, t)) else 0.0",
    "x = 1.0 if any([math.log(e + 5) > 0 for e in (t, s)]) else 0.0",
    "x = 1.0 if t > 0.2 < math.sqrt(s + 5) else 0.0",
]  # fmt: skip


@pytest.mark.parametrize("text", RAISE_FAR)
def test_where_python_raises_there_is_no_reward(text):
    assert math.isnan(python(text, FAR)) and not math.isnan(python(text, NEAR))
    reward = compile_reward(source(text))
    total, parts = reward(*state(FAR))
    assert np.isnan(total) and np.isnan(parts["x"])
    total, parts = reward(*state(NEAR))
    np.testing.assert_allclose([total, parts["x"]], python(text, NEAR), rtol=1e-5, atol=1e-6)


NOT_REACHED = [
    "x = math.sqrt(s + 5) if s > -5 else 0.25",
    "x = 0.25\nif s > -5:\n    x = math.log(s + 5)",
    "x = 1.0 if s < -5 or math.log(s + 5) > 0 else 0.0",
    "x = 1.0 if s > -5 and math.log(s + 5) > 0 else 0.0",
    "x = 1.0 if t < 0.2 < math.sqrt(s + 5) else 0.0",
    "x = 1.0 if any(math.log(e + 5) > 0 for e in (t, s)) else 0.0",
    "x = 1.0 if all(math.log(e + 5) < 0 for e in (t, s)) else 0.0",
    "x = 1.0 if any(map(lambda e: math.log(e + 5) > 0, (t, s))) else 0.0",
    "def f(v):\n    if v < 0:\n        return 0.25\n    return math.sqrt(v)\nx = f(s + 5)",
    "x = 0.0\nfor e in (t, s, t):\n    if e < -5:\n        break\n    x += math.sqrt(e + 5)",
    "x = 0.0\nfor e in (t, s, t):\n    if e < -5:\n        continue\n    x += math.sqrt(e + 5)",
    "x = float(t) / (float(s) + 9) if s > -9 else 0.25",
    "x = 0.25\nif s > -5:\n    assert s > -5\n    x = s",
    # NumPy's numbers do not raise
    "x = np.clip(t / (s + 9), -1, 1)",
    "x = np.clip(1.0 / (s + 9), -1, 1)",
    "x = np.clip(W[0] / float(s + 9), -1, 1)",
    "x = np.clip(float(t) / np.maximum(s + 9, 0), -1, 1)",
    "x = np.nan_to_num(np.sqrt(s + 5)) + np.tanh(s)",
    "x = np.nan_to_num((s + 5) ** 0.5)",
    "x = round(np.where(t > 0, s, t) * 1.0, 2)",
    "x = np.where(t > 0, s, t).sum() + (s if t > 0 else t).sum()",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_REACHED)
def test_what_is_not_reached_or_does_not_raise_does_not_count(text):
    reward = compile_reward(source(text))
    for values in (FAR, NEAR):
        expected = python(text, values)
        assert math.isfinite(expected)
        np.testing.assert_allclose(reward(*state(values))[0], expected, rtol=1e-5, atol=1e-5)
        observation, *rest = state(values)
        slope = jax.grad(lambda x, rest=rest: reward(x, *rest)[0])
        assert np.all(np.isfinite(slope(jnp.float32(observation))))


ALWAYS = [
    ("x = math.sqrt(-1.5 ** 2 + 0.01)", 9, "math.sqrt(-2.24) has no value", "max(x, 0.0)"),
    ("x = s if t > 0 else math.log(0)", 25, "math.log(0)", "small number"),
    ("x = math.exp(1000)", 9, "math.exp(1000)", "limit it"),
    ("x = 1 + math.log(2.0, 1.0)", 13, "math.log(2, 1)", ""),
    ("x = math.sqrt(observation[:1])", 9, "math.sqrt takes a single number", "x[0]"),
    ("x = math.sqrt(action)", 9, "an array of shape (4,)", "np.sum"),
    ("x = float([3])", 9, "float() takes a single number, not a list", "x[0]"),
    ("x = float(action[:1])", 9, "float()", "x[0]"),
    ("x = max(action[:1], 0.0)", 9, "max()", "x[0]"),
    ("x = float(s) / 0.0", 9, "by zero", "y != 0"),
    ("x = round(np.where(t > 0, s, t), 2)", 9, "round() of an array", "np.round"),
    ("x = round(np.array(0.5), 2)", 9, "round() of an array", "np.round"),
    ("x = round(action, 2)", 9, "round() takes a single number", ""),
    ("x = float(s).T", 9, "a number of Python has no `.T`", "leave it out"),
    ("x = np.clip(s, 0.0)", 9, "np.clip needs the arguments a, a_min, a_max", "None"),
    ("x = np.exp(s, 0.1)", 9, "np.exp takes at most 1 arguments", ""),
    ("x = np.maximum(x=s, y=t)", 9, "np.maximum has no argument `x`", "in order"),
    ("x = np.max(action, dtype=float)", 9, "np.max has no argument `dtype`", ""),
    ("x = np.sum(action, 0, True)", 9, "np.sum takes at most 2 arguments", ""),
    ("x = 1.0 if [0] < 0.03 else 0.0", 16, "a list cannot be compared with a number", "np.array"),
    ("x = sum([0] * s)", 13, "no arithmetic with a list", "np.array"),
    ("x = s / (0.1,)", 9, "no arithmetic with a tuple", "np.array"),
    ("a = np.array([1, 2])\na += 0.5\nx = a[0]", 5, "an array of integers", "floats"),
    ("with np.errstate(all='irnore'):\n    x = s", 5, "`with`", "np.errstate(all='ignore')"),
    ("with np.errstate(all='raise'):\n    x = s", 5, "`with`", "np.errstate(all='ignore')"),
    ("x = math.dist(action, 1.0)", 9, "math.dist takes two points", "np.linalg.norm"),
    ("x = math.isclose(s, t, rel_tol=-1)", 9, "tolerance", "rel_tol=1e-6"),
]


@pytest.mark.parametrize("text, column, message, hint", ALWAYS)
def test_what_always_raises_is_refused_where_it_stands(text, column, message, hint):
    with pytest.raises(RewardError) as caught:
        compile_reward(source(text))
    first = caught.value.diagnostics[0]
    lines = text.split("\n")
    assert first.source_line.strip() in [line.strip() for line in lines]
    assert first.column == column, str(first)
    assert message in first.message and hint in first.hint, str(first)


def test_what_raises_on_a_sample_state_is_named():
    text = "x = 0.0\ny = math.sqrt(s) + math.log(s)\nx = min(1.0, 1 / float(s))"
    with pytest.raises(RewardError) as caught:
        compile_reward(source(text))
    shown = [(one.line, one.column, one.message) for one in caught.value.diagnostics]
    # the first place of each state: the square root where s < 0; where all is zero is a warning
    assert shown == [
        (7, 9, "non-finite value: math.sqrt of a negative number on an ordinary state"),
    ]


@pytest.mark.parametrize("text", [
    "x = t / (s + 9) + np.sqrt(abs(s)) + np.where(s > 0, s, t)",
    "x = 1.0 if -0.5 < s <= 0.5 else t\nx += float(s > 0 and t > 0)",
    "x = float(s) if t > 0 else s\ny = min(x, 1.0)\nx = abs(x) * 2 + y + x ** 2 + x / 2",
    "x = float(any(e > 0 for e in action))",
])  # fmt: skip
def test_nothing_is_added_where_nothing_raises(text, monkeypatch):
    from core_jax.reward_models.formal import kinds, lower

    def steps() -> str:
        reward = compile_reward(source(text))
        arguments = (jnp.zeros(11), jnp.zeros(4), jnp.zeros(3))
        return str(jax.make_jaxpr(lambda *x: reward(*x))(*arguments))

    with_kinds = steps()
    monkeypatch.setattr(lower.Evaluator, "raises_in", lambda *arguments: None)
    monkeypatch.setattr(kinds.Kinds, "_note", lambda self, value, *flags: kinds.tidy(value))
    assert steps() == with_kinds and "nan" not in with_kinds


def test_python_counts_its_truth_values():
    reward = compile_reward(source("x = (float(s) > 0) + (float(t) < 0)"))
    assert reward(*state(NEAR))[0] == 2.0


def test_an_array_without_dimensions_is_written_in_place():
    text = "a = np.where(t > 0, s, 0.25)\nb = a\nb += 1.0\nx = a"
    reward = compile_reward(source(text))
    assert reward(*state(NEAR))[0] == python(text, NEAR) == 1.25
