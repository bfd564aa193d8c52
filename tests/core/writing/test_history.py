"""A run's `rewards/` folder, whatever happens to its files."""

import json

import pytest

from core_jax.writing import story
from core_jax.writing.history import RewardHistory

NAMES = ("a.py", "b.py")


@pytest.fixture
def history(tmp_path):
    made = RewardHistory(tmp_path / "rewards", "a run")
    for step, name in enumerate(NAMES):
        made.keep(name, f"def reward(x):\n    return {step}", "a remark")
        parent = NAMES[0] if step else None
        made.record(0, step, "accepted", reason="better", file=name, parent=parent)
    return made


@pytest.mark.parametrize("damage", ["missing", "empty", "binary", "changed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_written_again_from_a_checkpoint(history, tmp_path, name, damage):
    folder = tmp_path / "rewards"
    texts, state = json.loads(json.dumps(history.texts)), json.loads(json.dumps(history.entries))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    path = folder / name
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_text("")
        case "binary":
            path.write_bytes(b"\xff\xfe\x00")
        case "changed":
            path.write_text("# a remark\ndef reward(x):\n    return 7\n")
    (folder / "history.json").write_text("[")
    RewardHistory(folder, "a run").restore(state, texts)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_checkpoints_without_the_texts_restore_too(history, tmp_path):
    (tmp_path / "rewards" / "a.py").unlink()
    again = RewardHistory(tmp_path / "rewards", "a run")
    again.restore(history.entries, {})
    assert "# a.py is missing" in (tmp_path / "rewards" / "story.md").read_text()


@pytest.mark.parametrize("ticks", ["```", "````", "``````"])
def test_no_line_of_a_reward_closes_its_fence(ticks):
    entry = {"seed": 0, "env_steps": 0, "event": "selected", "reason": "r", "file": "a.py"}
    text = story.tell("t", [entry], lambda name: f"x = 1\n{ticks}\n# not a headline")
    fences = [line for line in text.splitlines() if line.startswith("`" * max(4, len(ticks) + 1))]
    assert len(fences) == 2 and fences[1] == fences[0].removesuffix("python")
