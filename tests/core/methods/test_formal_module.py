"""First selection and refinement of formal rewards, and the trials that the paper selects by."""

import dataclasses
import json

import numpy as np
import pytest

from core_jax import envs
from core_jax.methods.core.formal import FormalModule
from core_jax.methods.trials import Trials, ground_truth_scores
from core_jax.models import ReplayModel
from core_jax.models.base import Reply


def formal_module(config, folder, model=None):
    folder.mkdir(exist_ok=True)
    return FormalModule(config, envs.make("drawer-open"), model or ReplayModel("drawer-open"),
                        folder)  # fmt: skip


class Fixed:
    """A model that gives the same replies whatever it is asked."""

    name = "fixed"

    def __init__(self, *codes):
        self.codes, self.asked = codes, []

    def complete(self, messages, n, attempt=0):
        self.asked.append(messages)
        return [Reply(f"```python\n{c}\n```") for c in self.codes[attempt * n : (attempt + 1) * n]]


def code(body):
    head = "def compute_reward(observation, action, target_pos):\n"
    return head + f"    r = {body}\n    return r, {{'r': r}}"


def labelled(config):
    """Labels that prefer the clip whose hand is higher."""
    rng = np.random.default_rng(0)
    shape = (config.seeds, config.feedback.labels, 2, config.feedback.clip_length)
    obs = rng.normal(size=(*shape, 39)).astype(np.float32)
    height = obs[..., 2].sum(-1)
    return {
        "next_obs": obs,
        "action": np.zeros((*shape, 4), np.float32),
        "target": np.zeros((*shape, 3), np.float32),
        "preference": (height[..., 1] > height[..., 0]).astype(np.float32),
        "count": np.full(config.seeds, config.feedback.labels, np.int32),
    }


def test_selection_and_refinement_by_agreement(small, tmp_path):
    low, high, broken = code("-observation[2]"), code("observation[2]"), "def f(x):\n    return y"
    module = formal_module(small, tmp_path / "r", Fixed(broken, low))
    labels = labelled(small)
    candidates = module.first_candidates()
    assert [c.reward is None for c in candidates] == [True, False]
    scores = np.stack([module.agreements(candidates, labels, s) for s in range(small.seeds)])
    np.testing.assert_array_equal(scores, [[-np.inf, 0.0]] * small.seeds)
    module.select(candidates, scores, 0, "label_agreement")
    module.author.model = Fixed(broken, low, low, high)
    events = module.refine(labels, 500)
    assert all("accepted" in e for e in events)
    assert module.current[0].source.strip().endswith("return r, {'r': r}")
    assert module.agreement(module.current[0], labels, 0) == 1.0
    # Equal agreement is not better: the reward in use stays.
    assert all("kept" in e for e in module.refine(labels, 750))
    assert module.history[-1]["refused"]


def test_what_was_refused_is_told_when_the_model_is_asked_again(small, tmp_path):
    good = code("observation[2]")
    model = Fixed("import os\n\ndef f(a, b, c):\n    return 0.0, {}", "no code", good, good)
    module = formal_module(small, tmp_path / "r", model)
    candidates = module.first_candidates()
    assert [c.reward is None for c in candidates] == [True, True, False, False]
    assert [c.index for c in candidates] == [0, 1, 2, 3]
    first, again = model.asked
    assert first[0] == again[0] and len(again) == 2
    told = again[1].content
    assert told.startswith(first[1].content) and "import os\n" in told
    assert candidates[0].problem in told and candidates[1].problem in told


def refined(config, folder, select, labels):
    """A module whose seeds went from `-height` to `height` at step 500."""
    config = dataclasses.replace(
        config, formal=dataclasses.replace(config.formal, select=select), eval_every=250
    )
    low, high = code("-observation[2]"), code("observation[2]")
    module = formal_module(config, folder, Fixed(low, low))
    candidates = module.first_candidates()
    module.select(candidates, np.zeros((config.seeds, 2)), 0, "label_agreement")
    module.judge(labels, 250, [0.9, 0.9])
    module.author.model = Fixed(high, high)
    module.refine(labels, 500)
    assert "-observation" not in module.current[0].source
    return module


