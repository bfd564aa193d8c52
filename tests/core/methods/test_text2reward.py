"""Text2Reward: one reply is the reward; a refused one is asked for again, with the refusal."""

import pytest

from core_jax.methods.text2reward import Text2RewardRun
from core_jax.models import ReplayModel
from core_jax.models.base import Reply
from core_jax.prompts import text2reward as prompts
from core_jax.runs.checks import check
from core_jax.writing.writer import NoReward


class OneBadReply:
    """A chat model whose first reply reads an attribute that does not exist."""

    name = "fake"

    def __init__(self, refused=1):
        self.asked, self.refused = [], refused

    def complete(self, messages, n, attempt=0, schema=None):
        self.asked.append((messages, n))
        bad = "    import os\n    return self.obj1.colour"
        good = "    return -(self.obj1.position - self.goal_position)[1]"
        head = "def compute_dense_reward(self, action, obs) -> float:\n"
        return [Reply(f"```python\n{head}{bad if attempt < self.refused else good}\n```")]


def test_the_model_is_told_what_was_refused(changed, drawer, context_for, tmp_path):
    config, model, notes = check(changed(method="text2reward"), drawer.spec), OneBadReply(), []
    run = Text2RewardRun(context_for(config, tmp_path, model, notes), "text2reward", 3)
    run.begin()
    (first, one), (again, _) = model.asked
    assert one == 1 and len(again) == len(first) == 2
    assert "self.obj1.colour" in again[1].content and "`self.obj1` has no" in again[1].content
    first_seed, second_seed = run.programs()["formal"]
    assert first_seed == second_seed and "goal_position" in first_seed.source
    assert notes[-1].strip().startswith("reply 1 is the reward; refused: 1")
    entries = run.written.history.entries
    assert [(e["seed"], e["event"]) for e in entries] == [(0, "selected"), (1, "selected")]
    assert entries[0]["refused"].keys() == {"0"}


def test_without_a_reply_that_compiles_there_is_no_run(changed, context_for, tmp_path):
    model = OneBadReply(refused=9)
    context = context_for(changed(method="text2reward"), tmp_path, model)
    with pytest.raises(NoReward, match="no candidate for the formal reward compiles"):
        Text2RewardRun(context, "text2reward", 3).begin()
    assert len(model.asked) == 3


def test_the_recorded_replies_are_given_one_by_one(changed, drawer):
    config = check(changed(method="text2reward"), drawer.spec)
    model = ReplayModel("drawer-open", "text2reward")
    messages = prompts.initial_messages(drawer.spec)
    replies = [model.complete(messages, 1, i) for i in range(5)]
    assert [len(r) for r in replies] == [1, 1, 1, 1, 0]
    # No candidates are trained, no labels asked for.
    seeds = config.recipe.parallel_seeds(config.settings, config.training)
    assert seeds == config.training.seeds and not config.asks_teacher
