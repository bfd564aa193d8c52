"""Reward programs on batches: clipped, finite, and together what they are alone."""

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.reward_models.formal import compile_reward
from core_jax.training import programs as scoring
from core_jax.training.programs import ProgramColumn
from core_jax.training.state import EpisodeRecord


def steps_of(after):
    return jax.tree.map(lambda x: x[0, :5], after[0].seeds.replay.data)


def inputs_of(after):
    data = steps_of(after)
    return data.next_obs, data.action, data.target


def test_values_are_clipped_to_the_columns_limit(train, after, programs):
    data = jax.tree.map(lambda x: x[:, :5], after[0].seeds.replay.data)
    view, given = train.env.spec.formal_view, [programs.huge, programs.huge]
    for limit in (1.0, 100.0):
        value, _ = scoring.score(ProgramColumn("formal", limit), given, view, data)
        if limit == 1.0:
            np.testing.assert_array_equal(value, 1.0)
        else:  # 5 (1 + x^2) of the hand's x
            expected = 5.0 * (1.0 + view(data.next_obs)[..., 0] ** 2)
            np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_a_seed_without_a_program_gets_zeros(train, after, programs):
    data = jax.tree.map(lambda x: x[:, :5], after[0].seeds.replay.data)
    column, view = ProgramColumn("formal", 1.0), train.env.spec.formal_view
    value, components = scoring.score(column, [None, programs.flat], view, data)
    np.testing.assert_allclose(value[0], 0.0)
    np.testing.assert_allclose(value[1], 0.25)
    assert components[0] == {} and set(components[1]) == {"flat", "nonfinite"}
    for given in (None, [None, None]):
        value, components = scoring.score(column, given, view, data)
        assert value.shape == data.cut.shape and not value.any() and components == [{}, {}]


def test_many_candidates_at_once_are_each_alone(train, after, programs):
    inputs, view = inputs_of(after), train.env.spec.formal_view
    several = [programs.reach, programs.flat, programs.huge, programs.reach]
    together = scoring.values_at_once(several, view, inputs)
    alone = [scoring.batch_function(program, view)(*inputs)[0] for program in several]
    assert together.shape == (4, *inputs[1].shape[:-1])
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)


def test_discrete_actions_are_one_hot_to_a_program():
    source = "def compute_reward(observation, action, target_pos):\n    r = observation[0] + "
    source += "2.0 * action[1] + 3.0 * action[2]\n    return r, {'r': r}\n"
    program = compile_reward(source, observation_size=2, action_size=3, target_shape=(0,))
    obs = jnp.array([[[0.1, 0.0], [0.2, 0.0]], [[0.3, 0.0], [0.4, 0.0]], [[0.5, 0.0], [0.6, 0.0]]])
    action, target = jnp.array([[0, 1], [2, 0], [1, 2]]), jnp.zeros((3, 2, 0))
    value, means = scoring.batch_function(program, lambda obs: obs)(obs, action, target)
    expected = np.array([[0.1, 2.2], [3.3, 0.4], [2.5, 3.6]])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(means["r"], expected.mean(), rtol=1e-6)


def test_non_finite_rewards_are_contained_and_counted(after, programs):
    inputs = inputs_of(after)
    spoiled = lambda obs: jnp.where(jnp.arange(5)[:, None, None] == 2, jnp.nan, obs[..., :11])
    value, means = scoring.batch_function(programs.reach, spoiled)(*inputs)
    assert np.isfinite(value).all() and (value[2] == 0).all()
    assert float(means["nonfinite"]) == value[2].size
    # A component's mean leaves what is not finite out as 0.
    np.testing.assert_allclose(means["reach"], np.mean(value), rtol=1e-5)
    together = scoring.values_at_once([programs.reach], spoiled, inputs)
    np.testing.assert_allclose(together[0], value, rtol=1e-6)


def test_an_episodes_column_is_its_blocks(train, after, programs):
    """The same steps as one world of a block and as an episode give the same values."""
    column, view = ProgramColumn("formal", 1.0), train.env.spec.formal_view
    given = [programs.reach, programs.reach]
    data = jax.tree.map(lambda x: x[:, :7], after[0].seeds.replay.data)
    block, _ = scoring.score(column, given, view, data)
    at = lambda x: x[:, :, 3]
    one = EpisodeRecord(
        at(data.next_obs), at(data.action), at(data.target), at(data.snapshot),
        jax.tree.map(at, data.truth), at(data.cut),
    )  # fmt: skip
    episode = scoring.score_episodes(column, given, view, one)
    np.testing.assert_allclose(episode, block[:, :, 3], rtol=1e-6)
