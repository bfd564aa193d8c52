"""The pure part of a run: schedules, invariance over seeds, one trace for each function."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.formal import compile_reward
from core_jax.runs import run_folder
from core_jax.training import rewards
from core_jax.training.rewards import initial_weights, mixed_weights, reward_of
from core_jax.training.train import make_train

REACH = compile_reward("""
import numpy as np
def compute_reward(observation, action, target_pos):
    reach = np.exp(-np.linalg.norm(observation[0:3] - observation[4:7]) / 0.1)
    return reach, {"reach": reach}
""")
FLAT = compile_reward("""
def compute_reward(observation, action, target_pos):
    return 0.25, {"flat": 0.25}
""")
HUGE = compile_reward("""
import numpy as np
def compute_reward(observation, action, target_pos):
    return 5.0 * (1.0 + observation[0] ** 2), {"huge": 5.0 * (1.0 + observation[0] ** 2)}
""")


@pytest.fixture(scope="module")
def after(small, train):
    """The state after six chunks (the first two only explore), and each chunk's metrics."""
    state, rows = train.init(run_folder.seed_keys(small)), []
    for _ in range(6):
        state, row = train.train_chunk(state, [REACH, FLAT])
        rows.append(jax.device_get(row))
    return state, rows


def test_counts_steps_and_updates(small, train, after):
    state, _ = after
    assert int(state.env_steps) == 6 * small.chunk
    blocks = small.chunk // small.block
    # No update while exploring; the block that completes the random steps is followed by one.
    expected = small.updates * (6 * blocks - small.random_steps // small.block + 1)
    np.testing.assert_array_equal(state.lanes.learner.updates, expected)
    np.testing.assert_array_equal(state.lanes.replay.size, 6 * small.chunk // small.envs)


def test_each_function_is_traced_once(train, after):
    assert train.traces["collect"] == train.traces["insert"] == train.traces["learn"] == 1


def test_a_new_formal_reward_traces_neither_physics_nor_sac(small, train, after):
    before = dict(train.traces)
    # Donated buffers: work on a copy, the fixture is shared.
    state = jax.tree.map(jnp.copy, after[0])
    state = state.replace(lanes=train.relabel_formal(state.lanes, [HUGE, REACH]))
    train.train_chunk(state, [HUGE, REACH])
    assert dict(train.traces) == before


def test_a_nonfinite_world_is_counted_and_hurts_no_other(small, train):
    """One world of one seed breaks: one episode ends, and what is stored stays finite."""
    state, broken = (train.init(run_folder.seed_keys(small)) for _ in range(2))
    physics = broken.lanes.env_state.pipeline_state
    physics = physics.replace(qpos=physics.qpos.at[0, 1, 0].set(jnp.nan))
    env_state = broken.lanes.env_state.replace(pipeline_state=physics)
    broken = broken.replace(lanes=broken.lanes.replace(env_state=env_state))
    state, clean_row = train.train_chunk(state, [REACH, FLAT])
    broken, row = train.train_chunk(broken, [REACH, FLAT])
    np.testing.assert_array_equal(clean_row["nonfinite"], 0)
    np.testing.assert_array_equal(row["nonfinite"], [1, 0])
    assert row["episodes"][0] == clean_row["episodes"][0] + 1
    others = np.arange(small.envs) != 1
    for a, b in zip(
        jax.tree.leaves(state.lanes.env_state.pipeline_state),
        jax.tree.leaves(broken.lanes.env_state.pipeline_state),
        strict=True,
    ):
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(b).all()
        np.testing.assert_array_equal(a[1], b[1])
        np.testing.assert_array_equal(a[0, others], b[0, others])
    assert all(np.isfinite(x).all() for x in map(np.asarray, broken.lanes.replay.data))


def test_seeds_have_their_own_rewards(after):
    _, rows = after
    assert set(rows[0]["components"][0]) == {"reach", "nonfinite"}
    np.testing.assert_allclose(rows[-1]["formal"][1], 0.25)
    assert rows[-1]["formal"][0] != rows[-1]["formal"][1]


def test_a_seed_is_the_same_run_on_a_device_of_its_own_and_beside_others(small, train):
    assert len(jax.devices()) == 2, "tests/conftest.py shows the CPU as two devices"
    together = make_train(small, on=jax.devices()[:1])
    states = []
    for functions in (train, together):
        state = functions.init(run_folder.seed_keys(small))
        for _ in range(3):
            state, _ = functions.train_chunk(state, [REACH, FLAT])
        states.append(state.lanes)
    spread, single = states
    assert (len(spread.noise.devices()), len(single.noise.devices())) == (2, 1)
    early = lambda lanes: jax.tree.map(lambda x: np.asarray(x[:, :25]), lanes.replay.data)
    chex.assert_trees_all_close(early(spread), early(single), atol=1e-4)
    np.testing.assert_array_equal(spread.learner.updates, single.learner.updates)


def test_combination_before_and_after_the_first_fit(small, changed, after):
    step = jax.tree.map(lambda x: x[0, :5, :3], after[0].lanes.replay.data)
    step = step._replace(formal=step.formal + 3.0, residual=step.residual + 0.2)
    np.testing.assert_allclose(reward_of(initial_weights(small), step), 1.0)
    np.testing.assert_allclose(
        reward_of(mixed_weights(small), step), 0.5 + 0.5 * step.residual, rtol=1e-6
    )
    no_formal = changed(frm=False)
    np.testing.assert_allclose(reward_of(initial_weights(no_formal), step), 0.0)
    np.testing.assert_allclose(reward_of(mixed_weights(no_formal), step), step.residual)
    dense = changed(method="env_dense")
    np.testing.assert_allclose(reward_of(initial_weights(dense), step), step.dense)


def test_relabelling_gives_what_scoring_gave(train, after):
    state, _ = after
    data = state.lanes.replay.data
    filled = int(state.lanes.replay.size[0])
    value, _ = rewards.score([REACH, FLAT], train.env.spec, data)
    np.testing.assert_allclose(value[:, :filled], data.formal[:, :filled], atol=1e-6)
    lanes = train.relabel_formal(jax.tree.map(jnp.copy, state.lanes), [FLAT, FLAT])
    np.testing.assert_allclose(lanes.replay.data.formal[:, :filled], 0.25)


def test_many_candidates_at_once_are_each_alone(train, after):
    data = jax.tree.map(lambda x: x[0, :5], after[0].lanes.replay.data)
    inputs, view = (data.next_obs, data.action, data.target), train.env.spec.formal_view
    several = [REACH, FLAT, HUGE, REACH]
    together = rewards.values_at_once(several, view, inputs)
    alone = [rewards.batch_function(reward, view)(*inputs)[0] for reward in several]
    assert together.shape == (4, *data.action.shape[:-1])
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)


def test_non_finite_rewards_are_contained_and_counted(train, after):
    source = """
import numpy as np
def compute_reward(observation, action, target_pos):
    far = np.log(observation[0] + 0.5)
    return far, {"far": far}
"""
    reward = compile_reward(source.replace("+ 0.5", "* 0.0 + 0.5"))
    spoiled = dataclasses.replace(reward)
    step = jax.tree.map(lambda x: x[0, :5], after[0].lanes.replay.data)
    evaluate = rewards.batch_function(spoiled, lambda obs: obs[..., :11] * jnp.nan)
    value, means = evaluate(step.next_obs, step.action, step.target)
    assert np.isfinite(value).all() and float(means["nonfinite"]) == value.size


def test_replay_stores_the_true_successor_and_the_target(small, after):
    data = jax.tree.map(lambda x: np.asarray(x[0]), after[0].lanes.replay.data)
    filled = int(after[0].lanes.replay.size[0])
    same = data.cut[: filled - 1] == 0
    np.testing.assert_allclose(
        data.next_obs[: filled - 1][same], data.obs[1:filled][same], atol=1e-6
    )
    assert (data.cut[:filled] > 0).any(), "staggered starts must have cut some episodes"
    np.testing.assert_array_equal(data.discount[:filled], 1.0)
    np.testing.assert_allclose(data.target[:filled], data.obs[:filled, :, 36:39])


def test_evaluation_does_not_change_the_run(train, after):
    state, _ = after
    keys = jax.random.split(jax.random.key(0), 2)
    first = train.evaluate(state.lanes, keys)
    second = train.evaluate(state.lanes, keys)
    chex.assert_trees_all_equal(first, second)
    episodes, film = first
    assert episodes.success.shape == (2, 2)
    assert film.snapshot.shape[:2] == film.success.shape == (2, train.env.spec.horizon)
    # The film is of the first episode.
    np.testing.assert_array_equal(np.max(film.success, axis=1), episodes.success[:, 0])
