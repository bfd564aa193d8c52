"""Columns that watch episodes: what is remembered, from block to block and across resets."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.training.watching import WatchedColumn, score, score_episodes


@dataclasses.dataclass(frozen=True)
class FirstAndSum:
    """Pays the sum of snapshots since the episode's start, relative to the first; 2 bytes."""

    memory: int = 2

    def start(self, snapshot):
        return jnp.stack([snapshot[0], jnp.zeros(())]).astype(jnp.uint8)

    def watch(self, memory, snapshot, discount):
        total = memory[1] + snapshot[0].astype(jnp.uint8)
        value = total.astype(jnp.float32) - memory[0] + 100.0 * (1.0 - discount)
        return jnp.stack([memory[0], total]), value, {"total": total.astype(jnp.float32)}


class Block(NamedTuple):
    snapshot: jax.Array
    discount: jax.Array
    cut: jax.Array


def steps(count, envs, seed):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 5, (1, count, envs, 1)).astype(np.float32)
    after = rng.integers(0, 5, (1, count, envs, 1)).astype(np.float32)
    cut = (rng.random((1, count, envs)) < 0.3).astype(np.float32)
    ended = cut * (rng.random(cut.shape) < 0.5)
    return jnp.array(before), Block(jnp.array(after), jnp.array(1.0 - ended), jnp.array(cut))


def by_hand(before, block):
    """The column, environment by environment."""
    _, count, envs = block.cut.shape
    found = np.zeros((1, count, envs))
    for n in range(envs):
        first = None
        for t in range(count):
            if first is None:
                first, total = float(before[0, t, n, 0]), 0.0
            total += float(block.snapshot[0, t, n, 0])
            found[0, t, n] = total - first + 100.0 * (1.0 - float(block.discount[0, t, n]))
            if block.cut[0, t, n]:
                first = None
    return found


COLUMN = WatchedColumn("seen", memory=3)


def test_blocks_one_after_another_are_one_long_block_and_resets_begin_anew():
    before, block = steps(12, 5, 0)
    memory = COLUMN.empty(5)[None]
    after, value, means = score(COLUMN, [FirstAndSum()], memory, before, block)
    np.testing.assert_array_equal(value, by_hand(before, block))
    parts, kept = [], memory
    for i in (0, 4, 8):
        cut = lambda x, i=i: x[:, i : i + 4]
        kept, part, _ = score(COLUMN, [FirstAndSum()], kept, cut(before), jax.tree.map(cut, block))
        parts.append(part)
    np.testing.assert_array_equal(jnp.concatenate(parts, axis=1), value)
    np.testing.assert_array_equal(kept, after)
    assert after.shape == (1, 5, 4) and after.dtype == jnp.uint8
    assert set(means[0]) == {"total"}


def test_without_a_watcher_nothing_is_paid_or_remembered():
    before, block = steps(3, 2, 1)
    memory = COLUMN.empty(2)[None]
    kept, value, means = score(COLUMN, None, memory, before, block)
    assert (value == 0).all() and means == [{}]
    np.testing.assert_array_equal(kept, memory)


def test_one_recorded_episode_is_scored_from_its_first_picture():
    _, block = steps(6, 1, 2)
    record = jax.tree.map(lambda x: np.asarray(x)[:, :, 0], block._replace(cut=0 * block.cut))
    total = np.cumsum(record.snapshot[0, :, 0])
    found = score_episodes([FirstAndSum()], record)
    np.testing.assert_array_equal(found[0], total - record.snapshot[0, 0, 0])


def test_a_watcher_that_needs_more_memory_is_refused():
    before, block = steps(3, 2, 3)
    with pytest.raises(ValueError, match="seen keeps 3 bytes .*; its programs need 9"):
        score(COLUMN, [FirstAndSum(9)], COLUMN.empty(2)[None], before, block)
