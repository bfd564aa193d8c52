"""First selection and refinement of formal rewards, and their rollback."""

import json

import numpy as np
import pytest

from core_jax.methods.core.formal import FormalRewards
from core_jax.writing.rewards import WrittenRewards
from core_jax.writing.writer import NoReward, RewardWriter, reward_compiler


@pytest.fixture
def formal_rewards(drawer):
    """Makes the formal rewards of a config's seeds in a folder, with a chat model."""
    compile_reward = reward_compiler("core", drawer)

    def make(config, folder, model):
        settings = config.settings
        title = f"{config.method} on {config.task} ({config.protocol})"
        return FormalRewards(
            settings.formal,
            drawer.spec,
            config.training.chunk,
            settings.feedback.labels_per_round,
            WrittenRewards(config.training.seeds, config.seed, compile_reward, folder, title),
            RewardWriter(compile_reward, model, settings.formal.attempts),
            compile_reward,
        )

    return make


def labelled(config):
    """Labels that prefer the clip whose hand is higher."""
    rng = np.random.default_rng(0)
    seeds, feedback = config.training.seeds, config.settings.feedback
    shape = (seeds, feedback.labels, 2, feedback.clip_length)
    obs = rng.normal(size=(*shape, 39)).astype(np.float32)
    height = obs[..., 2].sum(-1)
    return {
        "next_obs": obs,
        "action": np.zeros((*shape, 4), np.float32),
        "target": np.zeros((*shape, 3), np.float32),
        "preference": (height[..., 1] > height[..., 0]).astype(np.float32),
        "count": np.full(seeds, feedback.labels, np.int32),
    }


def refine(formal, labels, env_steps):
    """What happened to each seed."""
    return [formal.refine(s, labels, env_steps) for s in range(formal.written.seeds)]


def judge(formal, labels, env_steps, success):
    """What happened to the seeds to which anything did."""
    events = [formal.judge(s, labels, env_steps, x) for s, x in enumerate(success)]
    return [event for event in events if event is not None]


def sources(formal):
    return [reward.source for reward in formal.written.current]


def test_selection_and_refinement_by_agreement(
    small, formal_rewards, fixed_replies, code, tmp_path
):
    low, high, broken = code("-observation[2]"), code("observation[2]"), "def f(x):\n    return y"
    formal = formal_rewards(small, tmp_path / "r", fixed_replies(broken, low))
    labels, seeds = labelled(small), small.training.seeds
    candidates = formal.first_candidates()
    assert [c.reward is None for c in candidates] == [True, False]
    scores = np.stack([formal.agreements(candidates, labels, s) for s in range(seeds)])
    np.testing.assert_array_equal(scores, [[-np.inf, 0.0]] * seeds)
    events = formal.select(candidates, scores, 0, "label_agreement")
    assert events[1] == "seed 1: candidate 1 selected, label_agreement 0.0"
    formal.writer.model = fixed_replies(broken, low, low, high)
    assert all("accepted" in e for e in refine(formal, labels, 500))
    assert "-observation" not in sources(formal)[0]
    assert formal.agreement(formal.written.reward(0), labels, 0) == 1.0
    # Equal agreement is not better: the reward in use stays.
    assert all("kept" in e for e in refine(formal, labels, 750))
    assert formal.written.history.entries[-1]["refused"]


