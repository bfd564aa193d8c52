"""One run over several processes: shares, merged metrics, shared models; two and four processes
give what one does, also when they are killed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from orbax.checkpoint._src.futures import signaling_client
from small_run import POINT, small_config

from core_jax.models import shared
from core_jax.models.base import Reply
from core_jax.models.failures import AccessError, BudgetError, ChatError
from core_jax.runs import orbax_calls, processes
from core_jax.runs.metrics import WALL_COLUMNS

ROOT = Path(__file__).parents[3]


def test_each_process_trains_its_share_of_the_seeds():
    config = small_config(seeds=6, seed=10)
    own = [processes.share(config, processes.Place(i, 3)) for i in range(3)]
    assert [(one.seed, one.training.seeds) for one in own] == [(10, 2), (12, 2), (14, 2)]
    assert processes.share(config, processes.Place(0, 1)) == config


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        ({"seeds": 3}, 2, r"seeds \(3\) must be a multiple of the processes \(2\)"),
        ({"stop_at": 0.9}, 2, "--stop-at"),
        ({"sweep": {"sac.gamma": [0.9, 0.99]}}, 2, "--sweep"),
    ],
)
def test_what_cannot_be_shared_is_refused(values, count, message):
    with pytest.raises(ValueError, match=message):
        processes.share(small_config(**values), processes.Place(0, count))


def test_rows_are_merged_in_order_of_the_seeds():
    parts = [
        {"env_steps": 5, "q": [1.0], "rewards": {"a": [2.0]}, "events": ["x"], "tokens": 3,
         "wall_seconds": 4.0, "seeds": 1, "seed": 0, "phase": "p"},
        {"env_steps": 5, "q": [7.0], "rewards": {"a": [8.0]}, "events": [], "tokens": 1,
         "wall_seconds": 5.0, "seeds": 1, "seed": 1, "phase": "p"},
    ]  # fmt: skip
    assert processes.merged(parts) == {
        "env_steps": 5, "q": [1.0, 7.0], "rewards": {"a": [2.0, 8.0]}, "events": ["x"], "tokens": 4,
        "wall_seconds": 5.0, "seeds": 2, "seed": 0, "phase": "p",
    }  # fmt: skip


def test_rows_that_all_parts_have_are_written(tmp_path):
    parts, told = [tmp_path / "part-0", tmp_path / "part-1"], []
    for i, (part, count) in enumerate(zip(parts, (3, 2), strict=True)):
        part.mkdir()
        rows = [json.dumps({"env_steps": 10 * (k + 1), "q": [i + k]}) for k in range(count)]
        (part / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    merging = processes.Merging(tmp_path, parts, told.append)
    merging({})
    merging({})
    expected = [{"env_steps": 10, "q": [0, 1]}, {"env_steps": 20, "q": [1, 2]}]
    rows = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == expected == told


class Model:
    """A hosted model that was paid for."""

    name = "model"

    def complete(self, messages, n, attempt=0, schema=None):
        failures = {
            "budget": BudgetError(1.0, 1.0, 0.0, 0.1),
            "access": AccessError("wrong key"),
            "chat": ChatError("no answer"),
        }
        if messages[0] in failures:
            raise failures[messages[0]]
        return [Reply(f"{messages[0]} {attempt} {schema}", cost_usd=0.5)] * n


@pytest.fixture
def remote():
    server = shared.ModelServer("localhost", b"secret")
    server.add("writer", Model())
    return shared.SharedModel(server.address, b"secret", "writer")


def test_another_process_asks_the_model(remote):
    assert remote.name == "model"
    assert remote.complete(["hello"], 2, 1) == [Reply("hello 1 None", cost_usd=0.5)] * 2


@pytest.mark.parametrize(
    ("what", "kind"), [("budget", AccessError), ("access", AccessError), ("chat", ChatError)]
)
def test_its_failures_arrive(remote, what, kind):
    with pytest.raises(kind) as raised:
        remote.complete([what], 1)
    assert type(raised.value) is kind
    assert remote.complete(["after"], 1)[0].text == "after 0 None"


def test_a_stranger_is_not_served():
    server = shared.ModelServer("localhost", b"secret")
    server.add("writer", Model())
    with pytest.raises(Exception, match="digest|Authentication"):
        shared.SharedModel(server.address, b"wrong", "writer")
    assert shared.SharedModel(server.address, b"secret", "writer").name == "model"


def test_each_process_saves_by_itself(tmp_path, monkeypatch):
    """What orbax's threads tell each other is not told to other processes, whose checkpoints have
    the same numbers: one would delete what another waits for."""
    monkeypatch.setattr(jax, "process_count", lambda *_: 2)
    monkeypatch.setattr(jax, "process_index", lambda *_: 1)
    before = signaling_client.get_signaling_client
    with orbax_calls.checkpointer() as writer:
        client = signaling_client.get_signaling_client()
        assert isinstance(client, signaling_client.ThreadSafeKeyValueSignalingClient)
        assert jax.process_count() == 1
        writer.save(tmp_path / "arrays", {"x": np.arange(3.0)})
    assert signaling_client.get_signaling_client is before and jax.process_index() == 1
    assert (tmp_path / "arrays").is_dir()


WORDS = (
    "--task", POINT, "--method", "env_dense", "--steps", "8000", "--envs", "10",
    "--rollout", "5", "--updates", "4", "--random-steps", "500", "--chunk", "250", "--eval-every",
    "1000", "--eval-episodes", "2", "--final-episodes", "3", "--checkpoint-every", "500",
    "--sac.hidden", "16", "16", "--sac.batch-size", "16", "--quiet",
)  # fmt: skip


def start(out, *more):
    path = f"{ROOT / 'tests/core'}:{os.environ.get('PYTHONPATH')}"
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, str(ROOT / "scripts/train.py"), *WORDS, "--out", str(out), *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def start_all(count, out, *more):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    place = ("--distributed", "--coordinator", f"localhost:{port}")
    place += ("--num-processes", str(count), "--seeds", str(count))
    return [start(out, *place, "--process-id", str(i), *more) for i in range(count)]


def rows(out):
    found = [json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in WALL_COLUMNS} for row in found]


def ended(process):
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_are_killed_give_what_one_gives(count, tmp_path):
    one, shared = tmp_path / "one", tmp_path / "shared"
    expected = ended(start(one, "--seeds", str(count)))
    draw, more = random.Random(0), ()
    for _ in range(int(os.environ.get("CORE_JAX_KILLS", "1"))):
        part = shared / f"part-{draw.randrange(count)}"
        saved = lambda folder=part: set(folder.glob("checkpoints/step_*/MANIFEST"))
        before, until = saved(), time.monotonic() + 300
        every = start_all(count, shared, *more)
        # Once it has come further than the last time.
        while saved() <= before and all(p.poll() is None for p in every):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(draw.uniform(0.0, 2.0))
        draw.choice(every).send_signal(signal.SIGKILL)
        for process in every:  # a scheduler kills the others
            process.kill()
            process.communicate()
        more = ("--resume",)
    summaries = [ended(process) for process in start_all(count, shared, *more)]
    assert rows(shared) == rows(one)
    whole = json.loads((shared / "summary.json").read_text())
    assert whole == summaries[0] and whole["processes"] == count
    assert whole["success"] == expected["success"] and whole["seeds"] == count
    assert whole["episode_return"] == expected["episode_return"]
