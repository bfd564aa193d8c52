"""Whole runs: what they leave behind, and that a killed one, resumed, is the undisturbed one."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import in_process
import jax
import numpy as np
import pytest
from flag_words import flags
from PIL import Image

import core_jax
from core_jax import files
from core_jax.agents import sac
from core_jax.feedback.labels import LabelStore
from core_jax.reward_models.formal import compile_reward
from core_jax.runs import finish, restore
from core_jax.runs.lock import FolderLock
from core_jax.runs.metrics import WALL_COLUMNS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def command():
    """Starts a script of the project."""

    def start(script, *words):
        return subprocess.Popen(
            [sys.executable, f"scripts/{script}.py", *map(str, words)],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """An undisturbed run: its folder and the last line of its stdout."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    told = in_process.command("scripts/train.py", *flags(small), "--out", out)
    assert told.returncode == 0, told.stderr
    return out, json.loads(told.stdout.strip().splitlines()[-1]), told.stderr


def rows(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in WALL_COLUMNS} for row in lines]


def labels(out):
    store = LabelStore(out / "labels.sqlite")
    found = store.rows()
    store.close()
    return found


@pytest.mark.slow
def test_a_run_leaves_everything_behind(small, finished):
    out, summary, stderr = finished
    for name in ("config.json", "metrics.jsonl", "labels.sqlite", "summary.json", "curve.png",
                 "episode.png", "rewards/history.json"):  # fmt: skip
        assert (out / name).stat().st_size > 0
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["task"] == "drawer-open" and summary["teacher"] == "scripted-oracle"
    assert summary["model"] == "replay" and summary["learner"] == "sac"
    assert len(summary["success"]) == len(summary["episode_return"]) == small.training.seeds
    assert summary["seeds"] == small.training.seeds and summary["seed"] == small.seed
    assert summary["labels"] == small.settings.feedback.labels
    assert summary["env_steps"] == small.training.steps
    seen = rows(out)
    assert [r["env_steps"] for r in seen] == list(range(250, 2001, 250))
    # 4 labels to select by, then rounds of 4 at 1000, 1250 and 2 at 1500.
    assert [r["labels"] for r in seen] == [0, 4, 4, 8, 12, 14, 14, 14]
    assert [r["evaluated"] for r in seen] == [False, False, False, True] * 2
    assert all("fit_accuracy" in r for r in seen[3:6]) and "fit_accuracy" not in seen[2]
    assert [r["phase"] for r in seen[:4]] == [
        "choosing the formal reward", "formal reward", "formal reward", "formal + residual reward"
    ]  # fmt: skip
    assert all(set(r["rewards"]) == {"formal", "residual"} for r in seen)
    assert (
        "steps/s" in stderr and "labels 14" in stderr and "| formal + residual reward |" in stderr
    )


@pytest.mark.slow
def test_rewards_folder_tells_the_story(small, finished):
    out, _, _ = finished
    history = json.loads((out / "rewards" / "history.json").read_text())
    assert [h["event"] for h in history[:2]] == ["selected", "selected"]
    assert {h["seed"] for h in history} == {0, 1}
    refined = [h for h in history if h["event"] in ("accepted", "kept")]
    assert {h["env_steps"] for h in refined} == {1_250, 1_750}
    for entry in refined:
        if entry["event"] == "accepted":
            assert entry["agreement"] > entry["before"]
    in_use = list((out / "rewards").glob("*.py"))
    accepted = sum(h["event"] in ("selected", "accepted") for h in history)
    assert len(in_use) == accepted
    for path in in_use:
        compile_reward(path.read_text())


@pytest.mark.slow
def test_labels_hold_questions_and_answers(small, finished):
    out, _, _ = finished
    found = labels(out)
    assert len(found) == small.training.seeds * small.settings.feedback.labels
    with sqlite3.connect(out / "labels.sqlite") as db:
        [blob] = db.execute("SELECT clips FROM questions LIMIT 1").fetchone()
    assert len(blob) > 1_000


@pytest.mark.slow
def test_sweep_skips_what_is_finished_and_continues_after_a_failure(finished, command, tmp_path):
    shutil.copytree(finished[0], tmp_path / "drawer-open-paper-core")
    words = ("--out", tmp_path, "--tasks", "drawer-open", "--methods", "core", "env_dense")
    # Refused by the second run: 250 environment steps are not a multiple of its chunk.
    process = command("sweep", *words, "--seeds", 2, "--eval-every", 1_000, "--chunk", 250)
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    found = json.loads(stdout.strip().splitlines()[-1])
    assert found["runs"] == [finished[1]] and found["failed"] == ["drawer-open-paper-env_dense"]
    assert "chunk (250) must be a multiple of envs * rollout (500)" in stderr
    # Finished, but not with these settings: its results are not taken for theirs.
    process = command("sweep", *words[:-1], "--seeds", 2, "--sac.gamma", 0.9)
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    found = json.loads(stdout.strip().splitlines()[-1])
    assert found["runs"] == [] and found["failed"] == ["drawer-open-paper-core"]
    assert "holds a run of another config: sac.gamma was 0.97, is 0.9" in stderr


