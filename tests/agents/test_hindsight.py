"""Hindsight experience replay: which goals are drawn, and what a transition becomes with one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import hindsight, replay

ENVS, ROWS, LONGEST = 2, 12, 5
DENSE_SCALE, GAMMA = 2.0, 0.9


class Goals(NamedTuple):
    """An observation is a place and the goal, one number each."""

    achieved: tuple[int, int] = (0, 1)
    desired: tuple[int, int] = (1, 2)
    close: float = 0.5


def step(row, env, cut=0.0, success=0.0):
    """The step from `10 env + row` to the next place, with the goal 100."""
    f32 = jnp.float32
    place = f32(10.0 * env + row)
    reward = f32(success)
    return replay.Transition(
        obs=jnp.stack([place, f32(100.0)]), action=jnp.zeros(1),
        next_obs=jnp.stack([place + 1.0, f32(100.0)]), target=jnp.full(1, 100.0),
        snapshot=jnp.zeros(1), rewards={"sparse": reward},
        truth=replay.Truth(DENSE_SCALE * (place + 1.0 - 100.0), f32(0.3), reward),
        discount=f32(1.0 - success), cut=f32(cut),
    )  # fmt: skip


@pytest.fixture(scope="module")
def ring():
    """Rows 0 to 11 with the oldest two replaced by 12 and 13; the first world's episodes end with
    rows 4, 7 (at its goal) and 13, the second's with row 9."""
    state = replay.init(step(0, 0), ROWS, ENVS)
    for start in range(0, 14, 2):
        block = [
            [
                step(row, env, cut=float(row in ((4, 7, 13), (9,))[env]), success=float(row == 7))
                for env in range(ENVS)
            ]
            for row in (start, start + 1)
        ]
        state = replay.add(
            state,
            jax.tree.map(
                lambda *x: jnp.stack(x), *[jax.tree.map(lambda *y: jnp.stack(y), *b) for b in block]
            ),
        )
    return state


def drawn(ring, row, env, count=200):
    """The goals drawn for the transition of a row (not its age) in many draws."""
    age = jnp.full(count, row - 2)  # the oldest row is 2
    envs = jnp.full(count, env)
    keys = jax.random.split(jax.random.key(row), 1)[0]
    goals = hindsight.later_goals(ring, keys, age, envs, LONGEST, Goals())
    return np.asarray(goals)[:, 0]


@pytest.mark.parametrize(
    ("row", "env", "last"), [(2, 0, 4), (4, 0, 4), (5, 0, 7), (12, 0, 13), (8, 1, 9), (13, 1, 13)]
)
def test_goals_are_places_from_the_step_to_the_end_of_its_episode(ring, row, env, last):
    places = 10.0 * env + np.arange(row, last + 1) + 1.0
    found, counts = np.unique(drawn(ring, row, env), return_counts=True)
    np.testing.assert_array_equal(found, places)
    assert counts.min() > 0.6 * 200 / len(places)  # each equally likely


def test_an_episode_without_an_end_is_looked_at_as_far_as_one_is_long(ring):
    found = np.unique(drawn(ring, 2, 1))
    np.testing.assert_array_equal(found, 10.0 + np.arange(2, 2 + LONGEST) + 1.0)


def test_a_goal_where_the_step_begins_is_none():
    obs = jnp.array([[3.0, 100.0], [3.0, 100.0], [3.0, 100.0]])
    to = jnp.array([[3.4], [3.5], [7.0]])  # close is less than 0.5
    np.testing.assert_array_equal(hindsight.not_yet_there(obs, to, Goals()), [False, True, True])


def test_what_a_transition_becomes():
    two = jax.tree.map(lambda *x: jnp.stack(x), step(3, 0), step(7, 0, cut=1.0, success=1.0))
    to = jnp.array([[4.2], [3.0]])
    new = hindsight.relabelled(two, to, jnp.array([True, True]), Goals(), DENSE_SCALE)
    np.testing.assert_allclose(new.obs, [[3.0, 4.2], [7.0, 3.0]])
    np.testing.assert_allclose(new.next_obs, [[4.0, 4.2], [8.0, 3.0]])
    np.testing.assert_allclose(new.target, to)
    np.testing.assert_allclose(new.truth.dense, [-DENSE_SCALE * 0.2, -DENSE_SCALE * 5.0], rtol=1e-5)
    np.testing.assert_array_equal(new.truth.success, [1.0, 0.0])
    # The first reaches its goal, which ends the episode; the second did, and is only cut now.
    np.testing.assert_array_equal(new.discount, [0.0, 1.0])
    np.testing.assert_array_equal(new.cut, [1.0, 1.0])
    np.testing.assert_array_equal(new.truth.progress, two.truth.progress)


def test_what_is_not_chosen_stays():
    two = jax.tree.map(lambda *x: jnp.stack(x), step(3, 0), step(7, 0, cut=1.0, success=1.0))
    same = hindsight.relabelled(two, jnp.zeros((2, 1)), jnp.zeros(2, bool), Goals(), DENSE_SCALE)
    jax.tree.map(np.testing.assert_array_equal, same, two)


def test_a_window_ends_where_the_new_goal_is_reached(ring):
    row, env = jnp.array([0, 0]), jnp.array([0, 1])  # row 2 of both worlds
    to = jnp.array([[4.0], [15.0]])  # reached by the steps of rows 3 and 4

    def change(window):
        new = hindsight.relabelled(window, to, jnp.array([True, True]), Goals(), DENSE_SCALE)
        return new._replace(rewards={"sparse": new.truth.success})

    read = lambda step: step.rewards["sparse"]
    got = replay.gather_n_step(ring, row, env, read, 3, GAMMA, change)
    np.testing.assert_allclose(got.reward, [GAMMA, GAMMA**2], rtol=1e-5)
    np.testing.assert_array_equal(got.discount, [0.0, 0.0])
    np.testing.assert_allclose(got.next_obs, [[4.0, 4.0], [15.0, 15.0]])
    plain = replay.gather_n_step(ring, row, env, read, 3, GAMMA)
    np.testing.assert_array_equal(plain.reward, [0.0, 0.0])
    np.testing.assert_allclose(plain.discount, [GAMMA**3, GAMMA**3], rtol=1e-5)
