"""First selection and refinement of formal rewards, and the trials that the paper selects by."""

import dataclasses

import numpy as np
import pytest

import envs
from core import trials
from core.formal_module import FormalModule
from core.models import ReplayModel


def formal_module(config, folder, model=None):
    folder.mkdir(exist_ok=True)
    return FormalModule(config, envs.make("drawer-open").spec, model or ReplayModel("drawer-open"),
                        folder)  # fmt: skip


class Fixed:
    """A model that gives the same replies whatever it is asked."""

    name = "fixed"

    def __init__(self, *codes):
        self.codes = codes

    def complete(self, messages, n, attempt=0):
        from core.models.base import Reply

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
    module._model = Fixed(broken, low, low, high)
    events = module.refine(labels, 500)
    assert all("accepted" in e for e in events)
    assert module.current[0].source.strip().endswith("return r, {'r': r}")
    assert module.agreement(module.current[0], labels, 0) == 1.0
    # Equal agreement is not better: the reward in use stays.
    assert all("kept" in e for e in module.refine(labels, 750))
    assert module.history[-1]["refused"]


def test_no_candidate_compiles(small, tmp_path):
    module = formal_module(small, tmp_path / "r", Fixed(*["import os"] * 6))
    with pytest.raises(ValueError, match="no candidate for the formal reward compiles"):
        module.first_candidates()


@pytest.mark.slow
def test_ground_truth_trials_train_candidates_side_by_side(small, tmp_path):
    config = dataclasses.replace(
        small, seeds=1, steps=2_000, formal=dataclasses.replace(small.formal, trial_fraction=0.5)
    )
    module = formal_module(config, tmp_path / "r", Fixed("def f(", code("observation[2]")))
    scores = trials.ground_truth_scores(config, module.first_candidates())
    assert scores.shape == (1, 2)
    assert scores[0, 0] == -np.inf and np.isfinite(scores[0, 1])
