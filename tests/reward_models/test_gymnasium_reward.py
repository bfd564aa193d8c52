"""Reward models around a gymnasium environment: what a step's reward is made of."""

import sys
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

from core_jax.reward_models.formal import compile_reward
from core_jax.reward_models.gymnasium_reward import ModelReward, formal_column, learned_column
from core_jax.reward_models.preference import PreferenceConfig, make_preference

TEXT = """
def compute_reward(observation, action, target_pos):
    near = -abs(observation[0] - target_pos[0])
    return near + 0.5 * action[0], {"near": near}
"""


class Line(gymnasium.Env):
    """Observes a position in a dict; the action is added to it."""

    observation_space = gymnasium.spaces.Dict(
        {"position": gymnasium.spaces.Box(-9.0, 9.0, (2,), np.float64)}
    )
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = np.zeros(2)
        return {"position": self.position.copy()}, {}

    def step(self, action):
        self.position[0] += action[0]
        return {"position": self.position.copy()}, 10.0, False, False, {"own": True}


def position(observation):
    return observation["position"]


def stepped(columns, weights):
    env = ModelReward(Line(), columns, weights, view=position)
    env.reset(seed=0)
    return env.step(np.array([0.5]))


def test_the_reward_is_the_weighted_sum_of_the_columns():
    formal = compile_reward(TEXT, observation_size=2, action_size=1, target_shape=(1,))
    model = make_preference(PreferenceConfig(hidden=(4,)))
    state = model.init(jax.random.key(0), np.zeros(2, np.float32))
    columns = {"formal": formal_column(formal, (2.0,)), "residual": learned_column(model, state)}
    weights = {"formal": 1.0, "residual": 0.5, "env": 0.1}
    obs, reward, terminated, truncated, info = stepped(columns, weights)
    # The observation is the one after the action: 0.5, which is 1.5 from the target.
    expected = float(model.predict(state, np.float32([0.5, 0.0])))
    assert info["own"] and not (terminated or truncated) and obs["position"][0] == 0.5
    assert info["rewards"]["env"] == 10.0
    assert info["rewards"]["formal"] == pytest.approx(-1.5 + 0.25, abs=1e-6)
    assert info["rewards"]["residual"] == pytest.approx(expected, abs=1e-6)
    assert isinstance(reward, float)
    assert reward == pytest.approx(-1.25 + 0.5 * expected + 1.0, abs=1e-6)


def test_what_is_not_finite_counts_as_0_and_what_has_no_weight_is_only_shown():
    columns = {"bad": lambda obs, action: np.nan, "shown": lambda obs, action: obs[0] + action[0]}
    _, reward, _, _, info = stepped(columns, {"bad": 1.0, "env": 1.0})
    assert reward == 10.0 and info["rewards"] == {"env": 10.0, "bad": 0.0, "shown": 1.0}


def test_weights_and_names_are_checked():
    with pytest.raises(ValueError, match=r"no reward column \['formal'\]; there are \['env'\]"):
        ModelReward(Line(), {}, {"formal": 1.0})
    with pytest.raises(ValueError, match="column 'env' is the environment's own reward"):
        ModelReward(Line(), {"env": lambda obs, action: 0.0}, {"env": 1.0})


def test_the_example_runs(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    import gymnasium_reward

    found = gymnasium_reward.main(pairs=8, epochs=1)
    assert set(found) == {"env", "formal", "residual"}
    assert "the residual reward orders" in capsys.readouterr().out
    del sys.modules["gymnasium_reward"]
