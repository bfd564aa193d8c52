"""When a refined reward is rolled back: the rules alone, and in a run that is resumed."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from core_jax.methods.core import rollback, weighting
from core_jax.methods.core.parts import COLUMN
from core_jax.methods.core.rollback import Watch
from core_jax.models.base import Reply
from core_jax.runs import restore, setup
from core_jax.runs.loop import run
from core_jax.runs.metrics import WALL_COLUMNS
from core_jax.training.programs import score

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_best_evaluations_before_and_since_are_compared():
    watch, ended = rollback.evaluated(Watch(), 1_000, 0.8)
    assert ended is None and watch.best == 0.8
    watch = rollback.accepted(watch, "parent", "parent.py", 2_000, labels=40)
    assert watch.best == 0.0 and watch.probation.before == 0.8
    watch, ended = rollback.evaluated(watch, 2_000, 0.9)  # still the parent's
    assert ended is None and watch.probation.before == 0.9 and watch.best == 0.0
    watch, ended = rollback.evaluated(watch, 3_000, 0.3)
    assert ended is None
    watch = rollback.from_json(json.loads(json.dumps(dataclasses.asdict(watch))))
    watch, ended = rollback.evaluated(watch, 4_000, 0.1)
    assert (ended.before, watch.best, watch.probation) == (0.9, 0.3, None)
    watch = rollback.rolled_back(watch, "refined", ended)
    assert watch == Watch(best=0.9, rolled_back=("refined",))
    # Nothing is on probation now.
    assert rollback.evaluated(watch, 5_000, 0.0) == (watch, None)


def test_verdicts():
    assert rollback.success_verdict(0.5, 0.25, 0.25) is None
    assert "0.50" in rollback.success_verdict(0.5, 0.0, 0.25)
    assert rollback.agreement_verdict(0.75, 0.5, 20, 20, 0.25) is None
    assert "75.0%" in rollback.agreement_verdict(0.75, 0.25, 20, 20, 0.25)
    assert rollback.agreement_verdict(1.0, 0.0, 19, 20, 0.25) is None, "too few labels to say"


class Chat:
    """Writes a reward that misleads, and refines it to a good one."""

    name = "fake"

    def complete(self, messages, n, attempt=0, schema=None):
        sign = "" if len(messages) == 2 else "-"
        body = f"r = {sign}np.linalg.norm(observation[0:2] - target_pos[0:2])"
        head = "def compute_reward(observation, action, target_pos):"
        return [Reply(f"```python\n{head}\n    {body}\n    return r, {{'r': r}}\n```")] * n


def rows(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in WALL_COLUMNS} for row in lines]


@pytest.fixture
def config(changed, monkeypatch):
    """Of a run whose refined reward is rolled back, and whose residual reward is weighed by
    agreement."""
    monkeypatch.setattr(setup, "check_chat_model", lambda *_, **__: None)
    monkeypatch.setattr(setup, "make_chat_model", lambda *_, **__: Chat())
    monkeypatch.setattr(rollback, "agreement_verdict", lambda *_: "It made things worse")
    monkeypatch.setattr(weighting, "LEAST", 4)  # the run has 14 labels
    return changed(
        task="point_world:Point", eval_every=250, formal={"refine_at": [1_250]},
        weighting="agreement", residual={"pessimism": 0.5},
    )  # fmt: skip


def history_of(out):
    return json.loads((out / "rewards" / "history.json").read_text())


@pytest.mark.slow
def test_a_run_rolls_a_reward_back(config, point, tmp_path):
    out = tmp_path / "run"
    run(config, out, quiet=True, env=point)
    history = history_of(out)
    events = [(h["env_steps"], h["event"]) for h in history if h["seed"] == 0]
    # Selected after the random steps; the second evaluation after 1,250 is at 1,750.
    assert events == [(500, "selected"), (1_250, "accepted"), (1_750, "rolled back")]
    said = {row["env_steps"]: " ".join(row["events"]) for row in rows(out)}
    assert "seed 1: formal reward rolled back. It made things worse" in said[1_750]
    # The parent is in use, and all of replay is rescored with it.
    found = restore.load(out)
    programs = found.programs["formal"]
    assert all("r = np" in reward.source for reward in programs)
    data = found.seeds.replay.data
    value, _ = score(COLUMN, programs, point.spec.formal_view, data)
    np.testing.assert_allclose(data.rewards["formal"], value, atol=1e-5)
    # The first fit has nothing to weigh by, the last has the labels before it.
    alphas = [row["alpha"] for row in rows(out) if "alpha" in row]
    assert alphas[0] == [0.5, 0.5] and alphas[-1] != [0.5, 0.5]
    np.testing.assert_array_equal(found.seeds.weights["residual"], np.float32(alphas[-1]))
    np.testing.assert_allclose(found.seeds.weights["formal"], 1.0 - np.array(alphas[-1]), atol=1e-6)


@pytest.mark.long
def test_resumed_in_the_middle_of_the_probation_it_is_the_same_run(config, point, tmp_path):
    out, again = tmp_path / "undisturbed", tmp_path / "resumed"
    run(config, out, quiet=True, env=point)
    shutil.copytree(out, again)
    (again / "summary.json").unlink()
    shutil.rmtree(again / "checkpoints" / "step_000002000")
    run(config, again, resume=True, quiet=True, env=point)
    assert rows(again) == rows(out)
    assert history_of(again) == history_of(out)
    for a, b in zip(
        jax.tree.leaves(restore.load(again).seeds.learner),
        jax.tree.leaves(restore.load(out).seeds.learner),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