@pytest.mark.parametrize(("accept", "lost", "accepted"), [
    ("better", 2, True),  # 3 labels won
    ("better", 3, False),
    ("not_worse", 8, True),  # (8 - 3) / sqrt(8 + 3) = 1.51
    ("not_worse", 9, False),  # (9 - 3) / sqrt(9 + 3) = 1.73
])  # fmt: skip
def test_labels_that_cannot_tell_leave_it_to_the_language_model(
    accept, lost, accepted, changed, formal_rewards, fixed_replies, code, tmp_path
):
    config = changed(
        formal={"accept": accept, "candidates": 2, "attempts": 1}, feedback={"labels": 24}
    )
    height, side = code("observation[2]"), code("observation[0]")
    formal = formal_rewards(config, tmp_path / "r", fixed_replies(height, height))
    labels, count = labelled(config), 24
    labels["count"][:] = count
    obs, preference = labels["next_obs"], labels["preference"]
    obs[:, :count, 0], obs[:, :count, 1] = 0.0, 1.0  # both prefer the second clip
    preference[:, :count] = 1.0
    obs[:, :lost, 1, :, 0] = -1.0
    obs[:, lost : lost + 3, 1, :, 2] = -1.0
    formal.select(formal.first_candidates(), np.zeros((config.training.seeds, 2)), 0, "x")
    assert formal.agreement(formal.written.reward(0), labels, 0) == (count - 3) / count
    assert formal.agreement(formal.compile(side), labels, 0) == (count - lost) / count
    formal.writer.model = fixed_replies(height, side)
    events = refine(formal, labels, 500)
    assert all(("accepted" in event) is accepted for event in events)
    # The reward in use is no candidate for itself.
    assert "is in use already" in json.dumps(formal.written.history.entries[-1]["refused"])


def test_agreement_is_the_part_of_decided_labels(small, formal_rewards, fixed_replies, code,
                                                 tmp_path):  # fmt: skip
    """Equal preferences are left out; without decided labels nothing is agreed with."""
    formal = formal_rewards(small, tmp_path / "r", fixed_replies(code("observation[2]")))
    labels = labelled(small)
    reward, count = formal.compile(code("observation[2]")), 8
    labels["count"][:] = count  # the rest does not count, whatever it says
    labels["preference"][:, count:] = 1.0 - labels["preference"][:, count:]
    assert formal.agreement(reward, labels, 0) == 1.0
    labels["preference"][0, :2] = 1.0 - labels["preference"][0, :2]
    assert formal.agreement(reward, labels, 0) == 6 / 8
    assert formal.agreement(reward, labels, 1) == 1.0
    labels["preference"][0, 2:6] = 0.5
    assert formal.agreement(reward, labels, 0) == 2 / 4
    assert formal.agreement(reward, labels, 0, first=6) == 1.0
    assert formal.agreement(reward, labels, 0, first=count) == 0.0
    labels["preference"][0] = 0.5
    assert formal.agreement(reward, labels, 0) == 0.0


def test_the_model_is_told_what_was_refused_when_it_is_asked_again(
    small, formal_rewards, fixed_replies, code, tmp_path
):
    good = code("observation[2]")
    bad = "import os\n\ndef f(a, b, c):\n    return os.getpid(), {}"
    model = fixed_replies(bad, "no code", good, good)
    formal = formal_rewards(small, tmp_path / "r", model)
    candidates = formal.first_candidates()
    assert [c.reward is None for c in candidates] == [True, True, False, False]
    assert [c.index for c in candidates] == [0, 1, 2, 3]
    first, again = model.asked
    assert first[0] == again[0] and len(again) == 2
    content = again[1].content
    assert content.startswith(first[1].content) and "os.getpid()" in content
    assert candidates[0].problem in content and candidates[1].problem in content


@pytest.fixture
def refined(changed, formal_rewards, fixed_replies, code, tmp_path):
    """Makes formal rewards whose seeds went from `-height` to `height` at step 500."""

    def make(select, labels):
        config = changed(formal={"select": select, "trial_fraction": 0.5}, eval_every=250)
        low, high = code("-observation[2]"), code("observation[2]")
        formal = formal_rewards(config, tmp_path / "r", fixed_replies(low, low))
        candidates = formal.first_candidates()
        scores = np.zeros((config.training.seeds, 2))
        formal.select(candidates, scores, 0, "label_agreement")
        judge(formal, labels, 250, [0.9, 0.9])
        formal.writer.model = fixed_replies(high, high)
        refine(formal, labels, 500)
        assert all("-observation" not in source for source in sources(formal))
        return formal

    return make


