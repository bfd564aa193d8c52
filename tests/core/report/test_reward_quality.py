"""The measures of a reward on graded episodes, and the page."""

import numpy as np
import pytest

from core_jax.report.reward_quality import Scored, measures, write_page
from core_jax.reward_models.large_reward.graded import GradedFrames

EPISODES, LENGTH = 6, 12
EPISODE = np.repeat(np.arange(EPISODES), LENGTH)
STEP = np.tile(np.arange(1, LENGTH + 1), EPISODES)
REACHED = np.linspace(1.0, 0.5, EPISODES)  # progress at the end of each episode
PROGRESS = STEP / LENGTH * REACHED[EPISODE]
FRAMES = GradedFrames(
    picture=np.zeros((len(STEP), 4, 4, 3), np.uint8),
    episode=EPISODE,
    step=STEP,
    progress=PROGRESS,
    success=(PROGRESS >= 0.95) * 1.0,
    deficit=np.linspace(0, 1.3, EPISODES),
    snapshot=STEP[:, None].astype(np.float32),
)


def test_truth():
    found = measures(Scored(PROGRESS, backwards=PROGRESS, is_progress=True), FRAMES)
    assert found["kendall"] == found["spearman"] == found["value_order"] == 1.0
    assert found["success_auc"] == found["episode_auc"] == 1.0
    assert found["mae"] == 0.0 and found["acc_02"] == 1.0
    assert found["value_order_backwards"] == -1.0 and found["value_order_shuffled"] is None
    assert found["near_misses"] > 0 and found["near_misses_called_done"] == 0.0
    assert found["unanswered"] == 0.0 and set(found["pairs"].values()) <= {1.0, None}


def test_a_reward_of_time_alone_is_found_out():
    clock = STEP.astype(float)
    rng = np.random.default_rng(0)
    played = np.arange(len(STEP))
    for number in range(EPISODES):
        rows = np.flatnonzero(EPISODE == number)
        played[rows] = rng.permutation(rows)
    # Whatever frame is shown first has the least value: played backwards it still rises.
    found = measures(
        Scored(clock, backwards=-clock, shuffled=played.astype(float), played_shuffled=played),
        FRAMES,
    )
    assert found["value_order"] == 1.0 and found["value_order_backwards"] == 1.0
    assert found["value_order_shuffled"] == 1.0 and found["kendall"] < 0.9


def test_what_is_missing_is_counted_and_left_out():
    values = PROGRESS.copy()
    values[::4] = np.nan
    found = measures(Scored(values, is_progress=True, seconds=0.5, cost_usd=0.1), FRAMES)
    assert found["unanswered"] == 0.25 and found["mae"] == 0.0 and found["value_order"] == 1.0
    assert found["seconds_per_frame"] == 0.5 and found["cost_usd"] == 0.1
    nothing = measures(Scored(np.full(len(STEP), np.nan), is_chance=True), FRAMES)
    assert nothing["unanswered"] == 1.0 and nothing["kendall"] is None


def test_a_chance_is_calibrated():
    found = measures(Scored(FRAMES.success, is_chance=True), FRAMES)
    assert found["calibration_error"] == 0.0 and found["threshold"] == 0.5
    assert "mae" not in found


@pytest.mark.parametrize("is_chance", [False, True])
def test_the_page_needs_no_other_file(tmp_path, is_chance):
    scored = Scored(np.clip(PROGRESS + 0.1 * np.sin(STEP), 0, 1), is_chance=is_chance)
    rewards = {"a <reward>": scored}
    found = {name: measures(one, FRAMES) for name, one in rewards.items()}
    write_page(tmp_path / "page", "t & t", rewards, found, FRAMES)
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "t &amp; t" in page
    assert "<reward>" not in page and "kendall" in page and "pairs, gap" in page
