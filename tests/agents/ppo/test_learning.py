"""PPO learns: brax's `fast` and `reacher`, a chain of discrete choices, and a task with a time
limit whose values are known."""

import functools
from typing import Any

import brax.envs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.envs.wrappers.training import EpisodeWrapper, VmapWrapper

from core_jax.agents import ppo
from core_jax.agents.types import ActionSpace, Rollout


def train(learner, env, envs, steps, updates, seed=0):
    """Alternates rollouts and updates in one jitted scan.

    An environment whose episode ended starts again from its own first state.

    Args:
        env: batched `reset(keys)` and `step(state, action)`, with `info["truncation"]`.

    Returns:
        The learner's state, metrics `[updates]`, and how often `env.step` was traced.
    """
    # brax's wrappers read the shape of untyped keys
    first = env.reset(jax.random.split(jax.random.PRNGKey(seed), envs))

    def act_and_step(state, env_state, key):
        action, _, extras = learner.act(state, env_state.obs, (), key, jnp.bool_(False))
        new = env.step(env_state, action)
        cut, truncation = new.done, new.info["truncation"]
        discount = 1.0 - cut * (1.0 - truncation)
        seen = Rollout(env_state.obs, action, new.reward, new.obs, discount, cut, extras)
        mask = lambda x: cut.reshape(-1, *[1] * (x.ndim - 1)) > 0
        return jax.tree.map(lambda a, b: jnp.where(mask(b), a, b), first, new), seen

    def iterate(carry, key):
        state, env_state = carry
        collect_key, update_key = jax.random.split(key)
        env_state, rollout = jax.lax.scan(
            functools.partial(act_and_step, state),
            env_state,
            jax.random.split(collect_key, steps),
        )
        state, metrics = learner.update(state, rollout, update_key)
        return (state, env_state), metrics

    @jax.jit
    def run(key):
        init_key, key = jax.random.split(key)
        start = (learner.init(init_key), first)
        (state, _), metrics = jax.lax.scan(iterate, start, jax.random.split(key, updates))
        return state, metrics

    return run(jax.random.key(seed))


def returns(env, act, envs, steps, seed=100):
    """Returns of one episode of each environment, `[envs]`."""

    def step(state, key):
        state = env.step(state, act(state.obs, key))
        return state, state.reward

    @jax.jit
    def run(env_key, key):
        state = env.reset(jax.random.split(env_key, envs))
        _, reward = jax.lax.scan(step, state, jax.random.split(key, steps))
        return jnp.sum(reward, axis=0)

    return np.asarray(run(jax.random.PRNGKey(seed), jax.random.key(seed)))


def test_learns_fast_and_traces_its_step_once():
    """The optimum accelerates at every step: position k (k + 1) / 2 dt^2 after k steps."""
    length, dt = 128, 0.02
    raw = brax.envs.get_environment("fast")
    env = EpisodeWrapper(VmapWrapper(raw), length, action_repeat=1)
    learner = ppo.PPO(ppo.PPOConfig(hidden=(32, 32), actor_lr=1e-3), 2, ActionSpace(1))
    state, _ = train(learner, env, envs=16, steps=length, updates=30)
    assert raw.step_count == 1
    params = learner.policy(state)
    reached = returns(env, lambda obs, _: learner.mode(params, obs), 4, length)
    k = np.arange(1, length + 1)
    np.testing.assert_array_less(0.99 * np.sum(k * (k + 1) / 2) * dt**2, reached)


