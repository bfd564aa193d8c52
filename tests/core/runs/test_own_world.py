"""A brax environment and a reward of one's own: the example of the README, trained."""

import shutil
from pathlib import Path

import event_files
import pytest

from core_jax.runs import loggers
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

EXAMPLE = Path(__file__).parents[3] / "examples" / "brax_reacher"
SMALL = {
    "steps": 1_000, "envs": 10, "updates": 2, "random_steps": 400, "chunk": 100, "eval_every": 500,
    "eval_episodes": 2, "final_episodes": 2, "checkpoint_every": 500,
    "sac": {"hidden": [16, 16], "batch_size": 16},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", ["code", pytest.param("core", marks=pytest.mark.long)])
def test_the_example_trains_and_leaves_everything_behind(method, tmp_path, monkeypatch):
    folder = shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.chdir(folder)
    given = {"task": "reacher:Reacher", "method": method, "formal": {"file": "my_reward.py"}}
    if method == "core":
        given["feedback"] = {"labels": 8, "labels_per_round": 4, "first_round": 400,
                             "round_every": 200}  # fmt: skip
        given["residual"] = {"hidden": [8], "epochs": 2}
    config = make_config(**given, **SMALL)
    with loggers.opened(("tensorboard",), tmp_path / "run") as on_row:
        summary = run(config, tmp_path / "run", quiet=True, on_row=on_row)
    assert summary["env_steps"] == 1_000 and len(summary["success"]) == 1
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"summary.json", "curve.png", "episode.png", "checkpoints"} <= names
    # It resumes, although the world has neither a target nor pictures.
    longer = make_config(**given, **{**SMALL, "steps": 1_200})
    with loggers.opened(("tensorboard",), tmp_path / "run") as on_row:
        summary = run(longer, tmp_path / "run", resume=True, quiet=True, on_row=on_row)
    assert summary["env_steps"] == 1_200
    logged = event_files.scalars(tmp_path / "run" / "tensorboard")
    assert [step for step, _ in logged["dense"]] == list(range(100, 1_300, 100))
