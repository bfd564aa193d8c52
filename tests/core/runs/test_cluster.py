"""Runs as jobs of Ray and SLURM: a job that is started again resumes, lost workers lose nothing."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from small_run import POINT

from core_jax.runs import cluster

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, os, pathlib, signal, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(exist_ok=True, parents=True)
saved = lambda number, frame: ((out / "saved").touch(), sys.exit(143))
signal.signal(signal.SIGTERM, saved)
began = "--resume" not in sys.argv
(out / "config.json").write_text("{}")
with (out / "words").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if began and "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
while "wait" in sys.argv and not (out / "saved").exists():
    time.sleep(0.01)
sys.exit(3 if "fails" in sys.argv else 0)
"""


@pytest.fixture
def job(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)

    def make(*words, name="run"):
        out = tmp_path / name
        return cluster.Job(script, ("--out", str(out), *words), out, {"LETTER": "a"})

    return make


def words(job):
    return [json.loads(line) for line in (job.out / "words").read_text().splitlines()]


def test_a_job_resumes_what_is_there(job):
    one = job()
    assert one() == 0 and one() == 0
    assert ["--resume" in x for x in words(one)] == [False, True]
    assert all("--quiet" in x for x in words(one))
    assert job("fails", name="other")() == 3


def test_a_killed_run_is_lost_and_not_failed(job):
    one = job("killed")
    with pytest.raises(cluster.Lost, match="run was killed by SIGKILL"):
        one()
    assert one() == 0  # started again, it resumes


def test_a_missing_engine_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(cluster.importlib, "import_module", missing)
    for engine, package in (("ray", "ray"), ("slurm", "submitit")):
        message = rf"--on {engine} needs {package}: .*core-jax\[{engine}"
        with pytest.raises(ValueError, match=message):
            cluster.launcher(engine, tmp_path, cluster.Resources())


class FakeRay:
    """Ray's interface with jobs in this process; a lost one is tried again as Ray does."""

    def __init__(self):
        self.options, self.running = {}, False

    def is_initialized(self):
        return self.running

    def init(self, **options):
        self.running = True

    def shutdown(self):
        self.running = False

    def remote(self, **options):
        self.options = options

        def bind(f):
            ray = self

            class Remote:
                @staticmethod
                def remote(job):
                    def run():
                        for _ in range(options["max_retries"] + 1):
                            try:
                                return f(job)
                            except tuple(options["retry_exceptions"]) as error:
                                last = error
                        raise last

                    return run

            del ray
            return Remote

        return bind

    def wait(self, pending):
        return pending[-1:], pending[:-1]

    def get(self, run):
        return run()


def test_ray_starts_lost_runs_again_and_reports_each_end(job, capsys):
    ray = FakeRay()
    jobs = [job(name="a"), job("killed", name="b"), job("fails", name="c")]
    found = dict(cluster.by_ray(ray, jobs, cluster.Resources(cpus=2, gpus=1, retries=1)))
    assert found == {0: 0, 1: 0, 2: 3}
    assert (ray.options["num_cpus"], ray.options["num_gpus"]) == (2, 1)
    assert not ray.running  # it ends what it has begun
    assert len(words(jobs[1])) == 2
    never = dict(cluster.by_ray(ray, [job("killed", name="d")], cluster.Resources(retries=0)))
    assert never == {0: 1} and "Lost" in capsys.readouterr().err


def missing(module):
    return importlib.util.find_spec(module) is None


@pytest.mark.skipif(missing("submitit"), reason="needs submitit: pip install 'core-jax[slurm]'")
def test_submitit_runs_jobs_and_queues_them_again(job, tmp_path, monkeypatch):
    import submitit

    monkeypatch.setattr(cluster, "_POLL", 0.1)
    executor = submitit.AutoExecutor(tmp_path / "slurm", cluster="local")
    jobs = [job(name="a"), job("fails", name="c")]
    assert dict(cluster.by_submitit(executor, jobs, cluster.Resources())) == {0: 0, 1: 3}
    # What submitit calls before SLURM ends a job.
    waiting = job("wait", name="w")
    running = threading.Thread(target=waiting)
    running.start()
    until = time.monotonic() + 30
    while not (waiting.out / "words").exists() and time.monotonic() < until:
        time.sleep(0.01)
    again = waiting.checkpoint()
    running.join(30)
    assert (waiting.out / "saved").exists()
    assert isinstance(again, submitit.helpers.DelayedSubmission) and again.function() == 0
    assert "--resume" in words(waiting)[-1]


@pytest.mark.slow
@pytest.mark.skipif(missing("ray"), reason="needs ray: pip install 'core-jax[ray]'")
def test_a_ray_cluster_starts_lost_runs_again(job):
    import ray

    jobs = [job(name="a"), job("killed", name="b"), job("fails", name="c")]
    found = dict(cluster.by_ray(ray, jobs, cluster.Resources(retries=2)))
    assert found == {0: 0, 1: 0, 2: 3}
    assert ["--resume" in x for x in words(jobs[1])] == [False, True]
    assert not ray.is_initialized()


@pytest.mark.long
@pytest.mark.skipif(missing("ray"), reason="needs ray: pip install 'core-jax[ray]'")
def test_a_ray_sweep_whose_workers_are_killed_ends_as_a_local_one(tmp_path):
    """Eight tiny runs as jobs on a cluster of this machine; their processes are killed at
    random."""
    import ray

    common = (
        "--task", POINT, "--seeds", "1", "--steps", "2000", "--envs", "10", "--rollout", "5",
        "--updates", "4", "--random-steps", "500", "--chunk", "250", "--eval-every", "1000",
        "--eval-episodes", "2", "--final-episodes", "3", "--checkpoint-every", "500",
        "--sac.hidden", "16", "16", "--sac.batch-size", "16",
    )  # fmt: skip

    def jobs(folder):
        path = f"{ROOT / 'tests/core'}:{os.environ.get('PYTHONPATH')}"
        for i in range(8):
            out = folder / f"run-{i}"
            method = ("env_dense", "env_sparse")[i % 2]
            own = ("--method", method, "--seed", str(i), "--out", str(out))
            yield cluster.Job(ROOT / "scripts/train.py", (*common, *own), out, {"PYTHONPATH": path})

    local, remote = list(jobs(tmp_path / "local")), list(jobs(tmp_path / "ray"))
    assert [job() for job in local] == [0] * 8
    draw, over = random.Random(0), threading.Event()

    def kill():
        while not over.wait(draw.uniform(2.0, 8.0)):
            listed = subprocess.run(["pgrep", "-f", f"{tmp_path / 'ray'}/run-"],
                                    capture_output=True, text=True, check=False)  # fmt: skip
            found = [int(x) for x in listed.stdout.split() if int(x) != os.getpid()]
            if found:
                os.kill(draw.choice(found), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        found = dict(cluster.by_ray(ray, remote, cluster.Resources(retries=200)))
    finally:
        over.set()
        killer.join()
    assert found == dict.fromkeys(range(8), 0)
    for one, other in zip(local, remote, strict=True):
        a, b = (json.loads((x.out / "summary.json").read_text()) for x in (one, other))
        assert (a["success"], a["episode_return"]) == (b["success"], b["episode_return"])
