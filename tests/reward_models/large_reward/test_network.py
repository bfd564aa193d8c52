"""The network: comparison is antisymmetric, missing pictures do not matter, files round-trip; and
examples and the fit."""

import jax
import numpy as np
import pytest

from core_jax.reward_models.large_reward import Frames, examples, fitting, network, trained
from core_jax.reward_models.large_reward.graded import GradedFrames

WORDS = network.vocabulary(["push the ball", "open the drawer"])
RNG = np.random.default_rng(0)


def pictures(count):
    return RNG.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def judge():
    net = network.RewardNet(network.UNKNOWN + 1 + len(WORDS))
    one, tokens = pictures(1), network.tokenize(WORDS, ["push the ball"])
    given = np.ones((1, 2), bool)
    params = net.init(jax.random.key(0), one, one, tokens, one, one, given)
    return trained.TrainedJudge(WORDS, params)


def test_words_and_tokens():
    assert WORDS == ("ball", "drawer", "open", "push", "the")
    row = network.tokenize(WORDS, ["Push the red drawer!"])[0]
    assert row[:5].tolist() == [5, 6, network.UNKNOWN, 3, 0] and len(row) == network.LENGTH


def test_comparison_changes_its_sign_with_the_order(judge):
    a, b = Frames(pictures(3)), Frames(pictures(3))
    there, back = judge.comparison(a, b, "push the ball"), judge.comparison(b, a, "push the ball")
    np.testing.assert_allclose(there.value, -back.value, atol=1e-5)
    assert np.abs(judge.comparison(a, a, "push the ball").value).max() < 1e-6


def test_a_batch_is_its_frames_one_by_one(judge):
    frames, start = Frames(pictures(67)), Frames(pictures(67))  # more than one batch
    together = judge.progress(frames, "push the ball", start)
    alone = judge.progress(frames.take(slice(66, 67)), "push the ball", start.take(slice(66, 67)))
    np.testing.assert_allclose(together.value[66:], alone.value, atol=1e-5)
    assert ((together.value >= 0) & (together.value <= 1)).all()
    assert ((together.confidence >= 0) & (together.confidence <= 1)).all()


def test_start_goal_and_instruction_matter_only_where_they_are_given(judge):
    frames = Frames(pictures(2))
    plain = judge.completion(frames, "push the ball").value
    given = judge.completion(frames, "push the ball", Frames(pictures(2)), Frames(pictures(2)))
    other = judge.completion(frames, "open the drawer").value
    assert np.abs(plain - given.value).max() > 1e-6 and np.abs(plain - other).max() > 1e-6


def test_it_abstains_below_a_confidence(judge):
    frames = Frames(pictures(8))
    sure = judge.completion(frames, "push the ball").confidence
    level = float(np.median(sure))
    careful = trained.TrainedJudge(WORDS, judge.params, abstain_below=level)
    found = careful.completion(frames, "push the ball")
    np.testing.assert_array_equal(found.answered, sure >= level)
    assert np.isnan(found.value[~found.answered]).all()


def test_a_file_round_trips(judge, tmp_path):
    path = tmp_path / "model.npz"
    trained.save(path, WORDS, judge.params)
    found = trained.load(path)
    frames = Frames(pictures(4))
    np.testing.assert_allclose(
        found.progress(frames, "push the ball").value,
        judge.progress(frames, "push the ball").value,
        atol=5e-3,
    )
    assert found.words == WORDS and found.name == "model"
    with pytest.raises(ValueError, match="nowhere"):
        trained.load(tmp_path / "nowhere.npz")


def test_pictures_of_another_size_are_refused(judge):
    with pytest.raises(ValueError, match="64, 64, 3"):
        judge.progress(Frames(np.zeros((1, 32, 32, 3), np.uint8)), "push the ball")


def graded(hue, episodes=4, length=8):
    """Episodes in which a white bar grows with progress, on a ground of one colour."""
    step = np.tile(np.arange(length), episodes)
    progress = step / (length - 1)
    shown = np.full((episodes * length, 64, 64, 3), 60, np.uint8)
    shown[..., hue] = 140
    for picture, share in zip(shown, progress, strict=True):
        picture[:, : int(56 * share)] = 255
    return GradedFrames(
        picture=shown,
        episode=np.repeat(np.arange(episodes), length),
        step=step + 1,
        progress=progress,
        success=(progress == 1.0) * 1.0,
        deficit=np.linspace(0, 1, episodes),
        snapshot=step[:, None].astype(np.float32),
    )


TASKS = {"ball": graded(0), "drawer": graded(1)}
TEXTS = {"ball": "push the ball", "drawer": "open the drawer"}
GOALS = {task: frames.picture[-1] for task, frames in TASKS.items()}


def drawn(count=400, **shares):
    made = examples.Examples(TASKS, GOALS, TEXTS, WORDS, examples.Shares(**shares))
    return made.draw(np.random.default_rng(1), count)


def test_examples_have_the_labels_of_their_frames():
    batch = drawn(other_instruction=0.0, other_goal=0.0, own_episode=1.0)
    bar = lambda x: (x[:, 0, :, :] == 255).all(-1).sum(-1) / 56
    np.testing.assert_allclose(batch.progress, bar(batch.b), atol=0.02)
    np.testing.assert_array_equal(batch.completion, batch.progress == 1.0)
    gap = bar(batch.b) - bar(batch.a)
    np.testing.assert_array_equal(batch.further, np.where(np.abs(gap) < 0.05, 0.5, gap > 0))
    assert (batch.paired == 1.0).all()
    # Every tenth of progress that occurs is equally frequent, and so is each task.
    levels = np.bincount(np.rint(10 * batch.progress).astype(int), minlength=11)
    assert levels[levels > 0].min() > 0.6 * levels.max()
    assert (bar(batch.start) <= bar(batch.b) + 1e-6).all()


def test_negatives_have_no_progress_and_no_comparison():
    batch = drawn(other_instruction=0.5, other_goal=0.5)
    assert (batch.progress == 0.0).all() and (batch.completion == 0.0).all()
    assert (batch.paired == 0.0).all()


@pytest.mark.slow
def test_a_fit_learns_to_read_the_bar():
    made = examples.Examples(TASKS, GOALS, TEXTS, WORDS, examples.Shares(goal=0.3, start=0.3))
    losses = []
    config = fitting.FitConfig(steps=60, batch=32)
    params = fitting.fit(made, len(WORDS), config, lambda step, now: losses.append(now))
    judge = trained.TrainedJudge(WORDS, params)
    frames = TASKS["ball"]
    shown = Frames(frames.picture)
    found = judge.progress(shown, TEXTS["ball"])
    assert np.corrcoef(found.value, frames.progress)[0, 1] > 0.9
    later = judge.comparison(shown.take([0, 0, 7]), shown.take([4, 7, 0]), TEXTS["ball"])
    assert (np.sign(later.value) == [1, 1, -1]).all()
    assert sum(losses[-1].values()) < sum(losses[0].values())


def test_the_package_s_model_loads_and_its_card_says_what_it_is_worth():
    own, card = trained.load(), trained.card()
    assert own.name == "own" and own.abstain_below == 0.0
    found = own.progress(Frames(pictures(2)), "push the soccer ball into the goal")
    assert np.isfinite(found.value).all()
    assert set(card["held_out"]) == set(card["frames"])
    for task, parts in card["held_out"].items():
        assert parts["resets"]["mae"] < parts["slope"]["mae"], task
        assert parts["truth"]["mae"] == 0.0
    assert trained._own_file().stat().st_size < 3_000_000
