"""Fixtures of the environment tests: each physics program is compiled once for the session."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.metaworld import experts
from core_jax.envs.wrappers import TrainingWrapper

WRAPPED_LENGTH = 5
WRAPPED_COUNT = 4


@pytest.fixture(scope="session")
def paper_env():
    return envs.make("drawer-open")


@pytest.fixture(scope="session")
def random_env():
    return envs.make("drawer-open", protocol="random")


@pytest.fixture(scope="session")
def reset(random_env):
    return jax.jit(random_env.reset)


class CountedStep:
    """A jitted step that counts how often it is traced."""

    def __init__(self, env):
        self.traces = 0

        def step(state, action):
            self.traces += 1
            return env.step(state, action)

        self._step = jax.jit(step)

    def __call__(self, state, action):
        return self._step(state, jnp.asarray(action, jnp.float32))


@pytest.fixture(scope="session")
def step(random_env):
    return CountedStep(random_env)


@pytest.fixture(scope="session")
def expert_run(random_env):
    """The expert from 100 random resets, 150 steps: arrays with axes [time, episode, ...]."""
    act = jax.vmap(experts.expert("drawer-open"))
    keys = jax.random.split(jax.random.key(7), 100)

    @jax.jit
    def run(keys):
        def body(state, _):
            action = act(state.obs)
            after = jax.vmap(random_env.step)(state, action)
            return after, (state.obs, action, after.obs, after.reward, after.metrics)

        start = jax.vmap(random_env.reset)(keys)
        return start, jax.lax.scan(body, start, length=150)[1]

    start, (obs, action, next_obs, reward, metrics) = run(keys)
    return {
        "start": start,
        "obs": np.asarray(obs),
        "action": np.asarray(action),
        "next_obs": np.asarray(next_obs),
        "reward": np.asarray(reward),
        **{k: np.asarray(v) for k, v in metrics.items()},
    }


@pytest.fixture(scope="session")
def wrapped(random_env):
    """A wrapped environment of 4 worlds and 5 steps an episode: (reset, step), both jitted."""
    wrapper = TrainingWrapper(random_env, episode_length=WRAPPED_LENGTH)
    return jax.jit(wrapper.reset), jax.jit(wrapper.step)
