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

from core.labels import LabelStore

ROOT = Path(__file__).parents[2]
STEPS = int(os.environ.get("CORE_JAX_FULL_STEPS", 120_000))
SETTLED = 8_000  # environment steps after which everything is compiled


def train(out, *words):
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
    done = subprocess.run([str(w) for w in command], cwd=ROOT, env=env | {"NO_PROXY": "127.0.0.1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    wall = {r["env_steps"]: r["wall_seconds"] for r in rows}
    return json.loads(done.stdout.splitlines()[-1]), rows, wall[STEPS] - wall[SETTLED]


@pytest.mark.long
def test_two_seconds_a_question_cost_a_run_nothing(tmp_path):
    instant, _, seconds = train(tmp_path / "instant", "--scripted.kind", "oracle")
    fake = FakeVLM(tmp_path / "slow", delay=1.0, faults=0.3, hang=12.0)  # two requests a question
    slow, rows, slow_seconds = train(
        tmp_path / "slow", *fake.flags(), "--vlm.chat.timeout", 10, "--max-cost", 2.0
    )
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
    assert fake.charged <= 2.0 and fake.most_at_once <= 16
    assert slow_seconds <= 1.05 * seconds
    store = LabelStore(tmp_path / "slow" / "labels.sqlite")
    assert len(list(store.questions())) == counts.asked
    store.close()
