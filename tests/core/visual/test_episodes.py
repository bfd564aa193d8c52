"""Sheets and videos of episodes as short as SoftGym's: every step once, in real time."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core_jax import envs
from core_jax.agents.replay import Truth
from core_jax.visual import episodes
from core_jax.visual.episodes import Episodes


@pytest.fixture(scope="module")
def cloth():
    env = envs.make("fold-cloth")
    snapshots = np.stack([env.spec.start, env.spec.goal, env.spec.goal]).astype(np.float32)
    success = np.array([[0.0, 1.0, 1.0]] * 2)
    rewards = {"formal": success - 0.5, "residual": 0.2 - success}
    return env, Episodes(np.stack([snapshots] * 2), success, rewards)


def test_a_video_of_three_steps_has_three_frames_of_a_second(cloth, tmp_path):
    episodes.video(*cloth, tmp_path / "video.gif")
    with Image.open(tmp_path / "video.gif") as moving:
        # Equal neighbours are one frame that lasts longer.
        assert moving.n_frames == 3
        assert moving.info["duration"] == 1000
        assert moving.size == (2 * 256, 256 + 48)


def test_a_video_path_must_end_in_a_known_format(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.mp4 or \.gif"):
        episodes.check_video_path(tmp_path / "video.avi")


def test_a_sheet_shows_every_step_once(cloth, tmp_path):
    env, shown = cloth
    episodes.contact_sheet(env, shown, "cloth", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert episodes._moments(shown.success[0]).tolist() == [0, 1, 2]
    assert episodes._moments(np.zeros(1)).tolist() == [0]


def test_a_sheet_of_a_task_without_pictures_has_curves_only(tmp_path):
    env = SimpleNamespace(spec=SimpleNamespace(has_pictures=False, name="none"))
    shown = Episodes(np.zeros((1, 4, 2)), np.zeros((1, 4)), {"dense": np.linspace(0, 1, 4)[None]})
    episodes.contact_sheet(env, shown, "curves", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 5_000
    with pytest.raises(ValueError, match="task none has no pictures"):
        episodes.video(env, shown, tmp_path / "video.gif")


def test_most_frames_of_a_long_episode_are_of_its_beginning():
    success = np.zeros(500)
    success[40:] = 1.0
    moments = episodes._moments(success)
    assert len(moments) == 8 and moments[0] == 0 and moments[-1] == 499
    assert (np.diff(moments) > 0).all() and moments[5] == 43


def test_columns_of_a_record_are_scaled_down_per_seed_to_fit_the_plot():
    success = np.array([[0.0, 1.0], [0.0, 0.0]])
    record = SimpleNamespace(snapshot=np.ones((2, 2, 3)), truth=Truth(success, success, success))
    small, large = np.array([[0.5, -0.25], [0.1, 1.0]]), np.array([[-4.0, 2.0], [0.0, 0.5]])
    shown = episodes.from_record(record, {"small": small, "large": large})
    assert list(shown.rewards) == ["small", "large"]
    np.testing.assert_array_equal(shown.rewards["small"], small)  # within [-1, 1]: as it is
    np.testing.assert_array_equal(shown.rewards["large"], [[-1.0, 0.5], [0.0, 0.5]])
    np.testing.assert_array_equal(shown.success, success)
    assert shown.snapshot.shape == (2, 2, 3)