@pytest.mark.long
def test_killed_and_resumed_is_undisturbed(small, finished, command, tmp_path):
    undisturbed, summary, _ = finished
    out, moment = tmp_path / "killed", random.randint(2, 6)
    process = command("train", *flags(small), "--out", out, "--quiet")
    path = out / "metrics.jsonl"
    while process.poll() is None and not (path.exists() and path.read_text().count("\n") >= moment):
        time.sleep(0.01)
    time.sleep(random.random() * 0.1)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed_at = len(rows(out)) if path.read_text().endswith("\n") else None
    print(f"killed at row {moment}, found {killed_at} rows")
    resumed = command("train", *flags(small), "--out", out, "--resume")
    stdout, stderr = resumed.communicate()
    assert resumed.returncode == 0, stderr
    # Killed before its first checkpoint, it starts again; the labels paid for are found.
    assert "resuming at" in stderr or "starting from the beginning" in stderr
    assert rows(out) == rows(undisturbed)
    assert labels(out) == labels(undisturbed)
    again = json.loads(stdout.strip().splitlines()[-1])
    for name in ("success", "episode_return", "labels", "first_success"):
        assert again[name] == summary[name]
    ours, theirs = (restore.load(folder).seeds for folder in (out, undisturbed))
    for part in ("learner", "sources", "replay", "weights"):
        both = (jax.tree.leaves(getattr(seeds, part)) for seeds in (ours, theirs))
        for a, b in zip(*both, strict=True):
            np.testing.assert_array_equal(a, b)
    history = [(f / "rewards" / "history.json").read_text() for f in (out, undisturbed)]
    assert history[0] == history[1]


@pytest.mark.long
def test_more_steps_and_a_damaged_checkpoint(small, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *args: None)
    undisturbed, summary, _ = finished
    out = tmp_path / "damaged"
    shutil.copytree(undisturbed, out)
    # As if it had ended at 1,500 steps: with more steps it continues.
    for name, key in (("summary.json", "env_steps"), ("config.json", "steps")):
        content = json.loads((out / name).read_text())
        files.write_json(out / name, content | {key: 1500})
    steps = sorted((out / "checkpoints").iterdir())
    assert [p.name for p in steps] == ["step_000001500", "step_000002000"]
    (steps[1] / "meta.json").write_text("{}")
    told = in_process.command("scripts/train.py", *flags(small), "--out", out, "--resume")
    assert told.returncode == 0, told.stderr
    damaged = "step_000002000 is damaged (meta.json has changed); trying the one before"
    assert damaged in told.stderr and "resuming at 1,500" in told.stderr
    assert rows(out) == rows(undisturbed)
    assert json.loads(told.stdout.strip().splitlines()[-1])["success"] == summary["success"]


@pytest.mark.slow
def test_evaluate_and_export_read_a_run(finished, tmp_path):
    out, _, _ = finished
    path = tmp_path / "video.gif"
    told = in_process.command("scripts/evaluate.py", out, "--episodes", 3, "--video", path)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.strip().splitlines()[-1])
    assert found["episodes"] == 3 and len(found["success"]) == 2
    with Image.open(path) as video:  # two seeds side by side, every fourth of 500 steps
        assert video.size == (512, 304) and video.n_frames > 50
    target = tmp_path / "policy.npz"
    told = in_process.command("scripts/export.py", out, "--out", target, "--seed", 1)
    assert told.returncode == 0, told.stderr
    restored = restore.load(out)
    obs = np.random.default_rng(0).normal(size=(4, 39)).astype(np.float32)
    code = (
        "import sys, json, numpy as np; sys.path.insert(0, sys.argv[1])\n"
        "from numpy_policy import Policy\n"
        "obs = np.array(json.loads(sys.argv[2]), np.float32)\n"
        "assert 'jax' not in sys.modules\n"
        "print(json.dumps(Policy(sys.argv[1] + '/policy.npz')(obs).tolist()))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), json.dumps(obs.tolist())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    actor = jax.tree.map(lambda x: x[1], restored.seeds.learner.average_actor)
    ours = sac.act(actor, obs, np.zeros((4, 4)), restored.config.learner_settings)
    np.testing.assert_allclose(json.loads(shown.stdout), ours, atol=1e-5)
    policy = core_jax.load_policy(out, seed=1)
    assert (policy.task, policy.protocol) == ("drawer-open", "paper")
    np.testing.assert_allclose(jax.jit(policy)(obs), ours, atol=1e-6)
    np.testing.assert_allclose(policy(obs.reshape(2, 2, 39)[0, 1]), ours[1], atol=1e-6)
    with pytest.raises(
        ValueError, match=r"observations of drawer-open are \[\.\.\., 39\], not \(4,"
    ):
        policy(obs[:, :38])
    with pytest.raises(ValueError, match="has no seed 7; it has 0, 1"):
        core_jax.load_policy(out, seed=7)


@pytest.mark.slow
def test_one_process_at_a_time_trains_in_a_folder(small, finished, command, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    (out / "summary.json").unlink()
    with FolderLock(out):
        process = command("train", *flags(small), "--out", out, "--resume")
        stdout, stderr = process.communicate()
    assert process.returncode == 2 and stdout == ""
    assert f"is in use by process {os.getpid()} on host" in stderr
