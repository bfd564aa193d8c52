"""The pure part of a run: schedules, seeds that do not depend on each other, one trace for each
function."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.combine import combine
from core_jax.training.config import TrainingConfig
from core_jax.training.streams import seed_keys
from core_jax.training.train import make_train


def fresh(train, small):
    return train.init(seed_keys(small.seed, small.training.seeds))


def copy(tree):
    """A copy whose buffers may be donated."""
    return jax.tree.map(jnp.copy, tree)


@pytest.mark.parametrize(
    ("sizes", "block", "rows"),
    [
        ({"envs": 10, "rollout": 5, "steps": 2_000}, 50, 200),  # as long as the run
        ({"envs": 10, "rollout": 5, "steps": 2_000, "replay": 500}, 50, 50),
        ({"envs": 10, "rollout": 5, "steps": 2_000, "replay": 501}, 50, 55),  # a whole rollout more
        ({"envs": 3, "rollout": 4, "steps": 100}, 12, 36),
    ],
)
def test_blocks_and_replay_rows(sizes, block, rows):
    config = TrainingConfig(**sizes)
    assert (config.block, config.replay_rows) == (block, rows)
    kept = min(config.replay, config.steps)
    assert rows % config.rollout == 0 and kept <= rows * config.envs < kept + block


def test_counts_steps_and_updates(small, after):
    state, rows, _ = after
    training = small.training
    assert int(state.env_steps) == 6 * training.chunk
    blocks = training.chunk // training.block
    # No update while exploring; the block that completes the random steps is followed by one.
    expected = training.updates * (6 * blocks - training.random_steps // training.block + 1)
    np.testing.assert_array_equal(state.seeds.learner.updates, expected)
    np.testing.assert_array_equal(state.seeds.replay.size, 6 * training.chunk // training.envs)
    np.testing.assert_array_equal(rows[0]["critic_loss"], 0.0)
    assert (rows[2]["critic_loss"] > 0).all()


def test_random_actions_do_not_depend_on_the_policy(train, after):
    """The flag that `train_chunk` sets until `random_steps` takes the policy out of the actions."""
    seeds = after[0].seeds
    doubled = jax.tree.map(lambda x: 2.0 * x, seeds.learner.actor)
    other = seeds.replace(learner=dataclasses.replace(seeds.learner, actor=doubled))
    for random, equal in ((True, True), (False, False)):
        flag = jnp.bool_(random)
        first, second = (train.collect(copy(x), flag)[1].action for x in (seeds, other))
        assert bool(jnp.all(first == second)) == equal


def test_the_shapes_of_a_state_are_known_without_computing_it(small, train, after):
    """As a checkpoint is read: functions with compiler options work inside other traces, too."""
    shapes = jax.eval_shape(train.init, seed_keys(0, small.training.seeds))
    sizes = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)
    assert sizes(shapes) == sizes(after[0])


def test_each_function_is_traced_once(train, after):
    stages = {"collect": train.collect, "insert": train.insert, "learn": train.learn_function}
    for name, stage in stages.items():
        # 0 for these six chunks: another test had it traced.
        assert after[2][name] <= 1 <= stage.jitted.traces


def test_a_new_formal_reward_traces_neither_physics_nor_learner(train, after, programs):
    state, _ = train.train_chunk(copy(after[0]), {"formal": [programs.reach, programs.flat]})
    before = dict(train.traces)
    given = [programs.huge, programs.reach]
    state = state.replace(seeds=train.rescore_programs(state.seeds, "formal", given))
    train.train_chunk(state, {"formal": given})
    assert dict(train.traces) == before


def test_a_nonfinite_world_is_counted_and_changes_no_other(small, train, programs):
    """One world of one seed breaks: one episode ends, and what is stored stays finite."""
    given = {"formal": [programs.reach, programs.flat]}
    state, broken = (fresh(train, small) for _ in range(2))
    physics = broken.seeds.env_state.pipeline_state
    physics = physics.replace(qpos=physics.qpos.at[0, 1, 0].set(jnp.nan))
    env_state = broken.seeds.env_state.replace(pipeline_state=physics)
    broken = broken.replace(seeds=broken.seeds.replace(env_state=env_state))
    state, clean_row = train.train_chunk(state, given)
    broken, row = train.train_chunk(broken, given)
    np.testing.assert_array_equal(clean_row["nonfinite"], 0)
    np.testing.assert_array_equal(row["nonfinite"], [1, 0])
    assert row["episodes"][0] == clean_row["episodes"][0] + 1
    others = np.arange(small.training.envs) != 1
    for a, b in zip(
        jax.tree.leaves(state.seeds.env_state.pipeline_state),
        jax.tree.leaves(broken.seeds.env_state.pipeline_state),
        strict=True,
    ):
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(b).all()
        np.testing.assert_array_equal(a[1], b[1])
        np.testing.assert_array_equal(a[0, others], b[0, others])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(broken.seeds.replay.data))


def test_seeds_have_their_own_rewards(after):
    _, rows, _ = after
    assert set(rows[0]["components"][0]) == {"reach", "nonfinite"}
    assert set(rows[0]["components"][1]) == {"flat", "nonfinite"}
    formal = rows[-1]["rewards"]["formal"]
    np.testing.assert_allclose(formal[1], 0.25)
    assert formal[0] != formal[1]


def test_a_seed_is_the_same_run_on_a_device_of_its_own_and_beside_others(small, train, programs):
    assert len(jax.devices()) == 2, "tests/conftest.py shows the CPU as two devices"
    plan = train.plan
    together = make_train(
        small.training, train.env, plan.learner, train.rewards, on=jax.devices()[:1]
    )
    states = []
    for functions in (train, together):
        state = fresh(functions, small)
        for _ in range(3):
            state, _ = functions.train_chunk(state, {"formal": [programs.reach, programs.flat]})
        states.append(state.seeds)
    spread, single = states
    assert (len(spread.carry.devices()), len(single.carry.devices())) == (2, 1)
    early = lambda seeds: jax.tree.map(lambda x: np.asarray(x[:, :25]), seeds.replay.data)
    chex.assert_trees_all_close(early(spread), early(single), atol=1e-4)
    np.testing.assert_array_equal(spread.learner.updates, single.learner.updates)


def test_rewards_are_combined_as_the_weights_say(small, train, after):
    """The formal reward alone before the first fit; (1 - alpha) F + alpha R after it."""
    step = jax.tree.map(lambda x: x[0, :5, :3], after[0].seeds.replay.data)
    columns = {"formal": step.rewards["formal"] + 3.0, "residual": step.rewards["residual"] + 0.2}
    assert train.rewards.weights == {"formal": 1.0, "residual": 0.0}
    np.testing.assert_allclose(combine(train.rewards.weights, columns), columns["formal"])
    alpha = small.settings.feedback.alpha
    mixed = combine({"formal": 1.0 - alpha, "residual": alpha}, columns)
    expected = 0.5 * columns["formal"] + 0.5 * columns["residual"]
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


def test_without_a_formal_reward_the_reward_is_zero_before_the_first_fit(changed, drawer):
    config = changed(frm=False)
    rewards = config.recipe.rewards(config.settings, config.training, drawer)
    assert rewards.weights == {"residual": 0.0} and rewards.columns == ("residual",)


@pytest.mark.parametrize(("method", "column"), [("env_dense", "dense"), ("env_sparse", "sparse")])
def test_baselines_learn_from_the_ground_truth_alone(changed, drawer, method, column):
    config = changed(method=method)
    rewards = config.recipe.rewards(config.settings, config.training, drawer)
    assert rewards.weights == {column: 1.0} and rewards.columns == (column,)


def test_rescoring_gives_what_scoring_gave(train, after, programs):
    state, _, _ = after
    filled = int(state.seeds.replay.size[0])
    # Wherever there was a program, it is found again, by the one program path and the other.
    again = train.rescore_programs(copy(state.seeds), "formal", [programs.reach, programs.flat])
    before = state.seeds.replay.data.rewards["formal"][:, :filled]
    np.testing.assert_allclose(again.replay.data.rewards["formal"][:, :filled], before, atol=1e-6)
    flat = train.rescore_programs(copy(state.seeds), "formal", [programs.flat, programs.flat])
    np.testing.assert_allclose(flat.replay.data.rewards["formal"][:, :filled], 0.25)
    learned = train.rescore(copy(state.seeds), "residual")
    before = state.seeds.replay.data.rewards["residual"][:, :filled]
    np.testing.assert_allclose(
        learned.replay.data.rewards["residual"][:, :filled], before, atol=1e-6
    )


def test_replay_stores_the_true_successor_and_the_target(after):
    data = jax.tree.map(lambda x: np.asarray(x[0]), after[0].seeds.replay.data)
    filled = int(after[0].seeds.replay.size[0])
    same = data.cut[: filled - 1] == 0
    np.testing.assert_allclose(
        data.next_obs[: filled - 1][same], data.obs[1:filled][same], atol=1e-6
    )
    assert (data.cut[:filled] > 0).any(), "staggered starts must have cut some episodes"
    np.testing.assert_array_equal(data.discount[:filled], 1.0)
    np.testing.assert_allclose(data.target[:filled], data.obs[:filled, :, 36:39])


def test_evaluation_does_not_change_the_run(train, after):
    state, _, _ = after
    keys = jax.random.split(jax.random.key(0), 2)
    first = train.evaluate(state.seeds, keys)
    second = train.evaluate(state.seeds, keys)
    chex.assert_trees_all_equal(first, second)
    episodes, record = first
    assert episodes.success.shape == (2, 2)
    assert record.snapshot.shape[:2] == record.cut.shape == (2, train.env.spec.horizon)
    # The record is of the first episode.
    np.testing.assert_array_equal(np.max(record.truth.success, axis=1), episodes.success[:, 0])


def test_every_column_of_a_record_is_scored(train, after, programs):
    state, _, _ = after
    _, record = train.evaluate(state.seeds, jax.random.split(jax.random.key(0), 2))
    given = {"formal": [programs.flat, programs.huge]}
    columns = train.score_record(state.seeds, jax.device_get(record), given)
    horizon = train.env.spec.horizon
    assert {k: v.shape for k, v in columns.items()} == dict.fromkeys(
        ("formal", "residual"), (2, horizon)
    )
    np.testing.assert_allclose(columns["formal"][0], 0.25)
    np.testing.assert_allclose(columns["formal"][1], 1.0)  # clipped to the column's limit
    # Without a program the column is left out.
    assert set(train.score_record(state.seeds, record, {})) == {"residual"}
