"""Branches that are not taken, memory that two names share, assertions and hints.

Each construct of the language is in the corpus of `test_formal_programs.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.formal import RewardError, compile_reward


def program(text: str) -> str:
    body = "\n".join("    " + line for line in text.split("\n"))
    head = "import math\nimport numpy as np\ndef compute_reward(observation, action, target_pos):\n"
    return f"{head}{body}\n    return x, {{'x': x}}\n"


def run(source: str, state):
    namespace = {}
    exec(source, namespace)  # trusted text of this test, the oracle
    with np.errstate(all="ignore"):
        return namespace["compute_reward"](*(np.array(part, np.float64) for part in state))[0]


GUARDED = [
    "x = action[0] / target_pos[0] if target_pos[0] > 0 else 0.0",
    "x = np.where(target_pos[0] > 0, action[0] / target_pos[0], 0.0)",
    "x = np.where(target_pos > 0, np.log(target_pos), target_pos).sum()",
    "x = math.sqrt(target_pos[0]) if target_pos[0] > 0 else -1.0",
    "x = 0.0\nif target_pos[0] > 0:\n    x = np.log(target_pos[0]) / target_pos[0]",
    "x = np.arccos(target_pos[0]) if abs(target_pos[0]) < 1 else 0.0",
    "x = target_pos[0] ** 0.5 if target_pos[0] > 0 else 0.0",
    "x = np.exp(1 / target_pos[0]) if target_pos[0] > 0.1 else 0.0",
    "n = np.linalg.norm(target_pos)\nu = target_pos / n if n > 0 else np.zeros(3)\nx = u[0]",
    "m = np.eye(2) * target_pos[0]\nx = np.linalg.inv(m)[0, 0] if target_pos[0] > 0 else 0.0",
    "def f(v):\n    if v <= 0:\n        return 0.0\n    return np.log10(v) + 1 / v\n"
    "x = f(target_pos[0])",
    "x = target_pos[0] > 0 and 1 / target_pos[0] > 2\nx = 1.0 * x",
    "x = np.where(target_pos[0] > 0, target_pos[0] ** -1.5, 0.0)",
    "x = math.log(target_pos[0], 2) if target_pos[0] > 0 else 0.0",
]


@pytest.mark.parametrize("text", GUARDED)
def test_branches_not_taken_leave_no_nan(text):
    source = program(text)
    reward = compile_reward(source)
    for first in (0.0, -0.3, 2.0, 0.4):
        state = jnp.zeros(11), jnp.ones(4), jnp.array([first, 0.0, 0.0])
        total = jax.value_and_grad(lambda *x: reward(*x)[0], argnums=(0, 1, 2))
        value, gradients = total(*state)
        np.testing.assert_allclose(value, run(source, state), rtol=1e-5, atol=1e-5)
        assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


PARTS = [
    "A = observation[:9].reshape(3, 3)\nx = np.linalg.svd(A)[1][0]",
    "A = action.reshape(2, 2)\nu, s, vt = np.linalg.svd(A, full_matrices=False)\nx = s.sum()",
    "m = np.outer(action, target_pos) + np.eye(4, 3, 1)\n_, s, _ = np.linalg.svd(m)\n"
    "x = s[0] / (s[-1] + 1) + np.eye(2, k=-1)[1, 0] + np.identity(2)[0, 0]",
    "A = observation[:6].reshape(2, 3)\nx = A.item(1, 0) - A.item(0, -1) + A.item(4)",
    "x = observation[:8].reshape(2, 2, 2).item(1, 0, 1)",
]


@pytest.mark.parametrize("text", PARTS)
def test_parts_of_a_matrix_have_numpys_values(text):
    source = program(text)
    reward = compile_reward(source)
    for seed in range(4):
        state = [np.float32(part) for part in np.split(np.random.default_rng(seed).normal(size=18),
                                                       [11, 15])]  # fmt: skip
        np.testing.assert_allclose(reward(*state)[0], run(source, state), rtol=1e-5, atol=1e-5)


def test_vectors_of_an_svd_are_refused_where_they_are_used():
    text = "u, s, vt = np.linalg.svd(observation[:9].reshape(3, 3))\nx = s[0] + u[0, 0]"
    with pytest.raises(RewardError, match=r"line 5.* the signs of the vectors") as refused:
        compile_reward(program(text))
    assert "np.linalg.svd(x)[1]" in str(refused.value)
    with pytest.raises(RewardError, match="out of (range|bounds)"):
        compile_reward(program("x = observation[:6].reshape(2, 3).item(2, 0)"))


REMEMBERED = [
    ("K = np.zeros(2)", "K[0] += 1\nx = K[0]"),
    ("K = np.zeros(2)", "v = K[:1]\nv += 1\nx = v[0]"),
    ("K = {}", "K['n'] = K.get('n', 0) + 1\nx = K['n']"),
    ("K = []", "K.append(1)\nx = len(K)"),
    ("K = []", "k = K\nk += [1]\nx = len(K)"),
    ("def g(k=[]):\n    k.append(1)\n    return len(k)", "x = g()"),
]


@pytest.mark.parametrize("before, text", REMEMBERED)
def test_what_would_be_remembered_between_calls_is_refused(before, text):
    with pytest.raises(RewardError, match="outside of the function would be changed"):
        compile_reward(f"import numpy as np\n{before}\n{program(text)}")


UNCERTAIN = [
    "v = action[:2] if target_pos[0] > 0 else action[2:]\nv[0] = 1.0\nx = action.sum()",
    "v = action[:2] if target_pos[0] > 0 else action[2:]\naction[0] = 1.0\nx = v[0]",
]


@pytest.mark.parametrize("text", UNCERTAIN)
def test_memory_that_a_traced_condition_chose_is_not_guessed(text):
    with pytest.raises(RewardError, match="may or may not share its memory"):
        compile_reward(program(text))


def test_assertions_are_checked():
    reward = compile_reward(program("assert action.shape == (4,)\nassert action[0] < 9\nx = 1.0"))
    assert reward.warnings == ()
    with pytest.raises(RewardError, match="this assertion fails"):
        compile_reward(program("assert len(action) == 3, 'size'\nx = 1.0"))


@pytest.mark.parametrize("text, hint", [
    ("x = np.random.rand()", "remove the randomness"),
    ("import scipy\nx = scipy.pi", ""),
    ("x = np.unique(action).sum()", "compare the elements"),
    ("x = np.linalg.eigvals(np.eye(3))[0]", ""),
    ("x = '%99999999d' % 1", "f-string"),
    ("x = np.linalg.inv(np.eye(40))[0, 0]", "16 rows"),
])  # fmt: skip
def test_hints(text, hint):
    with pytest.raises(RewardError) as caught:
        compile_reward(program(text))
    assert hint in str(caught.value)
