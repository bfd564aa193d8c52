"""Whole runs under a vision-language teacher that is slow, errs and dies; see `fake_vlm`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_vlm import FakeVLM
from vlm_books import check_books

from core_jax.feedback.labels import LabelStore
from core_jax.runs.layout import to_dict

ROOT = Path(__file__).parents[3]
LABELS = 14  # of the small run
RETRIES = ["--vlm.chat.retries", 8, "--vlm.chat.timeout", 6.0]


@pytest.fixture
def start(small):
    """Starts one seed of the small run, with small pictures, and labels to choose the first reward
    by; values given are changed."""
    plain = to_dict(small)
    del plain["scripted"]
    plain["feedback"]["max_lag"] = 250  # a run of seconds is over before a round of the usual lag
    plain |= {"seeds": 1, "max_cost": 1.0, "teacher": "vlm", "vlm": {"size": 64, "in_flight": 4}}

    def start(fake, out, *words, **values):
        file = out.with_suffix(".json")
        file.write_text(json.dumps(plain | values))
        config = [] if "--resume" in words else ["--config", file]
        command = [sys.executable, "scripts/train.py", *config, *fake.flags(), *RETRIES,
                   "--out", out, *words]  # fmt: skip
        env = os.environ | {"NO_PROXY": "127.0.0.1"}
        return subprocess.Popen([str(w) for w in command], cwd=ROOT, env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    return start


def finish(process):
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return json.loads(stdout.strip().splitlines()[-1])


def rows(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
def test_faults_cost_no_label(start, tmp_path):
    fake = FakeVLM(tmp_path / "run", delay=0.05, faults=0.3, hang=7.0)
    summary = finish(start(fake, tmp_path / "run"))
    counts = check_books(tmp_path / "run", fake, summary)
    fake.close()
    assert sum(fake.bad.values()) > 5 and 1 < fake.most_at_once <= 4
    assert summary["labels"] == counts.asked == LABELS
    assert summary["teacher"] == "vlm-core openai fake"
    seen = rows(tmp_path / "run")
    assert all("labels_pending" in r for r in seen) and any("feedback" in r for r in seen)
    history = json.loads((tmp_path / "run" / "rewards" / "history.json").read_text())
    assert history[0]["by"] == "label_agreement"


@pytest.mark.long
def test_killed_in_the_middle_of_a_round(start, tmp_path):
    """`kill -9` while questions are out; resumed, the run asks only what has no answer."""
    out = tmp_path / "run"
    fake = FakeVLM(out, delay=0.3)
    process = start(fake, out, "--quiet")
    while process.poll() is None and sum(fake.good.values()) < 9:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(1.0)  # what the dead process has asked is answered, to nobody
    store = LabelStore(out / "labels.sqlite")
    [(name, before)] = store.progress().items()
    known = {a.key: store.find(a.key, name) for a in store.questions()}
    store.close()
    assert before.open > 0 and before.decided > 0, before
    summary = finish(start(fake, out, "--resume"))
    store = LabelStore(out / "labels.sqlite")
    [(name, counts)] = store.progress().items()
    assert counts.asked == counts.decided == summary["labels"] == LABELS
    for key, answer in known.items():
        now = store.find(key, name)
        assert now is not None and answer in (None, now)
    store.close()
    fake.close()
    # Only what was on its way when the process died has been asked for twice.
    twice = [n for n in fake.good.values() if n > 1]
    assert len(twice) <= 4 and max(twice, default=1) <= 2
    assert summary["cost_usd"] <= fake.charged


@pytest.mark.long
def test_the_budget_stops_a_run_that_goes_on_with_more(start, tmp_path):
    out = tmp_path / "run"
    fake = FakeVLM(out)
    process = start(fake, out, max_cost=0.08)
    _, stderr = process.communicate()
    assert process.returncode == 2
    assert "budget is used up" in stderr and "--max-cost" in stderr and "Traceback" not in stderr
    assert fake.charged <= 0.08 and list((out / "checkpoints").iterdir())
    summary = finish(start(fake, out, "--resume", "--max-cost", 1.0))
    counts = check_books(out, fake, summary)
    fake.close()
    assert counts.asked == counts.decided == LABELS


@pytest.mark.long
def test_waiting_for_labels_is_the_papers_way(start, tmp_path):
    """And with an answer for every question it does not depend on when answers come."""
    seen = []
    for name, delay in (("a", 0.0), ("b", 0.1)):
        out = tmp_path / name
        fake = FakeVLM(out, delay=delay)
        finish(start(fake, out, wait_for_labels=True))
        fake.close()
        seen.append(rows(out))
    lag = [r["feedback"]["lag"] for r in seen[1] if "feedback" in r]
    assert lag == [0] * 4 and seen[1][-1]["label_wait_seconds"] > 0.3
    for a, b in zip(*seen, strict=True):
        assert a["rewards"] == b["rewards"]
