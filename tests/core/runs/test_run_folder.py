"""A run's folder: what may be resumed, and its lock."""

import json
import multiprocessing
import os
import socket

import pytest

from core_jax.runs import run_folder
from core_jax.runs.config import Config
from core_jax.runs.differences import differences
from core_jax.runs.fingerprint import fingerprint
from core_jax.runs.layout import to_dict
from core_jax.runs.lock import FolderLock
from core_jax.runs.presets import make_config


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    run_folder.prepare(folder, Config(), resume=False)
    return folder


def test_config_round_trip(tmp_path):
    config = make_config(seeds=3, method="env_dense", learner="ppo")
    run_folder.prepare(tmp_path / "run", config, resume=False)
    assert run_folder.load_config(tmp_path / "run") == config


def test_more_steps_are_the_same_run_and_fewer_are_not(run, tmp_path):
    more = make_config(steps=2 * Config().training.steps)
    run_folder.prepare(run, more, resume=True)
    assert run_folder.load_config(run) == more
    with pytest.raises(ValueError, match="steps was 240000, is 120000"):
        run_folder.prepare(run, Config(), resume=True)
    # Chosen by trials a tenth of the run long.
    tried, longer = (
        make_config(formal={"select": "gt_score"}, steps=steps) for steps in (120_000, 240_000)
    )
    run_folder.prepare(tmp_path / "by_trials", tried, resume=False)
    with pytest.raises(ValueError, match="steps was 120000, is 240000"):
        run_folder.prepare(tmp_path / "by_trials", longer, resume=True)


def test_what_no_result_depends_on_may_change_on_resume(run):
    other = make_config(max_cost=7.0, checkpoint_every=10_000, final_episodes=3, render_batch=8)
    run_folder.prepare(run, other, resume=True)
    assert run_folder.load_config(run) == other


def test_a_config_of_another_version_is_named(run):
    path = run / "config.json"
    for group, name in ((None, "flavour"), ("sac", "spice")):
        stored = to_dict(Config())
        (stored[group] if group else stored)[name] = 1
        path.write_text(json.dumps(stored))
        with pytest.raises(ValueError, match=rf"config.json cannot be read.*{name}"):
            run_folder.load_config(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_config_that_is_not_one_is_named(run, content):
    (run / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config.json cannot be read"):
        run_folder.load_config(run)


def test_a_setting_newer_than_a_run_has_its_default_there(run):
    path = run / "config.json"
    stored = json.loads(path.read_text())
    del stored["feedback"]["pairs"]
    path.write_text(json.dumps(stored))
    other = make_config(feedback={"pairs": "entropy"})
    with pytest.raises(ValueError, match="feedback.pairs was uniform, is entropy"):
        run_folder.prepare(run, other, resume=True)
    run_folder.prepare(run, Config(), resume=True)


def test_a_run_from_before_a_rule_was_a_setting_keeps_its_rule(tmp_path):
    """The task's preset is another one today."""
    folder, config = tmp_path / "run", make_config(protocol="random")
    assert config.settings.formal.accept == "not_worse"
    run_folder.prepare(folder, config, resume=False)
    path = folder / "config.json"
    stored = json.loads(path.read_text())
    assert differences(stored) == {}
    del stored["formal"]["accept"]
    path.write_text(json.dumps(stored))
    assert run_folder.load_config(folder).settings.formal.accept == "better"
    assert differences(stored) == {"formal.accept": "better"}
    assert fingerprint(stored) != fingerprint(to_dict(config))


def test_a_run_folder_is_never_overwritten(run, tmp_path):
    with pytest.raises(ValueError, match="already holds a run: --resume"):
        run_folder.prepare(run, Config(), resume=False)
    run_folder.prepare(run, Config(), resume=True)
    with pytest.raises(ValueError, match="another config: seed was 0, is 7"):
        run_folder.prepare(run, make_config(seed=7), resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not a run's folder"):
        run_folder.prepare(tmp_path / "full", Config(), resume=False)
    with pytest.raises(ValueError, match="is not a run's folder"):
        run_folder.load_config(tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_an_edited_config_does_not_pass_for_the_runs_own(run):
    """Also of a finished run, whose summary would be taken for one with these settings."""
    path = run / "config.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"seed": 7}))
    with pytest.raises(ValueError, match=r"config.json was edited, and .*: seed was 0, is 7"):
        run_folder.prepare(run, run_folder.load_config(run), resume=True)
    path.write_text(json.dumps(stored | {"max_cost": 1.0, "steps": 2 * stored["steps"]}))
    run_folder.prepare(run, run_folder.load_config(run), resume=True)  # no result depends on it
    (run / ".config.json").unlink()  # as in a folder of an earlier version
    run_folder.prepare(run, run_folder.load_config(run), resume=True)


def test_there_must_be_something_to_resume(tmp_path):
    for name in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="has no run to resume"):
            with run_folder.opened(tmp_path / name, Config(), resume=True):
                pass
    assert not (tmp_path / "nowhere").exists() and not any((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("left", [[], ["rewards/"], ["rewards/", "checkpoints/", ".lock"],
                                  ["config.json.tmp", "rewards/"], ["config.json"]])  # fmt: skip
def test_a_folder_that_a_kill_left_half_made_can_be_started(tmp_path, left):
    out = tmp_path / "run"
    out.mkdir()
    for name in left:
        (out / name).mkdir() if name.endswith("/") else (out / name).write_text("")
    with run_folder.opened(out, Config(), resume=False):
        pass
    assert run_folder.load_config(out) == Config()


@pytest.mark.parametrize(("error", "resume", "left", "kept"), [
    (TypeError, False, {"metrics.jsonl": ""}, False),  # it failed while it was compiled
    (ValueError, False, {}, False),
    (TypeError, False, {"metrics.jsonl": "{}"}, True),
    (TypeError, False, {"replies.sqlite": ""}, True),  # it was paid for
    (TypeError, True, {"metrics.jsonl": ""}, True),
    (OSError, False, {"metrics.jsonl": ""}, True),  # such as a full disk
])  # fmt: skip
def test_a_folder_is_kept_once_its_run_has_begun(run, error, resume, left, kept):
    for name, text in left.items():
        (run / name).write_text(text)
    with pytest.raises(error), run_folder.kept_once_begun(run, resume):
        raise error
    assert run.exists() is kept


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        with pytest.raises(ValueError, match="--out .* cannot be used|is not a run's folder"):
            with run_folder.opened(out, Config(), resume=False):
                pass


def _hold(folder, ready, done):
    with FolderLock(folder):
        ready.set()
        done.wait(30)


def test_two_processes_cannot_train_in_one_folder(run):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(run, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        who = rf"run is in use by process {other.pid} on host {socket.gethostname()} since 20\d\d-"
        with pytest.raises(ValueError, match=who):
            with run_folder.opened(run, Config(), resume=True):
                pass
        other.kill()  # a killed process leaves no lock behind
        other.join()
        with run_folder.opened(run, Config(), resume=True):
            holder = json.loads((run / ".lock").read_text())
            assert holder["process"] == os.getpid()
        assert (run / ".lock").read_text() == ""
    finally:
        other.kill()
        other.join()
