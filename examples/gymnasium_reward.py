"""A formal and a residual reward around anybody's environment: gymnasium's pendulum.

    pip install 'core-jax[gymnasium]'
    python examples/gymnasium_reward.py

The formal reward is a text that a language model could have written. The residual reward is fitted
to preferences between clips of random play; here the pendulum's own reward says which is better.
"""

from __future__ import annotations

import gymnasium
import jax
import numpy as np

from core_jax.reward_models.formal import compile_reward
from core_jax.reward_models.gymnasium_reward import ModelReward, formal_column, learned_column
from core_jax.reward_models.preference import PreferenceConfig, Preferences, make_preference

FORMAL = """
def compute_reward(observation, action, target_pos):
    upright = observation[0]  # cosine of the angle
    effort = 0.01 * action[0] ** 2
    return upright - effort, {"upright": upright, "effort": -effort}
"""


def clips(env: gymnasium.Env, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips of random play: observations [count, length, obs] and returns [count]."""
    frames, returns = [], []
    for i in range(count):
        obs, _ = env.reset(seed=i)
        rows, total = [], 0.0
        for _ in range(length):
            obs, reward, *_ = env.step(env.action_space.sample())
            rows.append(obs)
            total += float(reward)
        frames.append(rows)
        returns.append(total)
    return np.array(frames, np.float32), np.array(returns)


def fitted(env: gymnasium.Env, pairs: int = 50, length: int = 10, epochs: int = 20):
    """A residual reward (model, state) fitted to preferences, and its accuracy on them."""
    frames, returns = clips(env, 2 * pairs, length)
    none = np.zeros((pairs, length), np.float32)  # no scores of single frames
    data = Preferences(
        frames[:pairs], frames[pairs:], np.float32(returns[pairs:] > returns[:pairs]), none, none
    )
    model = make_preference(PreferenceConfig(hidden=(32, 32), epochs=epochs))
    state = model.init(jax.random.key(0), frames[0, 0])
    state = model.standardise(state, frames.reshape(-1, frames.shape[-1]))
    state, metrics = jax.jit(model.fit)(state, data, pairs, jax.random.key(1))
    return model, state, float(metrics["accuracy"])


def main(pairs: int = 50, epochs: int = 20) -> dict[str, float]:
    """Wraps the pendulum; returns the columns of one step."""
    env = gymnasium.make("Pendulum-v1")
    formal = compile_reward(FORMAL, observation_size=3, action_size=1, target_shape=(0,))
    model, state, accuracy = fitted(env, pairs, epochs=epochs)
    print(f"the residual reward orders {accuracy:.0%} of its pairs as the labels do")
    columns = {"formal": formal_column(formal), "residual": learned_column(model, state)}
    wrapped = ModelReward(env, columns, weights={"formal": 1.0, "residual": 0.5})
    wrapped.reset(seed=0)
    _, reward, _, _, info = wrapped.step(np.zeros(1, np.float32))
    print(f"reward {reward:.3f} of {info['rewards']}")
    return info["rewards"]


if __name__ == "__main__":
    main()
