"""Tasks' own schedules: the paper's budgets, and a command line that starts from them."""

import dataclasses
from pathlib import Path

import pytest

from core_jax import envs
from core_jax.runs import presets as schedules
from core_jax.runs import run_folder
from core_jax.runs.config import Config, check


@dataclasses.dataclass(frozen=True)
class Flags(Config):
    """As `scripts/train.py` has them."""

    out: Path = Path()
    resume: bool = False


@pytest.mark.parametrize("task", envs.names())
def test_a_schedule_can_be_run_on_either_input(task):
    for given in ("state", "pixels"):
        config = schedules.of(task, residual_input=given, seeds=2)
        assert check(config) is config
        assert config.task == task and config.seeds == 2


@pytest.mark.parametrize("task", envs.names("softgym"))
def test_softgyms_labels_and_steps_are_the_papers(task):
    budget, config = envs.make(task).spec.paper_budget, schedules.of(task)
    feedback = config.feedback
    assert feedback.labels == budget.labels
    assert feedback.labels_per_round == budget.labels_per_round
    assert feedback.round_every == budget.round_every
    assert feedback.first_round == budget.first_round
    assert feedback.clip_length == budget.clip_length
    assert feedback.frames_shown == budget.frames_shown
    # Whole chunks: pass-water's 100,050 steps and its multiples of 24,975 are rounded.
    assert abs(config.steps - budget.env_steps) <= 50
    off = [a - b for a, b in zip(config.formal.refine_at, budget.refine_at, strict=True)]
    assert max(map(abs, off)) <= 100
    assert feedback.window == 100 * envs.make(task).spec.horizon
    assert config.block == config.updates * (1 if task == "fold-cloth" else 5)


def test_metaworld_has_the_configs_own_defaults():
    tasks = set(envs.names("metaworld")) - {"peg-insert-side"}
    assert all(schedules.of(task) == Config(task=task) for task in tasks) and len(tasks) == 6


def test_a_peg_takes_longer_and_its_labels_last_to_the_end_of_the_run():
    config = schedules.of("peg-insert-side")
    feedback = config.feedback
    rounds = feedback.labels // feedback.labels_per_round
    assert config.steps == 300_000 and config.pixels.shadows
    assert 0.9 < (feedback.first_round + rounds * feedback.round_every) / config.steps < 1.0


@pytest.mark.parametrize("given", [["--task", "fold-cloth"], ["--task=fold-cloth"]])
def test_flags_start_from_the_tasks_schedule(given):
    parsed = schedules.parse(Config, ["--seeds", "3", *given, "--sac.gamma", "0.9"])
    expected = schedules.of("fold-cloth", seeds=3)
    sac = dataclasses.replace(expected.sac, gamma=0.9)
    assert parsed == dataclasses.replace(expected, sac=sac)


def test_what_is_said_wins_over_the_schedule():
    parsed = schedules.parse(Config, ["--task", "fold-cloth", "--steps", "300", "--envs", "10"])
    assert (parsed.steps, parsed.envs, parsed.chunk) == (300, 10, 100)


def test_a_run_that_is_gone_on_with_keeps_its_flags(tmp_path):
    before = dataclasses.replace(schedules.of("flatten-rope", seeds=2), steps=3_000)
    run_folder.prepare(tmp_path / "run", before, resume=False)
    given = ["--out", str(tmp_path / "run"), "--resume"]
    parsed = schedules.parse(Flags, given)
    assert dataclasses.replace(parsed, resume=False, out=Path()) == Flags(**vars(before))
    assert schedules.parse(Flags, [*given, "--steps", "4000"]).steps == 4_000
    # Without --resume, or with nothing there, they are the task's.
    assert schedules.parse(Flags, given[:2]).task == Config().task
    assert schedules.parse(Flags, ["--out", str(tmp_path / "none"), "--resume"]).seeds == 1


def test_a_folder_of_another_version_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"wings": 2}')
    with pytest.raises(ValueError, match="wings"):
        schedules.parse(Flags, ["--out", str(tmp_path), "--resume"])


def test_without_a_task_defaults_are_the_configs():
    assert schedules.parse(Config, []) == Config()
    assert schedules.parse(Config, ["--task", "drawer-opne"]) == Config(task="drawer-opne")
