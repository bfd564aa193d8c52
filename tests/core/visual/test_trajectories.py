"""Graded episodes: skill falls with the deficit, keyframes are at every tenth of progress."""

import numpy as np
import pytest
from point_expert import ExpertPoint
from point_world import Point

from core_jax.envs import graded
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.visual import trajectories
from core_jax.visual.frames import FrameRenderer


@pytest.fixture(scope="module")
def recorded():
    env = ExpertPoint()
    return trajectories.record(env, 12, 0, FrameRenderer(env, 16, batch=8))


def test_keyframes_are_the_ends_every_tenth_and_some_between():
    progress = np.array([0.0, 0.0, 0.12, 0.3, 0.31, 0.5, 0.72, 0.9, 1.0, 1.0, 1.0])
    assert trajectories.keyframes(progress, 2).tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 10]
    flat = trajectories.keyframes(np.zeros(11), 3)
    assert flat.tolist() == [0, 5, 10]


def test_frames_are_in_order_and_have_their_truth(recorded):
    frames = recorded
    assert frames.episodes == 12 and (np.diff(frames.episode) >= 0).all()
    assert frames.picture.shape[1:] == (16, 16, 3) and frames.picture.max() > 0
    for number in range(12):
        rows = frames.episode == number
        assert (np.diff(frames.step[rows]) > 0).all()
        assert frames.step[rows][0] == 1 and frames.step[rows][-1] == 20
    distance = np.linalg.norm(frames.snapshot - 0.5, axis=1)
    np.testing.assert_allclose(frames.progress, np.clip(1.5 - distance, 0, 1), atol=1e-5)
    np.testing.assert_array_equal(frames.success, distance < 0.1)


def test_skill_falls_with_the_deficit(recorded):
    last = np.append(recorded.episode[1:] != recorded.episode[:-1], True)
    progress = recorded.progress[last]
    assert progress[:4].mean() > 0.95 > progress[-4:].mean() + 0.1


def test_a_file_round_trips_and_episodes_can_be_chosen(recorded, tmp_path):
    recorded.save(tmp_path / "frames.npz")
    again = GradedFrames.load(tmp_path / "frames.npz")
    np.testing.assert_array_equal(again.picture, recorded.picture)
    some = again.of(np.array([3, 7]))
    assert some.episodes == 2 and set(some.episode) == {0, 1}
    np.testing.assert_array_equal(some.deficit, recorded.deficit[[3, 7]])
    np.testing.assert_array_equal(some.step[some.firsts()], np.ones(len(some.step)))
    np.savez(tmp_path / "other.npz", x=np.zeros(1))
    with pytest.raises(ValueError, match="other.npz"):
        GradedFrames.load(tmp_path / "other.npz")


def test_without_an_expert_there_is_an_error():
    import jax

    with pytest.raises(ValueError, match="no expert"):
        graded.episode(Point(), jax.random.key(0), 0.0, 3)
