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


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Trains with a method for 1,000 steps: what was given, the run's folder and its summary."""
    folder = shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.chdir(folder)

    def start(method):
        given = {"task": "reacher:Reacher", "method": method, "formal": {"file": "my_reward.py"}}
        if method == "core":
            given["feedback"] = {"labels": 8, "labels_per_round": 4, "first_round": 400,
                                 "round_every": 200}  # fmt: skip
            given["residual"] = {"hidden": [8], "epochs": 2}
        with loggers.opened(("tensorboard",), tmp_path / "run") as on_row:
            config = make_config(**given, **SMALL)
            summary = run(config, tmp_path / "run", quiet=True, on_row=on_row)
        return given, tmp_path / "run", summary

    return start


@pytest.mark.slow
def test_the_example_trains_and_leaves_everything_behind(started):
    _, out, summary = started("code")
    assert summary["env_steps"] == 1_000 and len(summary["success"]) == 1
    names = {path.name for path in out.iterdir()}
    assert {"summary.json", "curve.png", "episode.png", "checkpoints"} <= names
    logged = event_files.scalars(out / "tensorboard")
    assert [step for step, _ in logged["dense"]] == list(range(100, 1_100, 100))


@pytest.mark.long
@pytest.mark.parametrize("method", ["code", "core"])
def test_the_example_is_resumed_although_it_has_neither_target_nor_pictures(method, started):
    given, out, _ = started(method)
    longer = make_config(**given, **{**SMALL, "steps": 1_200})
    with loggers.opened(("tensorboard",), out) as on_row:
        summary = run(longer, out, resume=True, quiet=True, on_row=on_row)
    assert summary["env_steps"] == 1_200
    logged = event_files.scalars(out / "tensorboard")
    assert [step for step, _ in logged["dense"]] == list(range(100, 1_300, 100))
