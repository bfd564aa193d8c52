"""Training that ends early: once success has held (`stop_at`), or by a signal."""

import dataclasses
import json
import signal
import time

import jax.numpy as jnp
import pytest
from brax.envs.base import Env, State

from core_jax.runs import interrupt, run_folder
from core_jax.runs.loop import run
from core_jax.runs.metrics import WALL_COLUMNS
from core_jax.runs.presets import make_config

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {
    "method": "env_dense", "steps": 1_000, "envs": 5, "updates": 1, "random_steps": 100,
    "chunk": 100, "rollout": 4, "eval_every": 100, "eval_episodes": 2,
    "final_episodes": 2, "checkpoint_every": 0, "sac": {"hidden": [4], "batch_size": 4},
}  # fmt: skip


class Solved(Env):
    """Every episode succeeds."""

    episode_length = 5
    success = 1.0

    def reset(self, rng):
        zero = jnp.zeros(())
        return State(None, jnp.zeros(2), zero, zero, {"success": jnp.float32(self.success)}, {})

    def step(self, state, action):
        return state.replace(obs=state.obs + action[0])

    observation_size, action_size, backend = 2, 1, "none"


class Unsolved(Solved):
    """No episode succeeds."""

    success = 0.0


def test_training_ends_after_three_evaluations_and_is_then_complete(tmp_path, capsys):
    config = make_config(**SMALL, stop_at=0.9)
    summary = run(config, tmp_path / "run", env=Solved())
    assert summary["env_steps"] == 300 and summary["stopped_at"] == 0.9
    assert "training ends at 300 of 1,000 steps" in capsys.readouterr().err
    # Nothing is left to do for this setting or a lower one; without it there is.
    for level in (0.9, 0.5):
        again = run(
            dataclasses.replace(config, stop_at=level), tmp_path / "run", resume=True, env=Solved()
        )
        assert again == summary
    whole = run(
        dataclasses.replace(config, stop_at=None), tmp_path / "run", resume=True, env=Solved()
    )
    assert whole["env_steps"] == 1_000 and "stopped_at" not in whole


def test_training_goes_on_while_success_is_lower(tmp_path):
    config = make_config(**{**SMALL, "steps": 500}, stop_at=0.9)
    summary = run(config, tmp_path / "run", quiet=True, env=Unsolved())
    assert summary["env_steps"] == 500 and "stopped_at" not in summary


@pytest.mark.parametrize("level", [0.0, -1.0, 1.5, float("nan")])
def test_levels_that_no_success_can_have_are_refused(level):
    with pytest.raises(ValueError, match="stop_at"):
        make_config(task="drawer-open", stop_at=level)


def test_a_higher_level_is_not_complete():
    config = make_config(task="drawer-open", stop_at=0.95)
    assert not run_folder.is_complete({"env_steps": 300, "stopped_at": 0.9}, config)
    assert run_folder.is_complete({"env_steps": 300, "stopped_at": 0.95}, config)
    assert run_folder.is_complete({"env_steps": config.training.steps}, config)


def rows(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in WALL_COLUMNS} for row in lines]


@pytest.mark.slow
def test_a_run_that_a_signal_stops_is_saved_and_resumes_as_if_it_had_not(tmp_path):
    config = make_config(**{**SMALL, "steps": 500})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = run(config, whole, quiet=True, env=Unsolved())

    def terminate(row):
        if row["env_steps"] == 200:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(0.5)  # until the thread that waits for signals has seen it

    with interrupt.catching(), pytest.raises(interrupt.Stopped, match="by SIGTERM at") as stopped:
        run(config, parts, quiet=True, env=Unsolved(), on_row=terminate)
    assert stopped.value.exit_status == 143 and not (parts / "summary.json").exists()
    [saved] = (parts / "checkpoints").iterdir()  # at that row or, if the thread was slow, the next
    assert saved.name in ("step_000000200", "step_000000300")
    summary = run(config, parts, resume=True, quiet=True, env=Unsolved())
    assert rows(parts) == rows(whole)
    assert summary["episode_return"] == expected["episode_return"]