def test_a_refinement_is_taken_back_when_success_collapses(small, tmp_path):
    labels = labelled(small)
    module = refined(small, tmp_path / "r", "gt_score", labels)
    # The evaluation at the step of the acceptance is still the old reward's.
    assert module.judge(labels, 500, [1.0, 0.0]) == []
    assert module.judge(labels, 750, [0.0, 0.0]) == []  # one bad evaluation may be chance
    # What a checkpoint keeps is all that the verdict depends on.
    state = json.loads(json.dumps(module.state()))
    module.restore(state)
    [event] = module.judge(labels, 1_000, [0.0, 0.75])
    assert event.startswith("seed 0: formal reward rolled back. Success was 1.00")
    assert "-observation" in module.current[0].source
    assert "-observation" not in module.current[1].source, "0.15 is less than the margin"
    assert module.history[-1]["event"] == "rolled back"
    # What was taken back is not taken again, though it agrees with more labels.
    [kept, _] = module.refine(labels, 1_250)
    assert "kept" in kept and module.history[-2]["refused"]["0"] == "was taken back before"
    assert module.judge(labels, 1_500, [0.0, 0.0]) == []


def test_a_refinement_is_taken_back_when_newer_labels_disagree(small, tmp_path):
    labels = labelled(small)
    old = small.feedback.labels - small.feedback.labels_per_round
    labels["count"][:] = old
    module = refined(small, tmp_path / "r", "label_agreement", labels)
    # Ground truth is not read: a collapse of success alone changes nothing.
    assert module.judge(labels, 750, [0.0, 0.0]) == []
    labels["count"][:] = small.feedback.labels
    labels["preference"][0, old:] = 1.0 - labels["preference"][0, old:]
    [event] = module.judge(labels, 1_000, [0.0, 0.0])
    assert event.startswith("seed 0: formal reward rolled back. Of 4 labels since")
    assert "-observation" in module.current[0].source
    assert "-observation" not in module.current[1].source


def test_the_story_can_be_read(small, tmp_path):
    labels = labelled(small)
    module = refined(small, tmp_path / "r", "gt_score", labels)
    for env_steps in (750, 1_000):
        module.judge(labels, env_steps, [0.0, 0.9])
    story = (tmp_path / "r" / "story.md").read_text()
    assert story.startswith("# Formal rewards: core on drawer-open (paper)\n\n## Seed 0\n")
    headlines = [line for line in story.splitlines() if line.startswith("#")]
    assert headlines[2:5] == [
        "### 0 steps: candidate 0 selected",
        "### 500 steps: candidate 0 accepted",
        "### 1,000 steps: rolled back",
    ]
    for line in ("-    r = -observation[2]", "+    r = observation[2]",
                 "Agrees with 100.0% of labels, the one before 0.0%."):  # fmt: skip
        assert line in story.splitlines()
    assert "`seed1_step000000000.py` is `seed0_step000000000.py`." in story
    # Written anew from a checkpoint, it is the same.
    module.restore(json.loads(json.dumps(module.state())))
    assert (tmp_path / "r" / "story.md").read_text() == story


def test_no_candidate_compiles(small, tmp_path):
    module = formal_module(small, tmp_path / "r", Fixed(*["import os"] * 6))
    with pytest.raises(ValueError, match="no candidate for the formal reward compiles"):
        module.first_candidates()


@pytest.mark.slow
def test_trials_run_side_by_side_once(small, tmp_path):
    config = dataclasses.replace(
        small, seeds=1, formal=dataclasses.replace(small.formal, trial_fraction=0.375)
    )
    assert config.trial_steps == 750
    up, down = code("observation[2]"), code("-observation[2]")
    module = formal_module(config, tmp_path / "r", Fixed("def f(", up))
    candidates = module.first_candidates()
    trials = Trials(config, 2, tmp_path / "trials.json")
    scores = ground_truth_scores(config, candidates, trials)
    assert scores.shape == (1, 2)
    assert scores[0, 0] == -np.inf and np.isfinite(scores[0, 1])
    assert trials.env_steps == 750
    # A second group, of other rewards, runs through the same compiled program.
    other = module.author.compile(down)
    first, second = trials.run([candidates[1].reward, other], [0, 0])
    assert scores[0, 1] == first.success and first != second
    assert first.statistics.keys() == {"score", "r"} and len(first.statistics["r"]) == 3
    assert np.mean(first.statistics["r"]) > 0 > np.mean(second.statistics["r"])
    names = ("collect", "insert", "learn")
    assert [trials.train.traces[name] for name in names] == [1, 1, 1]
    # Another process finds both, and trains nothing.
    again = Trials(config, 2, tmp_path / "trials.json")
    assert again.run([other, candidates[1].reward], [0, 0]) == [second, first]
    assert again.train is None
