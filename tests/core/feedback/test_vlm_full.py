"""The whole thing at full length: 500 labels on drawer-open from a teacher that takes two seconds a
question and fails in three requests of ten. Two runs of minutes each, for a machine at rest:
`CORE_JAX_FULL=1 python -m pytest tests/core/test_vlm_full.py -s`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_vlm import FakeVLM
from vlm_books import check_books

from core_jax.feedback.labels import LabelStore

ROOT = Path(__file__).parents[3]
STEPS = int(os.environ.get("CORE_JAX_FULL_STEPS", 120_000))
SETTLED = 8_000  # environment steps after which everything is compiled
MOST = 12.0  # dollars; an answer that got lost counts as the most it can have cost


def start(out, *words):
    """A run with a session of its own, which the system gives its own share of the cores: what the
    questions cost in computing is then paid by the run that asks them."""
    command = [
        sys.executable,
        "scripts/train.py",
        "--out",
        out,
        "--steps",
        STEPS,
        "--quiet",
        *words,
    ]
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}  # the tests' are for compiling
    return subprocess.Popen(
        [str(w) for w in command], cwd=ROOT, env=env | {"NO_PROXY": "127.0.0.1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def end(process, out):
    """The run's summary and its rows."""
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return json.loads(stdout.splitlines()[-1]), rows


def seconds_while_both_ran(runs):
    """Each run's seconds from `SETTLED` to the last step that all had reached when one ended: the
    one that goes on alone has the cores to itself."""
    walls = [{r["env_steps"]: r["wall_seconds"] for r in rows} for rows in runs]
    until = min(wall[STEPS] for wall in walls)
    last = min(max(step for step, at in wall.items() if at <= until) for wall in walls)
    return [wall[last] - wall[SETTLED] for wall in walls]


@pytest.mark.long
def test_two_seconds_a_question_cost_a_run_nothing(tmp_path):
    """The two runs go side by side, so that whatever else the machine does slows both."""
    fake = FakeVLM(tmp_path / "slow", delay=1.0, faults=0.3, hang=12.0)  # two requests a question
    words = (*fake.flags(), "--vlm.chat.timeout", 10, "--max-cost", MOST)
    processes = [
        start(tmp_path / "instant", "--scripted.kind", "oracle"),
        start(tmp_path / "slow", *words),
    ]
    instant, instant_rows = end(processes[0], tmp_path / "instant")
    slow, rows = end(processes[1], tmp_path / "slow")
    seconds, slow_seconds = seconds_while_both_ran([instant_rows, rows])
    counts = check_books(tmp_path / "slow", fake, slow)
    fake.close()
    told = {
        "ratio": slow_seconds / seconds, "seconds": [seconds, slow_seconds],
        "load": os.getloadavg(), "success": [instant["success"], slow["success"]],
        "waited": rows[-1]["label_wait_seconds"], "counts": counts._asdict(), "faults": fake.bad,
        "cost": [slow["cost_usd"], fake.charged], "most_at_once": fake.most_at_once,
        "lag": [r["feedback"]["lag"] for r in rows if "feedback" in r],
    }  # fmt: skip
    print(json.dumps(told, indent=1))
    assert slow["labels"] == instant["labels"] == counts.asked
    assert counts.open <= 20  # of the last round, if the run was over first
    assert slow["success"] == instant["success"]
    assert fake.charged <= MOST and fake.most_at_once <= 16
    assert slow_seconds <= 1.05 * seconds
    store = LabelStore(tmp_path / "slow" / "labels.sqlite")
    assert len(list(store.questions())) == counts.asked
    store.close()
