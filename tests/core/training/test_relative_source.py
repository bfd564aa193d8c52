"""The relative reward as a source: in a block, in replay and in an episode it is the comparison
with the frame some steps before, worked out here step by step."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.agents.replay import Transition, Truth
from core_jax.reward_models.relative import RelativeConfig
from core_jax.training.relative_source import RelativeSource
from core_jax.training.reward_input import interpolate

ENVS, ROWS, BLOCK, LAG = 3, 24, 6, 4


class Heights:
    """In place of classifiers: a frame's vector is its number, and the higher one is better."""

    def embed(self, state, frames):
        return frames[None]

    def second_is_better(self, state, first, second):
        return jax.nn.sigmoid(4.0 * (second - first)[0, ..., 0])


def source(every):
    take = lambda obs, snapshot: obs
    frames = SimpleNamespace(frames=take, every=every, scaled=False, compiler_options=None)
    return RelativeSource("relative", RelativeConfig(lag=LAG), Heights(), frames, 4)


def blocks(seed, count):
    """Blocks of heights that wander, and ends of episodes."""
    rng = np.random.default_rng(seed)
    heights = np.round(rng.normal(size=(count * BLOCK, ENVS)).cumsum(0), 2).astype(np.float32)
    cut = (rng.random(heights.shape) < 0.15).astype(np.float32)
    return heights, cut


def transition(heights, cut):
    zero = jnp.zeros_like(cut)
    obs = jnp.asarray(heights)[..., None]
    return Transition(obs, obs, obs, obs, obs, {"relative": zero}, Truth(zero, zero, zero), zero,
                      jnp.asarray(cut))  # fmt: skip


def by_hand(heights, cut, every, lag):
    """Rewards of steps [T, N] from the first on, one by one."""
    read = np.zeros((len(heights) // every, ENVS), np.float32)
    for n in range(ENVS):
        start = 0  # the first read frame of the episode
        for g in range(len(read)):
            row = g * every + every - 1
            if cut[max(row - every, 0) : row, n].any():
                start = g
            one, other = heights[row, n], heights[max(g - lag, start) * every + every - 1, n]
            p = 1 / (1 + np.exp(-4.0 * (one - other)))
            read[g, n] = float(p > 0.52) - float(1 - p > 0.52)
    ends = cut[every - 1 :: every]
    known = np.concatenate([np.zeros((1, ENVS), bool), ends[:-1] == 0])
    before = np.concatenate([read[:1], read[:-1]])
    return np.asarray(interpolate(*map(jnp.asarray, (read, before, known, cut))))


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("count", [2, 7])  # blocks: replay half full, and full more than once
def test_blocks_and_replay_are_scored_as_by_hand(every, count):
    own = source(every)
    lag = own.lag
    heights, cut = blocks(every, count)
    expected = by_hand(heights, cut, every, lag)
    example = jax.tree.map(lambda x: x[0, 0], transition(heights, cut))
    ring = replay.init(example, ROWS, ENVS)

    @jax.jit
    def add(ring, block):
        columns, _ = own.score(None, block, ring)
        return replay.add(ring, block._replace(rewards=columns)), columns["relative"]

    for i in range(count):
        rows = slice(i * BLOCK, (i + 1) * BLOCK)
        ring, found = add(ring, transition(heights[rows], cut[rows]))
        np.testing.assert_array_equal(found, expected[rows])
    kept = min(ROWS, count * BLOCK)
    place = (int(ring.cursor) - kept + np.arange(kept)) % ROWS
    again = np.asarray(jax.jit(own.rescore)(None, ring)["relative"])[place]
    # What replay has forgotten is missing from the comparisons of its oldest steps.
    whole = slice(0 if count * BLOCK <= ROWS else (lag + 1) * every, None)
    np.testing.assert_array_equal(again[whole], expected[-kept:][whole])


def test_an_episode_is_compared_with_its_first_frame_before_the_lag():
    heights = np.array([0.0, 1.0, 0.5, -1.0, 2.0, 1.0, 0.0], np.float32)
    steps = SimpleNamespace(next_obs=jnp.asarray(heights)[:, None], snapshot=jnp.zeros((7, 1)))
    found = source(2).score_episode(None, steps)["relative"]
    #        itself, then against the first; from step 4 on against the one four steps before
    np.testing.assert_array_equal(found, [0, 1, 1, -1, 1, 0, -1])
