"""A recording plays back what was answered, asks the rest once, and survives a torn line."""

import numpy as np
import pytest

from core_jax.reward_models.large_reward import FAILED, Frames
from core_jax.reward_models.large_reward.recorded import RecordedJudge
from core_jax.reward_models.large_reward.scripted import ScriptedJudge, ScriptedJudgeConfig

RNG = np.random.default_rng(0)
FRAMES = Frames(progress=RNG.random(30), success=RNG.integers(0, 2, 30) * 1.0, key=np.arange(30))
ERRORS = ScriptedJudgeConfig(noise=0.1, abstain=0.2, fail=0.2)


def answers(judge, frames=FRAMES):
    back = frames.take(slice(None, None, -1))
    return [
        judge.progress(frames, "a"),
        judge.completion(frames, "a", start=frames),
        judge.comparison(frames, back, "a"),
        judge.progress(frames, "b"),
    ]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_it_is_asked_once_and_played_back(tmp_path):
    path = tmp_path / "answers.jsonl"
    inner = ScriptedJudge(ERRORS)
    first = RecordedJudge(path, inner)
    expected = answers(inner)
    same(answers(first), expected)
    assert first.asked == 120
    same(answers(first), expected)  # failures are asked again, the rest is not
    failures = sum(int(np.sum(x.status == FAILED)) for x in expected)
    assert first.asked == 120 + failures and 0 < failures < 60
    same(answers(RecordedJudge(path)), expected)


def test_a_torn_line_is_dropped_and_a_wrong_one_named(tmp_path):
    path = tmp_path / "answers.jsonl"
    answers(RecordedJudge(path, ScriptedJudge(ERRORS)))
    whole = path.read_text()
    path.write_text(whole[:-10])
    again = RecordedJudge(path, ScriptedJudge(ERRORS))
    same(answers(again), answers(ScriptedJudge(ERRORS)))
    path.write_text('{"key": 1}\n' + whole)
    with pytest.raises(ValueError, match="line 1"):
        RecordedJudge(path)


def test_what_is_not_recorded_fails(tmp_path):
    path = tmp_path / "answers.jsonl"
    with pytest.raises(ValueError, match="no recording"):
        RecordedJudge(path)
    RecordedJudge(path, ScriptedJudge()).progress(FRAMES.take(slice(0, 3)), "a")
    found = RecordedJudge(path).progress(FRAMES.take(slice(0, 5)), "a")
    assert found.status.tolist() == [0, 0, 0, FAILED, FAILED]
