"""500 labels on drawer-open from a hosted model that fails in every way that `hostile_faults` knows
in one request of five, against the same run with an honest one. Minutes each:
`CORE_JAX_FULL=1 python -m pytest tests/core/feedback/test_vlm_hostile_full.py -s`."""

import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_faults import FAULTS
from hostile_protocol import digest_of
from hostile_service import HostileService, random_faults
from picture_truth import PictureTruth

from core_jax.feedback.labels import LabelStore

ROOT = Path(__file__).parents[3]
STEPS = int(os.environ.get("CORE_JAX_FULL_STEPS", 120_000))
MOST = 12.0  # dollars; an answer that got lost counts as the most it can have cost
PRICES = (1.0, 2.0)  # USD per million tokens
TOKENS = (800, 100)  # of each honest answer
KEY = "sk-test-0123456789abcdef"
# A redirect stops a run for good, which tests/core/models/test_hostile.py looks at.
MIXED = sorted(set(FAULTS) - {"redirect"})


def run(out, service, method, *words):
    """A run at its defaults that asks the service; returns its summary, its rows and stderr."""
    command = [sys.executable, "scripts/train.py", "--task", "drawer-open", "--method", method,
               "--out", out, "--steps", STEPS, "--teacher", "vlm", "--vlm.model", "openai",
               "--vlm.chat.name", "fake", "--vlm.chat.base-url", service.url + "/v1",
               "--vlm.chat.prices", *PRICES, "--vlm.chat.max-output-tokens", 1_000,
               "--vlm.chat.timeout", 20, "--max-cost", MOST, *words]  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}  # the tests' are for compiling
    env |= {"NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": KEY}
    done = subprocess.run([str(w) for w in command], cwd=ROOT, env=env, text=True,
                          capture_output=True)  # fmt: skip
    out.with_suffix(".err").write_text(done.stderr)
    assert done.returncode == 0, done.stderr[-3_000:]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return json.loads(done.stdout.splitlines()[-1]), rows, done.stderr


def figures(out, service, summary):
    """What a run asked, was answered, paid, and took."""
    store = LabelStore(out / "labels.sqlite")
    [(name, counts)] = store.progress().items()
    reasons = collections.Counter()
    for asked in store.questions():
        label = store.find(asked.key, name)
        if label is not None and not label.decided:
            reasons[label.reason.split(":")[0]] += 1
        if label is not None and label.decided:
            a, b = asked.question.a.dense.sum(), asked.question.b.dense.sum()
            # Whatever failed, no label is a fault's. States this near can have the same picture.
            assert abs(a - b) < 2e-3 or label.preference == float(b > a)
    store.close()
    charged = sum(
        (TOKENS[0] * PRICES[0] + TOKENS[1] * PRICES[1] * len(texts)) / 1e6
        for _, texts in service.answered
    )
    return {
        "success": summary["success"], "labels": summary["labels"], "counts": counts._asdict(),
        "abstained": dict(reasons), "requests": len(service.requests),
        "faults": dict(collections.Counter(service.faults)), "cost": summary["cost_usd"],
        "honest answers cost": charged, "seconds": summary["wall_seconds"],
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "words"),
    [("core", ()), ("rl_vlm_f", ("--reward-input", "state", "--seeds", 3, "--steps", 60_000))],
)
def test_a_hostile_service_costs_no_success(method, words, tmp_path):
    found, answers = {}, {}
    base = Path(os.environ.get("CORE_JAX_FULL_OUT", tmp_path))
    for kind, schedule in (("honest", ()), ("hostile", random_faults(0, 0.2, MIXED))):
        out = base / f"{method}-{kind}"
        with contextlib.closing(PictureTruth(out)) as truth:
            service = HostileService(lambda r, truth=truth: truth.says(r.body), schedule, TOKENS)
            with contextlib.closing(service):
                summary, rows, stderr = run(out, service, method, *words)
        found[kind] = figures(out, service, summary)
        answers[kind] = service.answered
        found[kind]["waited"] = rows[-1]["label_wait_seconds"]
        evaluated = [statistics.mean(row["success"]) for row in rows if row.get("evaluated")]
        found[kind]["late success"] = statistics.mean(evaluated[len(evaluated) // 2 :])
        assert "Traceback" not in stderr and KEY not in stderr
        assert KEY[:12].encode() not in b"".join(p.read_bytes() for p in out.glob("*.*"))
    print(json.dumps(found, indent=1))
    honest, hostile = found["honest"], found["hostile"]
    # Labels arrive at other times, so the policies differ, and an evaluation is one episode a seed:
    # rl_vlm_f, which has no formal reward to hold on to, needs several seeds.
    assert abs(hostile["late success"] - honest["late success"]) <= 0.25
    assert hostile["labels"] == honest["labels"]
    assert hostile["cost"] <= MOST and set(hostile["faults"]) > set(MIXED[::2])
    paid = collections.Counter(digest_of(request.body) for request, _ in answers["hostile"])
    assert max(paid.values()) == 1  # no answered question was asked again
    lines = [x for x in stderr.splitlines() if x.startswith("  openai fake: ")]
    print("\n".join(lines))
    for kind in ("HTTP 429", "HTTP 500", "is not JSON", "no complete answer within", "cut off at",
                 "reply is empty", "repeats the key", "has no choices", "HTTP 400"):  # fmt: skip
        assert any(kind in line for line in lines), kind
