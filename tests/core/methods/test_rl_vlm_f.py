"""RL-VLM-F: exploration by state entropy, then a reward learned from pairs of single pictures."""

import numpy as np
import pytest

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.runs.checks import check
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {
    "task": "point_world:Point", "method": "rl_vlm_f", "reward_input": "state", "seeds": 1,
    "steps": 1_000, "envs": 10, "rollout": 5, "updates": 2, "chunk": 100, "random_steps": 100,
    "unsupervised_steps": 300, "eval_every": 500, "eval_episodes": 2, "final_episodes": 2,
    "checkpoint_every": 500, "sac": {"hidden": [16, 16], "batch_size": 16},
    "reward": {"hidden": [16], "epochs": 2}, "scripted": {"kind": "oracle"},
    "feedback": {"labels": 40, "labels_per_round": 8, "round_every": 200, "critic_updates": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of a short run, and its folder."""
    out, found = tmp_path_factory.mktemp("run") / "rl_vlm_f", []
    run(check(make_config(**SMALL)), out, quiet=True, on_row=found.append)
    return out, found


@pytest.mark.slow
def test_it_explores_before_the_first_round_and_then_learns_by_labels_alone(rows):
    _, found = rows
    phases = [row["phase"] for row in found]
    assert phases == ["state entropy"] * 3 + ["learned reward"] * 7
    asked = [row["labels"] for row in found]
    assert asked[:3] == [0, 0, 0] and 0 < asked[3] <= 8 and asked[-1] > asked[3]
    assert all(set(row["rewards"]) == {"entropy", "preference"} for row in found)
    # The reward that is optimised is state entropy, then the learned one.
    np.testing.assert_allclose(found[2]["reward"], found[2]["rewards"]["entropy"], rtol=1e-4)
    np.testing.assert_allclose(found[-1]["reward"], found[-1]["rewards"]["preference"], atol=1e-5)
    assert found[1]["rewards"]["entropy"][0] > 0 and "fit_accuracy" in found[3]


@pytest.mark.slow
def test_it_asks_about_single_pictures(rows):
    out, _ = rows
    store = LabelStore(out / "labels.sqlite")
    asked = [one.question for one in store.questions()]
    store.close()
    assert asked and all(len(q.a.next_obs) == len(q.b.next_obs) == 1 for q in asked)


@pytest.mark.parametrize("task", envs.names())
@pytest.mark.parametrize("given", ["state", "pixels"])
def test_its_presets_can_be_run_on_every_task(task, given):
    config = make_config(task=task, method="rl_vlm_f", reward_input=given)
    assert check(config).settings.feedback.clip_length == 1
    assert config.settings.reward.importance_weight == 0.0
