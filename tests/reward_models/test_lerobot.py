"""Adapters to and from LeRobot's reward models."""

import numpy as np
import pytest

from core_jax.reward_models.large_reward import ABSTAINED, Frames, Judgements
from core_jax.reward_models.lerobot import FromLeRobot, LeRobotReward, as_pictures

KEY = "observation.images.front"


class Bright:
    """Brightness is progress; it abstains about black pictures."""

    name, sees, size = "bright", True, 4

    def progress(self, frames, instruction, start=None, goal=None):
        value = frames.pictures.mean(axis=(1, 2, 3)) / 255.0 + (instruction == "more") * 0.0
        status = np.where(value == 0, ABSTAINED, 0).astype(np.int8)
        value = np.where(value == 0, np.nan, value if instruction == "a" else value / 2)
        return Judgements(value.astype(np.float32), np.ones(len(value)), status)


def batch(levels, **more):
    shown = np.stack([np.full((3, 8, 8), level, np.float32) for level in levels])
    return {KEY: shown, **more}


def test_rewards_are_in_the_batch_s_order_by_each_frame_s_instruction():
    given = batch([0.2, 0.4, 0.0, 1.0], task=["a", "b", "a", "b"])
    reward = LeRobotReward(Bright(), missing=-1.0).compute_reward(given)
    np.testing.assert_allclose(reward, [0.2, 0.2, -1.0, 0.5], atol=2e-3)
    one = LeRobotReward(Bright()).compute_reward(batch([0.6, 0.8], task="a"))
    np.testing.assert_allclose(one, [0.6, 0.8], atol=2e-3)


@pytest.mark.parametrize(
    "given, named",
    [
        (batch([0.1]), "task"),
        (batch([0.1], task=["a", "a"]), "2 instructions"),
        ({"task": "a"}, "pictures"),
        ({KEY: np.zeros((1, 8, 8, 3)), "task": "a"}, r"\[B, 3, H, W\]"),
        ({KEY: np.full((1, 3, 8, 8), 200.0), "task": "a"}, r"\[0, 1\]"),
        ({**batch([0.1], task="a"), "observation.image": 0}, "name one"),
    ],
)
def test_what_is_wrong_with_a_batch_is_named(given, named):
    with pytest.raises(ValueError, match=named):
        LeRobotReward(Bright()).compute_reward(given)


class Theirs:
    """A LeRobot reward model: mean brightness, times 2."""

    def compute_reward(self, given):
        assert given["task"] == ["push"] * len(given[KEY])
        return 2.0 * given[KEY].mean(axis=(1, 2, 3))


def test_theirs_behind_our_interface():
    judge = FromLeRobot(Theirs(), size=8)
    frames = Frames(np.stack([np.full((8, 8, 3), x, np.uint8) for x in (0, 51, 204)]))
    np.testing.assert_allclose(judge.progress(frames, "push").value, [0.0, 0.4, 1.0], atol=1e-6)
    assert judge.completion(frames, "push").value.tolist() == [0.0, 0.0, 1.0]
    back = frames.take(slice(None, None, -1))
    assert judge.comparison(frames, back, "push").value.tolist() == [1.0, 0.0, -1.0]


def test_there_and_back_is_the_same_reward():
    there = LeRobotReward(FromLeRobot(Theirs(), size=8))
    found = there.compute_reward(batch([0.1, 0.3], task="push"))
    np.testing.assert_allclose(found, [0.2, 0.6], atol=5e-3)


def test_pictures_of_both_kinds():
    whole = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    np.testing.assert_array_equal(as_pictures(whole, 4), np.moveaxis(whole, 1, -1))
    np.testing.assert_array_equal(as_pictures(whole / 255.0, 4), np.moveaxis(whole, 1, -1))
    assert as_pictures(whole, 2).shape == (2, 2, 2, 3)