@pytest.mark.long
def test_learns_reacher():
    length = 100
    raw = brax.envs.get_environment("reacher", backend="positional")
    env = EpisodeWrapper(VmapWrapper(raw), length, action_repeat=1)
    config = ppo.PPOConfig(
        hidden=(64, 64), actor_lr=1e-3, epochs=8, minibatches=8, gamma=0.95, target_kl=0.05
    )
    learner = ppo.PPO(config, raw.observation_size, ActionSpace(raw.action_size))
    state, _ = train(learner, env, envs=64, steps=32, updates=40)
    params = learner.policy(state)
    learned = returns(env, lambda obs, _: learner.mode(params, obs), 64, length)
    uniform = lambda obs, key: jax.random.uniform(key, (64, raw.action_size), minval=-1.0)
    random = returns(env, uniform, 64, length)
    # Targets that training never saw.
    assert learned.mean() > 0.5 * random.mean()
    assert np.mean(learned > random) > 0.9


class Chain:
    """Five cells in a row; action 1 of 3 goes right, 2 left, 0 stays. The last cell gives reward 1
    and ends the episode; after 20 steps a time limit does."""

    cells, limit = 5, 20

    def reset(self, keys: jax.Array) -> brax.envs.State:
        count = keys.shape[0]
        zero = jnp.zeros(count)
        info: dict[str, Any] = {"truncation": zero, "steps": zero}
        return brax.envs.State(zero, self._observe(zero), zero, zero, {}, info)

    def step(self, state: brax.envs.State, action: jax.Array) -> brax.envs.State:
        move = jnp.array([0.0, 1.0, -1.0])[action]
        cell = jnp.clip(state.pipeline_state + move, 0, self.cells - 1)
        reached = (cell == self.cells - 1).astype(jnp.float32)
        steps = state.info["steps"] + 1
        truncation = jnp.where(steps >= self.limit, 1.0 - reached, 0.0)
        return state.replace(
            pipeline_state=cell,
            obs=self._observe(cell),
            reward=reached,
            done=jnp.maximum(reached, truncation),
            info={"truncation": truncation, "steps": steps},
        )

    def _observe(self, cell: jax.Array) -> jax.Array:
        return jax.nn.one_hot(cell.astype(jnp.int32), self.cells)


def test_learns_a_chain_of_discrete_choices():
    config = ppo.PPOConfig(
        hidden=(32,), actor_lr=3e-3, value_lr=1e-2, gamma=0.9, minibatches=4, entropy_weight=0.01
    )
    learner = ppo.PPO(config, Chain.cells, ActionSpace(3, discrete=True))
    state, metrics = train(learner, Chain(), envs=16, steps=32, updates=40)
    rows = jnp.eye(Chain.cells)
    np.testing.assert_array_equal(learner.mode(learner.policy(state), rows)[:4], 1)
    action, _, extras = learner.act(state, rows, (), jax.random.key(0), jnp.bool_(False))
    assert action.dtype == jnp.int32
    # The last cell is 4, 3, 2, 1 steps away; an end does not bootstrap.
    np.testing.assert_allclose(extras["value"][:4], 0.9 ** np.arange(3, -1, -1), atol=0.1)
    assert metrics["explained_variance"][-1] > 0.5


class Constant(Chain):
    """Reward 1 for ever; a time limit of 5 steps starts a new episode."""

    def step(self, state: brax.envs.State, action: jax.Array) -> brax.envs.State:
        steps = state.info["steps"] + 1
        cut = (steps >= 5).astype(jnp.float32)
        return state.replace(
            reward=jnp.ones_like(cut), done=cut, info={"truncation": cut, "steps": steps}
        )


def test_values_bootstrap_through_time_limits():
    """With gamma 0.9 the value is 10, where episodes alone would give at most 4.1."""
    config = ppo.PPOConfig(hidden=(32,), value_lr=1e-2, gamma=0.9, minibatches=4)
    learner = ppo.PPO(config, Chain.cells, ActionSpace(3, discrete=True))
    state, _ = train(learner, Constant(), envs=8, steps=16, updates=60)
    _, _, extras = learner.act(
        state, jnp.eye(Chain.cells)[:1], (), jax.random.key(0), jnp.bool_(False)
    )
    np.testing.assert_allclose(extras["value"], 10.0, atol=0.5)
