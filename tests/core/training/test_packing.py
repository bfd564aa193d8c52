"""Trees as one matrix per type, and updates of what is packed."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from core_jax.training import packing

SEEDS = 3


def tree():
    return {
        "a": jnp.arange(12.0).reshape(SEEDS, 2, 2),
        "count": jnp.arange(SEEDS),
        "b": (jnp.full((SEEDS,), 7.0), jnp.ones((SEEDS, 1, 5))),
    }


def test_what_is_packed_can_be_unpacked():
    pack, unpack = packing.packer(tree())
    packed = pack(tree())
    assert {k: x.shape for k, x in packed.items()} == {"float32": (SEEDS, 10), "int32": (SEEDS, 1)}
    chex.assert_trees_all_equal(unpack(packed), tree())
    assert packing.packer(jax.eval_shape(tree))[1](packed)["a"].shape == (SEEDS, 2, 2)


def body(i, carry):
    learners, keys, total = carry
    drawn = jax.vmap(lambda key: jax.random.normal(key, (2, 2)))(keys)
    learners = {**learners, "a": learners["a"] + drawn, "count": learners["count"] + 1}
    return learners, keys, {"sum": total["sum"] + drawn[:, 0, 0]}


def test_updates_of_what_is_packed_are_the_updates():
    keys, total = jax.random.split(jax.random.key(0), SEEDS), {"sum": jnp.zeros(SEEDS)}
    learners, found, taken = jax.jit(lambda t: packing.repeat(body, t, keys, total, jnp.int32(4)))(
        tree()
    )
    expected = (tree(), keys, total)
    for i in range(4):
        expected = body(i, expected)
    chex.assert_trees_all_close(learners, expected[0])
    chex.assert_trees_all_close(found, expected[2])
    assert taken.all()


def test_a_seed_that_is_not_finite_keeps_what_was_before():
    def broken(i, carry):
        learners, keys, total = body(i, carry)
        return {**learners, "a": learners["a"].at[1, 0, 0].set(jnp.nan)}, keys, total

    keys, total = jax.random.split(jax.random.key(0), SEEDS), {"sum": jnp.zeros(SEEDS)}
    learners, found, taken = packing.repeat(broken, tree(), keys, total, jnp.int32(2))
    np.testing.assert_array_equal(taken, [True, False, True])
    chex.assert_trees_all_equal(*(jax.tree.map(lambda x: x[1], t) for t in (learners, tree())))
    assert found["sum"][1] == 0.0 and found["sum"][0] != 0.0
    assert (learners["count"] == tree()["count"] + jnp.array([2, 0, 2])).all()


def test_a_scan_is_the_same_when_its_results_are_packed(monkeypatch):
    def step(carry, x):
        carry = carry + x
        return carry, {"sum": carry, "many": jnp.outer(carry, jnp.arange(3.0)), "done": carry > 4}

    start, xs = jnp.zeros(SEEDS), jnp.arange(5.0)
    expected = jax.lax.scan(step, start, xs)
    chex.assert_trees_all_equal(packing.scan(step, start, xs), expected)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    chex.assert_trees_all_equal(packing.scan(step, start, xs), expected)
    both = jax.vmap(lambda s: packing.scan(step, s, xs))(jnp.stack([start, start + 1]))
    chex.assert_trees_all_equal(jax.tree.map(lambda x: x[0], both), expected)
