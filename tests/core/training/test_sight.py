"""What the residual reward looks at: interpolation between pictures, and a net that renders."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.agents import replay
from core_jax.reward_models import networks
from core_jax.reward_models.preference import Preferences
from core_jax.runs.config import PixelConfig, check
from core_jax.training.reward_input import interpolate, make_sight, see_block, see_replay

ROWS, LANES, EVERY = 20, 3, 5


def test_between_two_pictures_the_reward_is_linear():
    seen, before = jnp.array([[5.0], [10.0]]), jnp.array([[0.0], [5.0]])
    value = interpolate(seen, before, jnp.ones((2, 1), bool), jnp.zeros((10, 1)))
    np.testing.assert_allclose(value[:, 0], np.arange(1, 11), rtol=1e-6)


def test_no_reward_leaks_over_the_end_of_an_episode():
    seen, before = jnp.array([[5.0], [10.0]]), jnp.array([[1.0], [5.0]])
    cut = jnp.zeros((10, 1)).at[2].set(1.0).at[4].set(1.0)
    known = jnp.array([[True], [False]])  # row 4 ended an episode: the next group has no past
    value = interpolate(seen, before, known, cut)[:, 0]
    np.testing.assert_allclose(value, [1, 1, 1, 5, 5, 10, 10, 10, 10, 10])


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture(scope="module")
def sight(env, small):
    config = dataclasses.replace(
        small,
        residual_input="pixels",
        render_batch=4,
        pixels=PixelConfig(size=47, every=EVERY, learning_rate=3e-3, gripper=True),
    )
    return make_sight(check(config), env)


@pytest.fixture(scope="module")
def state(env, sight):
    """A residual reward whose opinions are large enough to be told apart."""
    start = jax.jit(env.reset)(jax.random.key(0))
    fresh = sight.model.init(jax.random.key(1), env.snapshot(start.pipeline_state))
    return fresh.replace(params=jax.tree.map(lambda x: 3.0 * x, fresh.params))


@pytest.fixture(scope="module")
def steps(env):
    """A block of transitions whose hand moves, `[ROWS, LANES]`."""
    start = np.array(env.snapshot(jax.jit(env.reset)(jax.random.key(0)).pipeline_state))
    snapshots = np.tile(start, (ROWS, LANES, 1))
    snapshots[..., :3] += np.random.default_rng(0).uniform(-0.1, 0.1, (ROWS, LANES, 3))
    zero = jnp.zeros((ROWS, LANES))
    wide = {k: jnp.zeros((ROWS, LANES, 1)) for k in ("obs", "action", "next_obs", "target")}
    flat = dict.fromkeys(replay.Transition._fields[5:], zero)
    return replay.Transition(**wide, snapshot=jnp.asarray(snapshots, jnp.float32), **flat)


def test_a_network_that_renders_in_parts_is_the_whole(env, sight, state, steps):
    flat = steps.snapshot.reshape(-1, steps.snapshot.shape[-1])
    parts = jax.jit(sight.model.members)(state, flat)  # 60 frames, four at once
    whole = jnp.concatenate([sight.model.members(state, flat[i : i + 4]) for i in (0, 4)], axis=1)
    np.testing.assert_allclose(parts[:, :8], whole, atol=1e-5)
    assert np.std(parts, axis=1).min() > 1e-4  # and it sees a difference


def test_replay_seen_at_once_is_replay_seen_block_by_block(sight, state, steps):
    at = lambda i: jax.tree.map(lambda x: x[i : i + EVERY], steps)
    example = jax.tree.map(lambda x: x[0, 0], steps)
    ring = replay.init(example, ROWS, LANES)
    look = jax.jit(lambda ring, block: see_block(sight, state, ring, block))
    for i in range(0, 15, EVERY):
        block = at(i)
        ring = replay.add(ring, block._replace(residual=look(ring, block)))
    again = jax.jit(lambda ring: see_replay(sight, state, ring, 6))(ring)
    np.testing.assert_allclose(again[:15], ring.data.residual[:15], atol=1e-5)


def test_a_fit_on_pictures_learns_which_clip_is_better(env, sight, state, steps):
    """Clips whose hand is further right are better; 8 pairs, seen again and again."""
    rng = np.random.default_rng(1)
    clips = np.tile(np.asarray(steps.snapshot[0, 0]), (8, 2, 20, 1))
    clips[..., 0] = rng.uniform(-0.2, 0.2, (8, 2))[..., None]
    better = clips[:, 1, 0, 0] > clips[:, 0, 0, 0]
    even = jnp.full((8, 20), 0.5)
    data = Preferences(*jnp.moveaxis(jnp.asarray(clips, jnp.float32), 1, 0),
                       jnp.asarray(better, jnp.float32), even, even)  # fmt: skip
    fit = jax.jit(sight.model.fit)
    for i in range(4):
        state, metrics = fit(state, data, jnp.int32(8), jax.random.key(i))
    assert metrics["loss"] < 0.5 * np.log(2) and metrics["accuracy"] > 0.9
    returns = [sight.model.predict(state, x).sum(1) for x in (data.frames_a, data.frames_b)]
    np.testing.assert_array_equal(returns[1] > returns[0], better)


def test_pictures_too_small_or_steps_that_do_not_fit_are_refused(changed):
    for pixels, name in (
        (PixelConfig(size=networks.SMALLEST_PICTURE - 1), "pixels.size"),
        (PixelConfig(every=3), "pixels.every"),
        (PixelConfig(clip_frames=3), "pixels.clip_frames"),
    ):
        with pytest.raises(ValueError, match=name):
            check(changed(residual_input="pixels", pixels=pixels))
