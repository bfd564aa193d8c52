"""`python -m core_jax.feedback.labels` and `scripts/tools/teacher_report.py`, on runs made without
training."""

import json
import subprocess
import sys
from pathlib import Path

import labelled_run
import numpy as np
import pytest
from fake_vlm import FakeVLM

from core_jax import envs
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import Exchange, Frame, LabelStore
from core_jax.feedback.labels.transfer import take_over
from core_jax.feedback.queries import PairLabel
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher
from core_jax.runs.config import Config

ROOT = Path(__file__).parents[3]


def run_command(*words):
    shown = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, text=True, capture_output=True
    )
    last = shown.stdout.strip().splitlines()[-1:] if shown.returncode == 0 else []
    return shown, json.loads(last[0]) if last else None


@pytest.fixture
def run(tmp_path):
    """Six questions, answered by two teachers; the second is always wrong."""
    folder = labelled_run.make(tmp_path / "run", count=6)
    store = LabelStore(folder / "labels.sqlite")
    wrong = ScriptedTeacher(ScriptedConfig("mistake", mistake=1.0))
    store.ask(wrong, labelled_run.questions(6)[:4], 4_000, 0.1)
    store.close()
    return folder


def test_labels_are_listed_exported_and_compared(run, tmp_path):
    file, folder = tmp_path / "labels.jsonl", tmp_path / "pictures"
    shown, told = run_command(
        "-m", "core_jax.feedback.labels", run, "--jsonl", file, "--pictures", folder, "--limit", 2
    )
    assert shown.returncode == 0, shown.stderr
    assert told["questions"] == 6 and told["teachers"]["scripted-oracle"]["decided"] == 6
    [both] = told["agreement"]
    assert both["teachers"] == ["scripted-mistake", "scripted-oracle"]
    assert (both["questions"], both["agree"], both["kappa"]) == (4, 0.0, -1.0)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 6 and lines[0]["answers"]["scripted-mistake"]["verdict"] == "wrong"
    assert lines[0]["answers"]["scripted-oracle"]["verdict"] == "right"
    assert lines[0]["reward_gap"] < 0 and lines[0]["answers"]["scripted-oracle"]["preference"] == 0
    assert sorted(p.name for p in folder.iterdir()) == [
        "seed0_round000_004.png",
        "seed0_round000_005.png",
    ]
    assert len([line for line in shown.stdout.splitlines() if "B better by" in line]) == 2


def test_another_runs_labels_are_taken_over(run, tmp_path):
    """What was shown and said comes along; answers that are there stay; nothing is paid twice."""
    key = labelled_run.questions(6)[0].key()
    source = LabelStore(run / "labels.sqlite")
    source.answer(
        key, "vlm", PairLabel(0.0, (0.1,), (0.2,), reason="closer", tokens=9, cost_usd=0.1)
    )
    source.show(key, "vlm", [Frame("a", 3, b"png")])
    source.exchange(key, "vlm", Exchange("decision", "model", ["?"], "A"))
    mine = LabelStore(tmp_path / "labels.sqlite")
    mine.keep(labelled_run.questions(6)[0])
    mine.answer(key, "scripted-mistake", PairLabel(0.5, (), (), reason="mine"))
    assert take_over(mine, source) == {"questions": 6, "answers": 10}  # 6 + 4 + 1, one was there
    assert take_over(mine, source) == {"questions": 6, "answers": 0}
    assert mine.find(key, "vlm") == source.find(key, "vlm")
    assert mine.find(key, "scripted-mistake").reason == "mine"
    assert mine.frames(key, "vlm") == [Frame("a", 3, b"png")]
    assert mine.exchanges(key, "vlm") == source.exchanges(key, "vlm")

    class Nobody:
        name = "scripted-oracle"

        def ask(self, questions, context=None):
            assert not questions, "these have been answered"
            return []

    assert len(mine.ask(Nobody(), labelled_run.questions(6), 4_000, 0.1)) == 6


@pytest.mark.parametrize(
    "words",
    [["-m", "core_jax.feedback.labels"], ["scripts/tools/teacher_report.py", "--run"]],
    ids=["labels", "report"],
)
def test_a_folder_without_labels_is_named(tmp_path, words):
    shown, _ = run_command(*words, tmp_path)
    assert shown.returncode == 2 and "error: " in shown.stderr and str(tmp_path) in shown.stderr
    assert shown.stdout == ""


def test_a_runs_teachers_are_judged(run, tmp_path):
    out = tmp_path / "out"
    shown, told = run_command("scripts/tools/teacher_report.py", "--run", run, "--out", out)
    assert shown.returncode == 0, shown.stderr
    found = told["teachers"]
    assert found["scripted-oracle"]["accuracy"] == 1.0
    assert found["scripted-mistake"]["accuracy"] == 0.0
    assert "| right, of the decided | 0.000 | 1.000 |" in (out / "teachers.md").read_text()
    assert (out / "teachers.png").stat().st_size > 10_000
    assert json.loads((out / "teachers.json").read_text())["teachers"] == found


def test_teachers_are_asked_in_both_orders_and_paid_once(run, tmp_path):
    words = ("scripts/tools/teacher_report.py", "--run", run, "--ask", "--out", tmp_path / "out")
    words += ("--teachers", "scripted-oracle", "scripted-vlm_like", "--scripted.order-bias", 50)
    shown, told = run_command(*words)
    assert shown.returncode == 0, shown.stderr
    assert told["teachers"]["scripted-oracle"]["order_consistency"] == 1.0
    assert told["teachers"]["scripted-vlm_like"]["order_consistency"] < 0.2
    _, again = run_command(*words)
    assert again == told
    shown, _ = run_command(*words[:-4], "scripted-orakel")
    assert shown.returncode == 2 and "Did you mean 'scripted-oracle'" in shown.stderr


@pytest.mark.slow
def test_a_vision_language_model_is_judged(run, tmp_path):
    """It answers over HTTP; what it was shown and said is kept, and it is not asked again."""
    out = tmp_path / "out"
    fake = FakeVLM(out)
    words = (
        "scripts/tools/teacher_report.py",
        "--run",
        run,
        "--ask",
        "--out",
        out,
        "--vlm.size",
        64,
    )
    shown, told = run_command(*words, *fake.flags())
    assert shown.returncode == 0, shown.stderr
    [(name, got)] = told["teachers"].items()
    assert name.startswith("vlm-core") and got["asked"] == 6 and got["accuracy"] == 1.0
    assert got["order_consistency"] == 1.0 and got["score_correlation"] > 0.9
    assert got["seconds"] > 0 and got["tokens"] > 0 and 0 < got["cost_usd"] < fake.charged
    requests = sum(fake.good.values())
    _, again = run_command(*words, *fake.flags())
    fake.close()
    assert again == told and sum(fake.good.values()) == requests
    store = LabelStore(out / "labels.sqlite")
    assert all(store.frames(asked.key, name) for asked in store.questions())
    store.close()


@pytest.mark.slow
def test_clips_of_experts_are_of_all_skills():
    config, env = Config(), envs.make("drawer-open")
    questions = expert_questions(config, env, 60)
    clips = [clip for q in questions for clip in (q.a, q.b)]
    assert clips[0].snapshot.shape[1] == len(env.spec.start)
    last = np.array([clip.progress[-1] for clip in clips])
    assert last.min() < 0.1 and last.max() > 0.9
    dense = np.concatenate([clip.dense for clip in clips])
    assert dense.min() >= 0.0 and dense.max() <= 1.0 + 1e-6
    assert len({q.key() for q in questions}) == 60
