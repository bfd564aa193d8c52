"""The table-top tasks: measures and experts in closed-form cases, rules of settling, graded
policies."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs import rendering
from core_jax.envs.tabletop import base, block_in_bowl, packing, piles, policies

TASKS = envs.names("tabletop")


def at(x, y):
    return jnp.array([x, y])


@pytest.fixture(scope="module")
def bowls():
    """Two red blocks and three green bowls."""
    far = block_in_bowl.FAR
    blocks = jnp.full((6, 2), far).at[:2].set(jnp.array([[0.3, 0.0], [0.3, 0.2]]))
    green = jnp.full((6, 2), far).at[:3].set(jnp.array([[0.5, 0.0], [0.5, 0.2], [0.6, -0.3]]))
    return block_in_bowl.Table(blocks, jnp.zeros(6), green, jnp.int32(3), jnp.int32(2))


def moved(table, *places):
    blocks = table.blocks.at[: len(places)].set(jnp.array(places))
    return dataclasses.replace(table, blocks=blocks)


def test_a_bowl_counts_once_and_a_block_within_5_cm(bowls):
    measure = envs.make("block-in-bowl").measure
    assert measure(bowls) == 0
    assert measure(moved(bowls, (0.5, 0.049))) == 0.5
    assert measure(moved(bowls, (0.5, 0.051))) == 0
    assert measure(moved(bowls, (0.5, 0.0), (0.51, 0.0))) == 0.5  # both in one
    assert measure(moved(bowls, (0.5, 0.0), (0.6, -0.3))) == 1


def test_a_block_is_taken_if_the_pick_is_on_it(bowls):
    env = envs.make("block-in-bowl")
    act = lambda x, y: env.act(bowls, base.Command(at(x, y), at(0.5, 0.005), jnp.float32(0.3)))
    after = act(0.315, 0.0)
    np.testing.assert_allclose(after.blocks[0], [0.5, 0.005], atol=1e-6)
    np.testing.assert_allclose(after.yaws, [0.3, 0, 0, 0, 0, 0], atol=1e-6)
    missed = act(0.325, 0.0)
    np.testing.assert_array_equal(missed.blocks, bowls.blocks)
    np.testing.assert_array_equal(missed.yaws, bowls.yaws)


def test_a_block_slides_into_a_bowl_and_is_pushed_aside_by_another(bowls):
    env = envs.make("block-in-bowl")
    put = lambda x, y: env.act(bowls, base.Command(at(0.3, 0.0), at(x, y), jnp.zeros(()))).blocks[0]
    np.testing.assert_allclose(put(0.5, 0.05), [0.5, 0.02], atol=1e-6)  # within the rim
    np.testing.assert_allclose(put(0.5, 0.065), [0.5, 0.065], atol=1e-6)  # outside
    np.testing.assert_allclose(put(0.3, 0.19), [0.3, 0.16], atol=1e-6)  # on the other block


def test_the_expert_takes_the_farthest_block_to_an_empty_bowl(bowls):
    env = envs.make("block-in-bowl")
    table = moved(bowls, (0.5, 0.0), (0.3, 0.05))  # the first is in its bowl
    command = base.command(block_in_bowl.expert(env.observe(table)))
    np.testing.assert_allclose(command.start, [0.3, 0.05], atol=1e-6)
    np.testing.assert_allclose(command.end, [0.5, 0.2], atol=1e-6)


@pytest.fixture(scope="module")
def box():
    """A box of 12 x 6 cm and two pieces that fill it, on the table."""
    halves = jnp.zeros((8, 2)).at[:2].set(0.03)
    places = jnp.full((8, 2), 0.7).at[:2].set(jnp.array([[0.4, 0.3], [0.4, -0.3]]))
    goals = jnp.zeros((4, 2)).at[:2].set(jnp.array([[-0.03, 0.0], [0.03, 0.0]]))
    size = jnp.array([0.5, 0.0, 0.06, 0.03])
    return packing.Table(size, places, jnp.zeros(8).at[0].set(0.4), halves, goals, jnp.zeros(8))


def test_the_share_of_the_volume_in_the_box(box):
    env = envs.make("packing-box-pairs")
    assert env.measure(box) == 0
    one = dataclasses.replace(box, places=box.places.at[1].set(at(0.53, 0.0)))
    np.testing.assert_allclose(env.measure(one), 0.5)
    # Two of five columns of its points lie over the edge.
    half_out = dataclasses.replace(box, places=box.places.at[1].set(at(0.55, 0.0)))
    np.testing.assert_allclose(env.measure(half_out), 0.5 * 0.6, atol=1e-6)
    above = dataclasses.replace(one, above=one.above.at[1].set(1.0))
    assert env.measure(above) == 0


def test_the_expert_packs_the_pieces_straight(box):
    env, table = envs.make("packing-box-pairs"), box
    for _ in range(2):
        table = env.act(table, base.command(packing.expert(env.observe(table))))
    np.testing.assert_allclose(table.places[:2], [[0.47, 0.0], [0.53, 0.0]], atol=1e-5)
    np.testing.assert_allclose(jnp.sin(table.yaws[:2]), 0.0, atol=1e-5)
    np.testing.assert_allclose(env.measure(table), 1.0)
    assert not table.above.any()


def test_a_block_that_is_put_on_another_lies_on_it(box):
    env = envs.make("packing-box-pairs")
    first = env.act(box, base.Command(at(0.4, -0.3), at(0.5, 0.0), jnp.zeros(())))
    second = env.act(first, base.Command(at(0.4, 0.3), at(0.5, 0.01), jnp.float32(-0.4)))
    np.testing.assert_array_equal(second.above[:2], [1.0, 0.0])
    # The upper one is taken first.
    third = env.act(second, base.Command(at(0.5, 0.0), at(0.4, 0.3), jnp.zeros(())))
    np.testing.assert_allclose(third.places[:2], [[0.4, 0.3], [0.5, 0.0]], atol=1e-6)


def test_pieces_fill_the_box():
    env = envs.make("packing-box-pairs")
    tables = jax.jit(jax.vmap(env.lay))(jax.random.split(jax.random.key(0), 64))
    areas = jnp.prod(2 * tables.halves[:, :4], axis=-1).sum(1)
    np.testing.assert_allclose(areas, jnp.prod(2 * tables.box[:, 2:], axis=-1), rtol=1e-4)
    sides = np.asarray(2 * tables.halves[:, :4])
    assert (sides[sides > 0] > 0.0499).all()
    count = (sides[..., 0] > 0).sum(1)
    assert count.min() >= 2 and count.max() == 4


def spread(n=piles.COUNT):
    """Discs in a row along y, 2 cm apart, at x = 0.5."""
    return jnp.stack([jnp.full(n, 0.5), 0.019 * (jnp.arange(n) - n / 2)], axis=1)


def test_the_share_of_the_discs_in_the_square():
    env = envs.make("separating-piles")
    table = piles.Table(spread(), jnp.array([[0.5, 0.0], [0.5, 0.4]]))
    inside = (np.abs(np.asarray(table.discs[:, 1])) < 0.075).sum()
    np.testing.assert_allclose(env.measure(table), inside / 50)


def test_a_push_carries_what_is_before_the_blade():
    env = envs.make("separating-piles")
    table = piles.Table(spread(), jnp.array([[0.6, 0.0], [0.5, 0.4]]))
    push = base.Command(at(0.45, 0.0), at(0.65, 0.0), jnp.zeros(()))
    after = np.asarray(env.act(table, push).discs)
    before = np.asarray(table.discs)
    met = np.abs(before[:, 1]) < piles.BLADE + piles.RADIUS
    # The blade stops 5 cm before the end; a disc's middle is a radius before it.
    np.testing.assert_allclose(after[met, 0], 0.605, atol=2e-3)
    far = np.abs(before[:, 1]) > piles.BLADE + 4 * piles.RADIUS
    np.testing.assert_allclose(after[far], before[far], atol=1e-6)
    none = env.act(table, base.Command(at(0.45, 0.0), at(0.45, 0.0), jnp.zeros(())))
    np.testing.assert_allclose(none.discs, table.discs, atol=1e-6)


def test_discs_that_overlap_push_each_other_apart():
    two = jnp.full((50, 2), 0.0).at[:, 0].set(jnp.arange(50.0)).at[1].set(jnp.array([0.004, 0.0]))
    apart = piles._pushed_apart(two)
    np.testing.assert_allclose(apart[:2], [[-0.003, 0.0], [0.007, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(apart[2:], two[2:])


@pytest.mark.parametrize(("task", "episodes"), [*zip(TASKS, (64, 64, 16), strict=True)])
def test_policies_are_ordered_by_their_share_of_random_actions(task, episodes):
    env = envs.make(task)
    shares = jnp.repeat(jnp.array([*policies.SHARES.values()]), episodes)
    keys = jnp.tile(jax.random.split(jax.random.key(1), episodes), 4)
    play = jax.jit(jax.vmap(lambda key, share: policies.rollout(env, key, share)))
    played = jax.tree.map(np.asarray, play(keys, shares))
    # The reward of an episode, earlier steps a little more: all but the random one often finish.
    late = 0.98 ** np.arange(env.spec.horizon)
    mean = (played.reward * late).sum(1).reshape(4, episodes).mean(axis=1)
    assert mean[0] > mean[1] > mean[2] > mean[3] + 0.3
    total = played.reward.sum(1)
    np.testing.assert_allclose(total, played.progress[:, -1] - played.progress[:, 0], atol=1e-5)
    assert played.success[:episodes].max(1).mean() == 1.0
    ended = played.alive.sum(1)
    assert (ended[:episodes] < env.spec.horizon).all()


@pytest.mark.parametrize("task", TASKS)
def test_recorded_snapshots_are_of_a_start_and_of_a_finished_table(task):
    env = envs.make(task)
    see = jax.jit(lambda x: rendering.render(env.view(x), env.spec.camera, 96, 128, 1, False))
    start, goal = (np.asarray(see(jnp.array(x)), int) for x in (env.spec.start, env.spec.goal))
    assert (start != goal).any(axis=-1).sum() > 20
    red = lambda x: ((x[..., 0] > 120) & (x[..., 1] < 80) & (x[..., 2] < 80)).sum()
    assert red(start) > 5 and red(goal) > 5
