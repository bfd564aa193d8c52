"""Tasks with gymnasium's interface: its checker, and what an episode's end gives."""

import sys
from pathlib import Path

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.envs.base import Env, State
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from core_jax.envs.gymnasium_env import SingleTask, VectorTask

EXAMPLES = Path(__file__).parents[2] / "examples"


class Counting(Env):
    """Observes a number drawn at reset and the steps so far; ends where the action is above 0.5."""

    episode_length = 3
    observation_size, action_size, backend = 2, 1, "none"

    def reset(self, rng):
        zero = jnp.zeros(())
        obs = jnp.stack([jax.random.uniform(rng), zero])
        return State(None, obs, zero, zero, {"success": zero}, {})

    def step(self, state, action):
        done = (action[0] > 0.5).astype(jnp.float32)
        obs = state.obs + jnp.array([0.0, 1.0])
        return state.replace(obs=obs, reward=obs[1], done=done, metrics={"success": done})


@pytest.fixture(scope="module")
def envs():
    return VectorTask(Counting(), 3)


def test_one_world_passes_gymnasiums_checker():
    check_env(SingleTask(Counting()), skip_render_check=True)


def test_an_episodes_end_gives_both_observations(envs):
    first, infos = envs.reset(seed=7)
    assert infos == {} and first.shape == (3, 2) and first.dtype == np.float32
    assert len(set(first[:, 0])) == 3
    envs.step(np.zeros((3, 1)))
    # The second step ends world 0; the third is the time limit of the others.
    obs, reward, terminated, truncated, infos = envs.step(np.float32([[1.0], [0.0], [0.0]]))
    np.testing.assert_array_equal(reward, [2.0, 2.0, 2.0])
    assert reward.dtype == np.float64
    assert terminated.tolist() == [True, False, False] and not truncated.any()
    np.testing.assert_array_equal(infos["final_obs"][0], [first[0, 0], 2.0])
    assert infos["final_obs"][1] is None and infos["_final_obs"].tolist() == [True, False, False]
    assert infos["final_info"]["success"].tolist() == [1.0, 0.0, 0.0]
    assert infos["final_info"]["_success"].tolist() == [True, False, False]
    assert infos["_success"].tolist() == [False, True, True]
    assert obs[0, 1] == 0.0 and obs[0, 0] != first[0, 0]
    np.testing.assert_array_equal(obs[1:], [[first[1, 0], 2.0], [first[2, 0], 2.0]])
    obs, _, terminated, truncated, infos = envs.step(np.zeros((3, 1)))
    assert not terminated.any() and truncated.tolist() == [False, True, True]
    np.testing.assert_array_equal(obs[:, 1], [1.0, 0.0, 0.0])
    assert infos["final_obs"][2].tolist() == [first[2, 0], 3.0]
    assert infos["final_info"]["episode_success"].tolist() == [0.0, 0.0, 0.0]


def test_infos_are_those_of_gymnasiums_own_vector_environment(envs):
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    make = [lambda: SingleTask(Counting())] * 3
    theirs = SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP)
    assert theirs.observation_space == envs.observation_space
    assert theirs.action_space == envs.action_space
    actions = np.float32([[1.0], [0.0], [0.0]])
    found = []
    for env in (envs, theirs):
        env.reset(seed=0)
        found.append(env.step(actions))
    for ours, other in zip(found[0][1:4], found[1][1:4], strict=True):
        np.testing.assert_array_equal(ours, other)
        assert ours.dtype == other.dtype
    ours, other = found[0][4], found[1][4]
    assert ours.keys() == other.keys() and ours["final_info"].keys() == other["final_info"].keys()
    for name in ("_final_obs", "_final_info", "success", "_success"):
        np.testing.assert_array_equal(ours[name], other[name])
    assert ours["final_obs"].dtype == other["final_obs"].dtype == object


def test_gymnasiums_statistics_count_the_episodes(envs):
    counted = RecordEpisodeStatistics(envs)
    counted.reset(seed=0)
    for step in range(1, 4):
        actions = np.float32([[1.0], [0.0], [0.0]]) * (step == 2)
        infos = counted.step(actions)[4]
        if step == 2:
            assert infos["episode"]["l"][0] == 2 and infos["episode"]["r"][0] == 3.0
    assert infos["episode"]["l"][1:].tolist() == [3, 3]
    assert infos["episode"]["r"][1:].tolist() == [6.0, 6.0]


def test_a_seed_decides_every_reset(envs):
    def starts(seed):
        found = [envs.reset(seed=seed)[0]]
        found += [envs.step(np.ones((3, 1)))[0], envs.reset()[0]]
        return np.stack(found)

    first = starts(3)
    np.testing.assert_array_equal(first, starts(3))
    assert len(np.unique(first[..., 0])) == 9
    assert not np.array_equal(first, starts(4))


def test_what_cannot_be_done_is_refused(envs):
    with pytest.raises(ValueError, match="call reset before step"):
        VectorTask(Counting(), 2).step(np.zeros((2, 1)))
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions have shape \(3,\); they must have \(3, 1\)"):
        envs.step(np.zeros(3))
    with pytest.raises(ValueError, match=r"options \['reset_mask'\] have no effect"):
        envs.reset(options={"reset_mask": np.ones(3, bool)})
    with pytest.raises(ValueError, match="num_envs must be at least 1, not 0"):
        VectorTask(Counting(), 0)


def test_a_named_task_has_its_spaces():
    envs = VectorTask("drawer-open", 5, protocol="random")
    assert envs.observation_space.shape == (5, 39) and envs.action_space.shape == (5, 4)
    assert isinstance(envs.single_action_space, gymnasium.spaces.Box)
    assert envs.single_action_space.low.tolist() == [-1.0] * 4


def test_the_example_collects_what_actions_led_to(envs, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import gymnasium_task

    found = gymnasium_task.play(envs, 7)
    np.testing.assert_array_equal(found["next_obs"][..., 1], found["obs"][..., 1] + 1.0)
    np.testing.assert_array_equal(found["next_obs"][..., 0], found["obs"][..., 0])
    np.testing.assert_array_equal(found["discount"], ~(found["action"][..., 0] > 0.5))
    assert found["obs"].shape == (7, 3, 2)
    del sys.modules["gymnasium_task"]
