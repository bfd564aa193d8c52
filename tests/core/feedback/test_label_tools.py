"""`python -m core_jax.feedback.labels` and `scripts/tools/teacher_report.py`, on runs made without
training."""

import json
import subprocess
import sys
from pathlib import Path

import in_process
import labelled_run
import numpy as np
import pytest
from fake_vlm import FakeVLM
from random_queries import single

from core_jax import envs
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import Exchange, Frame, LabelStore
from core_jax.feedback.labels.transfer import take_over
from core_jax.feedback.queries import Order, OrderLabel, PairLabel, SingleLabel
from core_jax.feedback.teachers.scripted import ScriptedConfig, ScriptedTeacher

ROOT = Path(__file__).parents[3]


def run_command(*words, start=in_process.command):
    shown = start(*words)
    last = shown.stdout.strip().splitlines()[-1:] if shown.returncode == 0 else []
    return shown, json.loads(last[0]) if last else None


def process(*words):
    """Runs a command in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, text=True, capture_output=True
    )


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
    words = ("--jsonl", file, "--pictures", folder, "--limit", 2)
    shown, told = run_command("-m", "core_jax.feedback.labels", run, *words)
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
        name, answers = "scripted-oracle", frozenset({"pair"})

        def ask(self, questions, context=None):
            assert not questions, "these have been answered"
            return []

    assert len(mine.ask(Nobody(), labelled_run.questions(6), 4_000, 0.1)) == 6


def test_labels_of_all_kinds_are_listed_and_exported(tmp_path):
    folder = labelled_run.make(tmp_path / "run", count=1)
    clips = [q.a for q in labelled_run.questions(3)]  # ends with progress 0.75, 0.1 ...
    order = Order(tuple(clips), "open the drawer", 0, 5)
    asked = [single(clips[0]), single(clips[0], "progress", None), order]
    store = LabelStore(folder / "labels.sqlite")
    keys = store.put("vlm", asked, 8_000)
    given = [SingleLabel(2.0, "", confidence=0.5), SingleLabel(None, ""), OrderLabel((1, 2, 0), "")]
    for key, label in zip(keys, given, strict=True):
        store.answer(key, "vlm", label)
        store.answer(key, "ann\x1b[31m", label)
    store.close()
    file = tmp_path / "labels.jsonl"
    words = ("-m", "core_jax.feedback.labels", folder, "--jsonl", file, "--pictures")
    shown, told = run_command(*words, tmp_path / "pictures")
    assert shown.returncode == 0, shown.stderr
    assert told["questions"] == 4 and told["teachers"]["vlm"]["decided"] == 2
    assert "rating 0..2: truth 2  vlm: 2 (confidence 0.50); ann?[31m: 2" in shown.stdout
    assert "vlm: can't tell" in shown.stdout and "vlm: 1 < 2 < 0" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "3 questions are not about pairs and are not drawn" in shown.stdout
    assert len(list((tmp_path / "pictures").iterdir())) == 1
    agree = {one["asks"]: one["agree"] for one in told["agreement"]}
    assert agree == {"rating": 1.0, "progress": None, "order": 1.0}
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["pair", "single", "single", "order"]
    assert rows[1]["asks"] == "rating" and rows[1]["classes"] == 3 and rows[1]["truth"] == 2.0
    assert rows[1]["answers"]["vlm"]["value"] == 2.0
    assert rows[3]["answers"]["vlm"]["order"] == [1, 2, 0]
    assert rows[0]["answers"]["scripted-oracle"]["verdict"] == "right"


def test_invalid_labels_are_not_taken_over(run, tmp_path):
    source = LabelStore(run / "labels.sqlite")
    source.database.connection.execute(
        "UPDATE answers SET payload = replace(payload, '\"preference\": 0.0', "
        "'\"preference\": 7.5') WHERE teacher = 'scripted-oracle'"
    )
    source.close()
    mine = labelled_run.make(tmp_path / "mine", count=0)
    shown, _ = run_command("-m", "core_jax.feedback.labels", mine, "--take-from", run)
    assert shown.returncode == 2 and shown.stdout == ""
    assert "the label of scripted-oracle to question" in shown.stderr
    assert "preference must be in [0, 1], not 7.5" in shown.stderr
    store = LabelStore(mine / "labels.sqlite")
    assert store.progress() == {}  # nothing of it
    store.close()


def test_pictures_need_a_run_that_names_its_task(run, tmp_path):
    (run / "config.json").write_text('{"task": "drawer-open"}')
    words = ("-m", "core_jax.feedback.labels", run, "--pictures", tmp_path / "pictures")
    shown, _ = run_command(*words)
    assert shown.returncode == 2
    assert "config.json does not say task and protocol: KeyError('protocol')" in shown.stderr


@pytest.mark.parametrize(
    "words",
    [["-m", "core_jax.feedback.labels"], ["scripts/tools/teacher_report.py", "--run"]],
    ids=["labels", "report"],
)
def test_a_folder_without_labels_is_named(tmp_path, words):
    shown, _ = run_command(*words, tmp_path, start=process)
    assert shown.returncode == 2 and "error: " in shown.stderr and str(tmp_path) in shown.stderr
    assert shown.stdout == ""


def test_a_runs_teachers_are_judged(run, tmp_path):
    out = tmp_path / "out"
    shown, told = run_command("scripts/tools/teacher_report.py", "--run", run, "--out", out)
    assert shown.returncode == 0, shown.stderr
    found = told["teachers"]
    assert found["scripted-oracle"]["accuracy"] == 1.0
    assert found["scripted-mistake"]["accuracy"] == 0.0
    assert "| right, of the decided | 1.000 | 0.000 |" in (out / "teachers.md").read_text()
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
    words = ("scripts/tools/teacher_report.py", "--run", run, "--ask", "--out", out)
    words += ("--vlm.size", 64)
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
    env = envs.make("drawer-open")
    questions = expert_questions(env, 60, clip_length=20, dense_scale=0.1, seed=0)
    clips = [clip for q in questions for clip in (q.a, q.b)]
    assert clips[0].snapshot.shape[1] == len(env.spec.start)
    last = np.array([clip.progress[-1] for clip in clips])
    assert last.min() < 0.1 and last.max() > 0.9
    dense = np.concatenate([clip.dense for clip in clips])
    assert dense.min() >= 0.0 and dense.max() <= 1.0 + 1e-6
    assert len({q.key() for q in questions}) == 60
