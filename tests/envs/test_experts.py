"""Experts of every skill: exact without errors, ordered by skill, one program for a batch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.envs.metaworld import experts
from core_jax.envs.metaworld.experts import EXPERT, MIDDLING, POOR, Skill

TASK = "drawer-open"
STEPS, BATCH = 150, 48
FULL = Skill(noise=0.5, slip=0.1, slip_length=10.0, stop=0.01)


def stacked(skills):
    return jax.tree.map(lambda *x: jnp.asarray(x, jnp.float32), *skills)


class CountedRollouts:
    """Jitted batches of 150-step rollouts, one skill a world, that count how often they trace."""

    def __init__(self, env):
        self.traces = 0

        def play(keys, skills):
            self.traces += 1
            return jax.vmap(lambda k, s: experts.rollout(env, k, s, STEPS))(keys, skills)

        self._play = jax.jit(play)

    def __call__(self, seed, skills):
        keys = jax.random.split(jax.random.key(seed), BATCH)
        worlds = [skills[i * len(skills) // BATCH] for i in range(BATCH)]
        return jax.tree.map(np.asarray, self._play(keys, stacked(worlds)))


@pytest.fixture(scope="module")
def rollouts(random_env):
    return CountedRollouts(random_env)


@pytest.fixture(scope="module")
def noisy_actions():
    """A jitted 2,000-step record of what a noisy expert does while its observation stands still."""

    @jax.jit
    def play(skill, key, obs):
        noisy = experts.noisy_expert(TASK, skill)

        def body(imperfection, key):
            imperfection, action = noisy.act(imperfection, obs, key)
            return imperfection, (action, imperfection.slip, imperfection.stopped)

        return jax.lax.scan(body, noisy.init(key), jax.random.split(key, 2000))[1]

    def record(skill, seed=0):
        obs = jnp.zeros(39).at[:7].set(jnp.array([0.0, 0.6, 0.2, 1.0, 0.1, 0.73, 0.09]))
        skill = jax.tree.map(jnp.float32, skill)
        out = jax.tree.map(np.asarray, play(skill, jax.random.key(seed), obs))
        return (*out, np.asarray(experts.expert(TASK)(obs)))

    return record


def test_success_is_ordered_by_skill(rollouts):
    success = np.concatenate(
        [rollouts(seed, [EXPERT, MIDDLING, POOR]).success.max(axis=1) for seed in (0, 1)]
    )
    thirds = success.reshape(2, 3, BATCH // 3).mean(axis=(0, 2))
    assert thirds[0] == 1.0
    assert 0.3 <= thirds[1] <= 0.85 and thirds[2] <= 0.35
    assert thirds[0] > thirds[1] > thirds[2] + 0.1


def test_an_expert_without_errors_is_the_plain_expert(rollouts, noisy_actions):
    played = rollouts(0, [EXPERT])
    plain = jax.vmap(jax.vmap(experts.expert(TASK)))(played.obs)
    np.testing.assert_allclose(played.action, plain, atol=1e-6)
    action, slip, stopped, meant = noisy_actions(EXPERT)
    np.testing.assert_array_equal(action, np.broadcast_to(meant, action.shape))
    assert not slip.any() and not stopped.any()


def test_a_trajectory_is_what_the_environment_did(rollouts, step, reset):
    played = rollouts(3, [FULL])
    np.testing.assert_array_equal(played.obs[:, 1:], played.next_obs[:, :-1])
    np.testing.assert_array_equal(played.success, played.progress >= 1)
    np.testing.assert_array_equal(played.obs[:, 0, 36:], played.target)
    assert np.abs(played.action).max() <= 1 and not played.nonfinite.any()
    key = jax.random.split(jax.random.key(3), BATCH)[7]
    state = reset(jax.random.split(key, 3)[0])
    for t in range(90):
        np.testing.assert_allclose(played.obs[7, t], state.obs, atol=1e-3)
        state = step(state, played.action[7, t])
        np.testing.assert_allclose(played.reward[7, t], state.reward, atol=0.05)


def test_vmap_is_a_loop_and_traces_once(random_env, rollouts):
    played = rollouts(5, [FULL, POOR])
    rollouts(6, [EXPERT])
    assert rollouts.traces == 1
    key = jax.random.split(jax.random.key(5), BATCH)[0]
    alone = jax.jit(lambda k, s: experts.rollout(random_env, k, s, STEPS))
    alone = alone(key, jax.tree.map(jnp.float32, FULL))
    np.testing.assert_allclose(played.obs[0], alone.obs, atol=1e-3)
    np.testing.assert_allclose(played.action[0], alone.action, atol=0.05)


def test_noise_is_correlated_and_as_strong_as_told(noisy_actions):
    action, _, _, meant = noisy_actions(Skill(noise=0.1, noise_lag=8.0))
    free = np.abs(meant) < 0.5  # where clipping does not bite
    noise = (action - meant)[:, free]
    assert free.any() and 0.08 < noise.std() < 0.12
    lagged = np.mean(noise[8:] * noise[:-8]) / noise.var()
    assert 0.2 < lagged < 0.55  # 1 / e at the lag


def test_slips_do_what_they_say(noisy_actions):
    action, slip, _, meant = noisy_actions(Skill(slip=0.05, slip_length=20.0))
    assert 0.35 < (slip > 0).mean() < 0.65  # 20 of every 40 steps
    assert set(np.unique(slip)) == {0, 1, 2, 3}
    np.testing.assert_allclose(action[slip == 0], np.broadcast_to(meant, (sum(slip == 0), 4)))
    assert (action[slip == 1, 3] == -1).all()
    assert not action[slip == 3, :3].any()
    same = (slip[1:] == 2) & (slip[:-1] == 2)
    assert np.mean((action[1:] == action[:-1]).all(axis=1)[same]) > 0.95  # one way per slip


def test_a_stopped_expert_moves_no_more(noisy_actions):
    ends = []
    for seed in range(20):
        action, _, stopped, meant = noisy_actions(Skill(stop=0.02), seed)
        first = int(stopped.argmax())
        assert stopped[first:].all() and not action[first:, :3].any()
        np.testing.assert_array_equal(action[first:, 3], meant[3])  # the fingers stay as they were
        ends.append(first)
    assert 20 < np.mean(ends) < 90 and len(set(ends)) > 10


def test_skills_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXPERT.noise = 1.0
    assert EXPERT == Skill()


def test_unknown_task():
    with pytest.raises(ValueError, match="drawer-open"):
        experts.noisy_expert("soccer-with-hands", EXPERT)
