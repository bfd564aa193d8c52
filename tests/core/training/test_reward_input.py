"""What a learned reward reads: interpolation between pictures, a network that renders, and that a
block, all of replay and an episode are scored alike."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.agents.replay import Truth
from core_jax.reward_models import networks
from core_jax.reward_models.preference import PreferenceConfig, Preferences
from core_jax.runs.checks import check
from core_jax.training.reward_input import (
    PixelConfig,
    interpolate,
    make_input,
    make_preference_source,
)

ROWS, ENVS, EVERY = 20, 3, 5
FITTED = PreferenceConfig(
    hidden=(16,), epochs=3, learning_rate=3e-3, batches=12, clip_frames=4, shared_batches=True
)


def test_between_two_pictures_the_reward_is_linear():
    read, before = jnp.array([[5.0], [10.0]]), jnp.array([[0.0], [5.0]])
    value = interpolate(read, before, jnp.ones((2, 1), bool), jnp.zeros((10, 1)))
    np.testing.assert_allclose(value[:, 0], np.arange(1, 11), rtol=1e-6)


def test_no_reward_crosses_the_end_of_an_episode():
    read, before = jnp.array([[5.0], [10.0]]), jnp.array([[1.0], [5.0]])
    cut = jnp.zeros((10, 1)).at[2].set(1.0).at[4].set(1.0)
    known = jnp.array([[True], [False]])  # row 4 ended an episode: the next group has no past
    value = interpolate(read, before, known, cut)[:, 0]
    np.testing.assert_allclose(value, [1, 1, 1, 5, 5, 10, 10, 10, 10, 10])


def source_of(env, kind, every=EVERY):
    pixels = PixelConfig(size=47, every=every, gripper=True)
    frames = make_input(kind, env, pixels, FITTED.hidden, render_batch=4)
    return make_preference_source("residual", FITTED, frames, render_batch=4)


@pytest.fixture(scope="module")
def source(point):
    return source_of(point, "pixels")


@pytest.fixture(scope="module")
def steps(point):
    """A block of transitions whose point moves, `[ROWS, ENVS]`."""
    start = np.array(point.snapshot(jax.jit(point.reset)(jax.random.key(0)).pipeline_state))
    snapshots = np.tile(start, (ROWS, ENVS, 1))
    snapshots += np.random.default_rng(0).uniform(-0.4, 0.4, snapshots.shape)
    zero, wide = jnp.zeros((ROWS, ENVS)), jnp.zeros((ROWS, ENVS, 1))
    obs = np.random.default_rng(1).normal(size=(ROWS, ENVS, point.observation_size))
    return replay.Transition(
        obs=wide, action=wide, next_obs=jnp.asarray(obs, jnp.float32), target=wide,
        snapshot=jnp.asarray(snapshots, jnp.float32), rewards={"residual": zero},
        truth=Truth(zero, zero, zero), discount=zero, cut=zero,
    )  # fmt: skip


def large(source, steps, key=1):
    """A state whose rewards differ enough to be told apart."""
    example = jax.tree.map(lambda x: x[0, 0], steps)
    fresh = source.init(jax.random.key(key), example)
    return fresh.replace(params=jax.tree.map(lambda x: 3.0 * x, fresh.params))


@pytest.fixture(scope="module")
def state(source, steps):
    return large(source, steps)


def test_a_network_that_renders_in_parts_is_the_whole(source, state, steps):
    flat = steps.snapshot.reshape(-1, steps.snapshot.shape[-1])
    parts = jax.jit(source.model.members)(state, flat)  # 60 frames, four at once
    members = source.model.members
    whole = jnp.concatenate([members(state, flat[i : i + 4]) for i in (0, 4)], axis=1)
    np.testing.assert_allclose(parts[:, :8], whole, atol=1e-5)
    assert np.std(parts, axis=1).min() > 1e-4  # and it sees a difference


def inserted(source, state, steps, upto, cut=()):
    """Replay after blocks of EVERY steps were scored and added, one after the other."""
    ends = np.isin(np.arange(ROWS), cut).astype(np.float32)[:, None] * np.ones(ENVS)
    steps = steps._replace(cut=jnp.asarray(ends, jnp.float32))
    ring = replay.init(jax.tree.map(lambda x: x[0, 0], steps), ROWS, ENVS)
    score = jax.jit(lambda ring, block: source.score(state, block, ring)[0])
    for i in range(0, upto, EVERY):
        block = jax.tree.map(lambda x, i=i: x[i % ROWS : i % ROWS + EVERY], steps)
        ring = replay.add(ring, block._replace(rewards=score(ring, block)))
    return ring


@pytest.mark.parametrize("cut", [(), (2, 9)])
@pytest.mark.parametrize("upto", [15, 20, 30])
def test_replay_scored_at_once_is_replay_scored_block_by_block(source, state, steps, upto, cut):
    """Also where it is not full yet, where it has wrapped, and where episodes end within and at the
    end of a group."""
    ring = inserted(source, state, steps, upto, cut)
    again = jax.jit(source.rescore)(state, ring)["residual"]
    before = ring.data.rewards["residual"]
    filled = min(upto, ROWS)
    differs = np.abs(np.asarray(again - before))[:filled]
    if upto <= ROWS:
        assert differs.max() < 1e-5
    else:
        # What came before the oldest group is overwritten: that group alone is scored as a start.
        oldest = int(ring.cursor)
        inside = np.ones(ROWS, bool)
        inside[oldest : oldest + EVERY] = False
        assert differs[inside].max() < 1e-5
        assert differs[oldest + EVERY - 1].max() < 1e-5  # a step that is read is read again
    assert np.std(before[:filled]) > 1e-3


def test_a_step_that_is_read_has_the_rendered_frames_reward(source, state, steps):
    ring = inserted(source, state, steps, ROWS)
    read = source.model.predict(state, steps.snapshot[EVERY - 1 :: EVERY])
    np.testing.assert_allclose(ring.data.rewards["residual"][EVERY - 1 :: EVERY], read, atol=1e-5)


def test_an_episode_is_read_step_by_step(source, state, steps):
    episode = jax.tree.map(lambda x: x[:, 0], steps)
    value = jax.jit(source.score_episode)(state, episode)["residual"]
    np.testing.assert_allclose(value, source.model.predict(state, episode.snapshot), atol=1e-5)


@pytest.mark.parametrize("kind", ["state", "pixels"])
def test_without_steps_in_between_every_step_has_its_own_frames_reward(point, steps, kind):
    """Nothing is interpolated with `every` 1: a block, replay and an episode are scored alike, for
    pictures as for states."""
    source = source_of(point, kind, every=1)
    state = large(source, steps)
    predict = jax.jit(source.model.predict)
    expected = predict(state, source.input.frames(steps.next_obs, steps.snapshot))
    ring = inserted(source, state, steps, ROWS, cut=(2, 9))
    np.testing.assert_allclose(ring.data.rewards["residual"], expected, atol=1e-5)
    again = jax.jit(source.rescore)(state, ring)["residual"]
    np.testing.assert_allclose(again, expected, atol=1e-5)
    one = jax.tree.map(lambda x: x[:, 1], steps)
    alone = jax.jit(source.score_episode)(state, one)["residual"]
    np.testing.assert_allclose(alone, expected[:, 1], atol=1e-5)


def test_states_are_standardised_and_pictures_are_not(point, source, state, steps):
    assert source.standardise(state, steps) is state
    states = source_of(point, "state")
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), steps)
    scaled = states.standardise(large(states, steps), flat)
    frames = states.input.frames(flat.next_obs, flat.snapshot)
    np.testing.assert_allclose(scaled.shift, np.mean(frames, axis=0), atol=1e-5)


def test_a_fit_on_pictures_learns_which_clip_is_better(source, state, steps):
    """Clips whose point is further right are better; 8 pairs, seen again and again."""
    rng = np.random.default_rng(1)
    clips = np.tile(np.asarray(steps.snapshot[0, 0]), (8, 2, 20, 1))
    clips[..., 0] = rng.uniform(-0.8, 0.8, (8, 2))[..., None]
    better = clips[:, 1, 0, 0] > clips[:, 0, 0, 0]
    even, obs = jnp.full((8, 20), 0.5), jnp.zeros((8, 20, 39))
    a, b = jnp.moveaxis(jnp.asarray(clips, jnp.float32), 1, 0)
    data = Preferences((obs, a), (obs, b), jnp.asarray(better, jnp.float32), even, even)
    fit = jax.jit(source.fit)
    for i in range(4):
        state, metrics = fit(state, data, jnp.int32(8), jax.random.key(i))
    assert metrics["loss"] < 0.5 * np.log(2) and metrics["accuracy"] > 0.9
    returns = [source.model.predict(state, x).sum(1) for x in (a, b)]
    np.testing.assert_array_equal(returns[1] > returns[0], better)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"pixels": {"size": networks.SMALLEST_PICTURE - 1}}, "pixels.size"),
        ({"pixels": {"every": 3}}, r"pixels.every \(3\) must divide rollout \(5\)"),
        (
            {"residual": {"clip_frames": 3}},
            r"clip_frames \(3\) must divide feedback.clip_length \(20\)",
        ),
    ],
)
def test_pictures_too_small_or_steps_that_do_not_fit_are_refused(changed, point, values, name):
    check(changed(residual_input="pixels"), point.spec)
    with pytest.raises(ValueError, match=name):
        check(changed(residual_input="pixels", **values), point.spec)


def test_pictures_of_a_task_without_a_camera_are_refused(changed, point):
    blind = dataclasses.replace(point.spec, camera=None)
    check(changed(), blind)
    with pytest.raises(ValueError, match="task point has no pictures"):
        check(changed(residual_input="pixels"), blind)
