"""Ground truth with errors: exact without errors, and errors at their rates that belong to
frames."""

import numpy as np
import pytest

from core_jax.reward_models.large_reward import ABSTAINED, ANSWERED, FAILED, Frames
from core_jax.reward_models.large_reward.scripted import ScriptedJudge, ScriptedJudgeConfig

COUNT = 2_000
RNG = np.random.default_rng(0)
PROGRESS = RNG.random(COUNT)
FRAMES = Frames(progress=PROGRESS, success=(PROGRESS > 0.8) * 1.0, key=np.arange(COUNT))
ORDER = RNG.permutation(COUNT)


def judge(**errors):
    return ScriptedJudge(ScriptedJudgeConfig(**errors))


def test_without_errors_it_is_the_truth():
    exact = judge()
    np.testing.assert_allclose(exact.progress(FRAMES, "").value, PROGRESS, rtol=1e-6)
    np.testing.assert_array_equal(exact.completion(FRAMES, "").value, FRAMES.success)
    other = FRAMES.take(ORDER)
    found = exact.comparison(FRAMES, other, "")
    np.testing.assert_array_equal(found.value, np.sign(PROGRESS[ORDER] - PROGRESS))
    assert found.answered.all()


@pytest.mark.parametrize("question", ["progress", "completion"])
def test_abstentions_and_failures_have_no_value_and_their_rates(question):
    found = getattr(judge(abstain=0.2, fail=0.1), question)(FRAMES, "")
    assert np.isnan(found.value[found.status != ANSWERED]).all()
    assert np.isfinite(found.value[found.status == ANSWERED]).all()
    assert abs(np.mean(found.status == FAILED) - 0.1) < 0.03
    assert abs(np.mean(found.status == ABSTAINED) - 0.2 * 0.9) < 0.03


def test_mistakes_are_opposites_at_their_rate():
    wrong = judge(mistake=0.25)
    differs = wrong.completion(FRAMES, "").value != FRAMES.success
    assert abs(differs.mean() - 0.25) < 0.03
    other = FRAMES.take(ORDER)
    sign = np.sign(PROGRESS[ORDER] - PROGRESS)
    assert abs(np.mean(wrong.comparison(FRAMES, other, "").value == -sign) - 0.25) < 0.03


def test_an_error_belongs_to_its_frame():
    noisy = judge(noise=0.1, mistake=0.3, abstain=0.1)
    some = FRAMES.take(ORDER[:50])
    for question in ("progress", "completion"):
        whole, part = (getattr(noisy, question)(f, "") for f in (FRAMES, some))
        np.testing.assert_array_equal(whole.value[ORDER[:50]], part.value)
    error = noisy.progress(FRAMES, "").value - PROGRESS
    inside = np.isfinite(error) & (PROGRESS > 0.4) & (PROGRESS < 0.6)
    assert abs(np.std(error[inside]) - 0.1) < 0.02


def test_ground_truth_must_be_given():
    with pytest.raises(ValueError, match="progress"):
        judge().progress(Frames(key=np.arange(2)), "")
