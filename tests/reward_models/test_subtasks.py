"""Sub-tasks in order, their two rewards, and the bytes that they remember."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.subtasks import (
    Chain,
    ChainState,
    bonus,
    fires,
    pack,
    potential_difference,
    size_in_bytes,
    unpack,
)


@dataclasses.dataclass(frozen=True)
class Pixel:
    """Fires where a pixel is on; remembers how often it was called."""

    index: int

    def init(self, frame):
        return {"calls": jnp.int32(0), "first": frame[0, self.index] > 0}

    def step(self, state, frame):
        state = {**state, "calls": state["calls"] + 1}
        return state, frame[0, self.index, 0].astype(jnp.float32)


def frames(*rows):
    return jnp.array(rows, jnp.uint8)[:, None, :, None] * jnp.ones(3, jnp.uint8)


def stages(chain, shown):
    state, found = chain.start(shown[0]), []
    for frame in shown[1:]:
        state, _ = chain.advance(state, frame)
        found.append(int(state.stage))
    return found, state


def test_only_the_present_sub_task_is_listened_to_and_none_is_undone():
    shown = frames([0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 1])
    found, state = stages(Chain((Pixel(0), Pixel(1), Pixel(2))), shown)
    assert found == [0, 1, 1, 2, 3, 3]
    # Every program has seen every picture.
    assert [int(s["calls"]) for s in state.programs] == [6, 6, 6]


def test_one_sub_task_at_most_is_done_with_a_picture_and_some_need_several():
    shown = frames([0, 0], [1, 1], [1, 1], [1, 1], [1, 1])
    assert stages(Chain((Pixel(0), Pixel(1))), shown)[0] == [1, 2, 2, 2]
    assert stages(Chain((Pixel(0), Pixel(1)), frames=2), shown)[0] == [0, 1, 1, 2]
    gaps = frames([0, 0], [1, 0], [0, 0], [1, 0])
    assert stages(Chain((Pixel(0), Pixel(1)), frames=2), gaps)[0] == [0, 0, 1]


def test_what_is_not_finite_or_not_positive_does_not_fire():
    values = jnp.array([1.0, 0.5, 0.0, -1.0, jnp.nan, jnp.inf])
    np.testing.assert_array_equal(fires(values), [True, True, False, False, False, False])


def test_a_bonus_is_paid_once_for_each_sub_task():
    before, after = jnp.array([0, 0, 1, 2]), jnp.array([0, 1, 2, 2])
    np.testing.assert_array_equal(bonus(before, after, 0.5), [0.0, 0.5, 0.5, 0.0])


@pytest.mark.parametrize("ended", [True, False])
def test_shaping_by_potentials_sums_to_what_start_and_end_say(ended):
    gamma, each = 0.9, 0.7
    stage = jnp.array([0, 0, 1, 1, 3, 3])
    discount = jnp.ones(5).at[-1].set(0.0 if ended else 1.0)
    paid = potential_difference(stage[:-1], stage[1:], discount, each, gamma)
    total = jnp.sum(gamma ** jnp.arange(5) * paid)
    left = 0.0 if ended else gamma**5 * each * 3
    np.testing.assert_allclose(total, left - each * stage[0], atol=1e-6)


def best_policies(reward, discount, gamma):
    """Optimal values [S], and which actions attain them, of a deterministic world `S x A -> S`."""
    following = np.array([[1, 0], [2, 0], [3, 1], [3, 3]])  # a corridor; 3 is the end
    value = np.zeros(4)
    for _ in range(500):
        q = reward + gamma * discount * value[following]
        value = q.max(axis=1)
    return value, np.isclose(q, value[:, None]), following


def test_potentials_keep_the_optimal_policy_and_a_bonus_for_a_loop_would_not():
    gamma = 0.9
    following = best_policies(np.zeros((4, 2)), 1.0, gamma)[2]
    end = (following == 3) * 1.0
    discount = 1.0 - end
    _, right, _ = best_policies(end, discount, gamma)
    for stage in itertools.product(range(3), repeat=4):  # any number of sub-tasks in any state
        stage = np.array(stage)
        shaped = potential_difference(
            jnp.array(stage)[:, None], jnp.array(stage)[following], jnp.array(discount), 2.0, gamma
        )
        _, found, _ = best_policies(end + np.asarray(shaped, np.float64), discount, gamma)
        np.testing.assert_array_equal(found[:3], right[:3])
    # Paying each time that state 1 is entered makes going back and forth the best policy.
    loop = end + 2.0 * (following == 1)
    _, found, _ = best_policies(loop, discount, gamma)
    assert (found[:3] != right[:3]).any()


def test_bytes_hold_every_type_and_are_read_back_bit_by_bit():
    tree = ChainState(
        jnp.int32(-3),
        jnp.int32(7),
        (
            {"frame": jnp.arange(12, dtype=jnp.uint8).reshape(2, 2, 3), "seen": jnp.array([True])},
            (jnp.array([jnp.nan, -0.0, 1e-40], jnp.float32), jnp.zeros((0, 3)), jnp.int8(-1)),
        ),
    )
    size = size_in_bytes(tree)
    assert size == 4 + 4 + 12 + 1 + 12 + 0 + 1
    packed = jax.jit(lambda t: pack(t, size + 5))(tree)
    assert packed.shape == (size + 5,) and packed.dtype == jnp.uint8
    found = jax.jit(lambda p: unpack(p, tree))(packed)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(tree), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    with pytest.raises(ValueError, match=f"{size} bytes do not fit into {size - 1}"):
        pack(tree, size - 1)
