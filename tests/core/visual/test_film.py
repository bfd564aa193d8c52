"""Films of episodes as short as SoftGym's: every step once, at the pace of the simulation."""

import numpy as np
import pytest
from PIL import Image

from core_jax import envs
from core_jax.visual import episodes as film


@pytest.fixture(scope="module")
def cloth():
    env = envs.make("fold-cloth")
    shots = np.stack([env.spec.start, env.spec.goal, env.spec.goal]).astype(np.float32)
    success = np.array([[0.0, 1.0, 1.0]] * 2)
    return env, film.Reel(np.stack([shots] * 2), success, success - 0.5, 0.2 - success)


def test_a_video_of_three_steps_has_three_frames_of_a_second(cloth, tmp_path):
    film.video(*cloth, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as moving:
        # Equal neighbours are one frame that lasts longer.
        assert moving.n_frames == 3
        assert moving.info["duration"] == 1000
        assert moving.size == (2 * 256, 256 + 48)


def test_a_sheet_shows_every_step_once(cloth, tmp_path):
    env, reel = cloth
    film.contact_sheet(env, reel, "cloth", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert film._moments(reel.success[0]).tolist() == [0, 1, 2]
    assert film._moments(np.zeros(1)).tolist() == [0]


def test_a_long_episodes_sheet_is_mostly_its_beginning():
    success = np.zeros(500)
    success[40:] = 1.0
    moments = film._moments(success)
    assert len(moments) == 8 and moments[0] == 0 and moments[-1] == 499
    assert (np.diff(moments) > 0).all() and moments[5] == 43
