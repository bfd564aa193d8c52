"""A compiled reward: what it was made of, for which states, and what it warns of."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from formal_bodies import HEAD, body, refusal
from formal_sources import PLAIN

from core_jax.reward_models.formal import FormalReward, RewardError, compile_reward, extract_code


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


AGAIN = {  # what a reward returns may be assigned again on some states
    "components": """
    far = np.linalg.norm(observation[:3] - target_pos)
    parts = {"near": np.exp(-far), "effort": -0.1 * np.abs(action).sum()}
    total = parts["near"] + parts["effort"]
    if total < 0.0:
        total = -1.0
        parts = {"near": 0.0, "effort": total}
    return total, parts
""",
    "the pair": """
    result = observation[0], {"a": observation[0], "b": 1.0}
    if action[0] > 0:
        result = -observation[0], {"b": 2.0, "a": 0.0}
    return result
""",
    "twice": """
    parts = {"a": observation[0]}
    if action[0] > 0:
        parts = {"a": observation[1]}
    elif action[1] > 0:
        parts = dict(a=observation[2])
    return sum(parts.values()), parts
""",
}


@pytest.mark.parametrize("case", AGAIN)
def test_what_is_returned_may_be_assigned_again(case):
    source = HEAD + AGAIN[case].strip("\n") + "\n"
    reward, names = compile_reward(source), {}
    exec(source, names)  # trusted text of this test, the oracle
    rng = np.random.default_rng(4)
    for _ in range(12):
        state = [np.float32(rng.normal(size=n)) for n in (11, 4, 3)]
        total, parts = reward(*state)
        expected, named = names["compute_reward"](*map(np.float64, state))
        assert set(parts) == set(named)
        np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-6)
        for name, value in named.items():
            np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("body, message", [
    ("    d = {'a': 1.0, 'b': 2.0}\n    if action[0] > 0:\n        d = {'a': 1.0}\n"
     "    return 1.0, d\n", "'b' is returned on one path only"),
    ("    d = {'a': 1.0}\n    if action[0] > 0:\n        d = None\n    return 1.0, d\n",
     "None or a dict"),
])  # fmt: skip
def test_components_must_be_the_same_on_every_path(body, message):
    assert message in str(refusal(HEAD + body))