def test_a_refinement_is_rolled_back_when_success_collapses(small, refined):
    labels = labelled(small)
    formal = refined("gt_score", labels)
    # The evaluation at the step of the acceptance is still the old reward's.
    assert judge(formal, labels, 500, [1.0, 0.0]) == []
    assert judge(formal, labels, 750, [0.0, 0.0]) == []  # one bad evaluation may be chance
    # What a checkpoint keeps is all that the verdict depends on.
    formal.restore(json.loads(json.dumps(formal.state())))
    [event] = judge(formal, labels, 1_000, [0.0, 0.75])
    assert event.startswith("seed 0: formal reward rolled back. Success was 1.00")
    assert "-observation" in sources(formal)[0]
    assert "-observation" not in sources(formal)[1], "0.15 is less than the margin"
    entries = formal.written.history.entries
    assert entries[-1]["event"] == "rolled back"
    # What was rolled back is not accepted again, though it agrees with more labels.
    [kept, _] = refine(formal, labels, 1_250)
    assert "kept" in kept and entries[-2]["refused"]["0"] == "was rolled back before"
    assert judge(formal, labels, 1_500, [0.0, 0.0]) == []


def test_a_refinement_is_rolled_back_when_newer_labels_disagree(small, refined):
    labels, feedback = labelled(small), small.settings.feedback
    old = feedback.labels - feedback.labels_per_round
    labels["count"][:] = old
    formal = refined("label_agreement", labels)
    # Ground truth is not read: a collapse of success alone changes nothing.
    assert judge(formal, labels, 750, [0.0, 0.0]) == []
    labels["count"][:] = feedback.labels
    labels["preference"][0, old:] = 1.0 - labels["preference"][0, old:]
    [event] = judge(formal, labels, 1_000, [0.0, 0.0])
    assert event.startswith("seed 0: formal reward rolled back. Of 4 labels since")
    assert "-observation" in sources(formal)[0]
    assert "-observation" not in sources(formal)[1]


def test_the_story_can_be_read(small, refined, tmp_path):
    labels = labelled(small)
    formal = refined("gt_score", labels)
    for env_steps in (750, 1_000):
        judge(formal, labels, env_steps, [0.0, 0.9])
    story = (tmp_path / "r" / "story.md").read_text()
    assert story.startswith("# Formal rewards: core on drawer-open (paper)\n\n## Seed 0\n")
    headlines = [line for line in story.splitlines() if line.startswith("#")]
    assert headlines[2:5] == [
        "### 0 steps: candidate 0 selected",
        "### 500 steps: candidate 0 accepted",
        "### 1,000 steps: rolled back",
    ]
    for line in ("-    r = -observation[2]", "+    r = observation[2]",
                 "Agrees with 100.0% of labels, the previous one with 0.0%."):  # fmt: skip
        assert line in story.splitlines()
    assert "`seed1_step000000000.py` is `seed0_step000000000.py`." in story
    # Written anew from a checkpoint, it is the same.
    formal.restore(json.loads(json.dumps(formal.state())))
    assert (tmp_path / "r" / "story.md").read_text() == story


def test_no_candidate_compiles(small, formal_rewards, fixed_replies, tmp_path):
    formal = formal_rewards(small, tmp_path / "r", fixed_replies(*["import os"] * 6))
    with pytest.raises(NoReward, match="no candidate for the formal reward compiles"):
        formal.first_candidates()


def test_a_recording_that_is_used_up_ends_the_attempts(small, formal_rewards, fixed_replies, code,
                                                       tmp_path):  # fmt: skip
    """The reward in use is kept where the model has no more replies."""
    formal = formal_rewards(small, tmp_path / "r", fixed_replies(code("observation[2]"), "def f("))
    labels = labelled(small)
    candidates = formal.first_candidates()
    scores = np.stack([formal.agreements(candidates, labels, s) for s in range(2)])
    formal.select(candidates, scores, 0, "label_agreement")
    formal.writer.model = fixed_replies()
    assert all("kept. None of 0 candidates" in e for e in refine(formal, labels, 500))


def test_a_given_reward_has_no_writer(drawer, small, tmp_path):
    compile_reward = reward_compiler("core", drawer)
    written = WrittenRewards(1, 0, compile_reward, tmp_path, "given")
    formal = FormalRewards(
        small.settings.formal, drawer.spec, 250, 4, written, None, compile_reward
    )
    with pytest.raises(ValueError, match="the formal reward was given as a file"):
        formal.first_candidates()
