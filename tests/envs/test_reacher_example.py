"""examples/brax_reacher: a user's world and reward, as its first lines say they are used."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.reward_models.formal import compile_reward

FOLDER = Path(__file__).parents[2] / "examples" / "brax_reacher"


@pytest.fixture(scope="module")
def env():
    sys.path.append(str(FOLDER))
    yield envs.make("reacher:Reacher")
    sys.path.remove(str(FOLDER))


def test_it_is_described(env):
    spec = env.spec
    assert (spec.observation_size, spec.action_size, spec.target_size) == (11, 2, 0)
    assert (spec.horizon, spec.instruction) == (100, "move the tip of the arm to the target")


def test_it_steps_and_the_reward_prefers_the_target(env):
    wrapper = TrainingWrapper(env, episode_length=4)

    def run(keys):
        state = wrapper.reset(keys)
        step = lambda state, _: (wrapper.step(state, jnp.full((3, 2), 0.3)), state)
        return jax.lax.scan(step, state, length=6)

    last, states = jax.jit(run)(jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(last.info["steps"], [2, 2, 2])
    distance = np.linalg.norm(states.obs[..., 8:11], axis=-1)
    np.testing.assert_allclose(
        states.metrics["progress"][1:3], np.clip(1 - distance[1:3] / 0.4, 0, 1), atol=1e-5
    )
    assert np.all(states.metrics["nonfinite"] == 0)

    spec = env.spec
    reward = compile_reward(
        (FOLDER / "my_reward.py").read_text(),
        observation_size=spec.formal_size,
        action_size=spec.action_size,
        target_shape=(spec.target_size,),
    )
    total, parts = jax.vmap(lambda obs: reward(obs, jnp.zeros(2), jnp.zeros(0)))(
        states.obs.reshape(-1, 11).at[:, 6:8].set(0.0)
    )
    order = np.argsort(distance.ravel())
    assert np.all(np.diff(np.asarray(total)[order]) <= 1e-6) and np.all(np.abs(total) <= 1)
    np.testing.assert_allclose(sum(parts.values()), total, atol=1e-6)
