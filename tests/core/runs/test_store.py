"""What is on disk: checkpoints, metrics, folders and their lock."""

import json
import math
import multiprocessing
import os
import shutil
import socket
import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import files
from core_jax.agents import replay
from core_jax.runs import checkpoint, metrics, restore, run_folder
from core_jax.runs.config import Config
from core_jax.runs.layout import to_dict
from core_jax.runs.lock import FolderLock
from core_jax.runs.presets import make_config


def tree(value):
    return {"key": jax.random.key(value), "x": jnp.full((3, 2), value, jnp.float32),
            "n": jnp.int32(value)}  # fmt: skip


def save(folder, *steps):
    for step in steps:
        path = checkpoint.save(folder, step, tree(step), {"at": step})
    return path


def latest(folder):
    """The step of the newest sound checkpoint, and what is said of others."""
    notes = []
    found = checkpoint.load_latest(folder, jax.eval_shape(lambda: tree(0)), notes.append)
    if found is None:
        return None, notes
    step, arrays, meta = found
    np.testing.assert_array_equal(arrays["x"], tree(step)["x"])
    assert meta == {"at": step}
    return step, notes


def test_checkpoint_round_trip_keeps_the_newest(tmp_path):
    save(tmp_path, 10, 20, 30)
    assert len(list(tmp_path.iterdir())) == checkpoint.KEEP == 2
    step, arrays, meta = checkpoint.load_latest(tmp_path, jax.eval_shape(lambda: tree(0)), print)
    assert (step, meta) == (30, {"at": 30})
    same = jax.random.key_data(arrays["key"]) == jax.random.key_data(tree(30)["key"])
    assert same.all()


def damage(path, how):
    largest = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content, manifest = largest.read_bytes(), path / "MANIFEST"
    match how:
        case "truncate":
            largest.write_bytes(content[:-1])
        case "remove":
            largest.unlink()
        case "flip":
            largest.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "no manifest":
            manifest.unlink()
        case "manifest is a folder":
            manifest.unlink()
            manifest.mkdir()
        case "manifest is a dead link":
            manifest.unlink()
            manifest.symlink_to("nowhere")
        case "no meta":
            (path / "meta.json").unlink()
        case bytes():
            manifest.write_bytes(how)


DAMAGES = (
    "truncate", "remove", "flip", "no manifest", "manifest is a folder", "manifest is a dead link",
    "no meta", b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe\x00", b"7", b'"x"', b"[" * 100_000,
    b'{"meta.json": 1}',
)  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES, ids=lambda x: repr(x)[:20])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, how):
    damage(save(tmp_path, 10, 20), how)
    step, notes = latest(tmp_path)
    assert step == 10 and len(notes) == 1
    assert notes[0].startswith("checkpoint step_000000020 is damaged (")
    assert notes[0].endswith("); trying the one before")


def test_damaged_checkpoints_do_not_count_towards_those_that_are_kept(tmp_path):
    save(tmp_path, 10, 20)
    for step in (40, 60):  # as if bits had rotted after they were written
        shutil.copytree(tmp_path / "step_000000020", tmp_path / f"step_{step:09d}")
        damage(tmp_path / f"step_{step:09d}", "flip")
    assert latest(tmp_path)[0] == 20
    save(tmp_path, 30)  # of the run that was resumed at 20
    assert {p.name for p in tmp_path.iterdir()} == {"step_000000020", "step_000000030"}
    damage(tmp_path / "step_000000030", "flip")
    save(tmp_path, 40)
    damage(tmp_path / "step_000000040", "truncate")
    assert latest(tmp_path)[0] == 20


@pytest.mark.parametrize("name", ["step_000000060.bak", "step_000000060.tmp", "step_x", "notes"])
def test_other_names_in_the_folder_are_left_alone(tmp_path, name):
    save(tmp_path, 10)
    shutil.copytree(tmp_path / "step_000000010", tmp_path / name)
    assert latest(tmp_path) == (10, [])
    (tmp_path / "step_000000070").write_text("a file")
    save(tmp_path, 20, 30, 40)
    assert (tmp_path / name).is_dir() and latest(tmp_path) == (40, [])


@pytest.mark.parametrize("name", ["a[b]", "a*b", "back\\slash", "{x}", "q?", "sp ace", "ü"])
def test_checkpoints_of_a_folder_of_any_name_can_be_loaded(tmp_path, name):
    folder = tmp_path / name / "checkpoints"
    save(folder, 10, 20)
    assert latest(folder) == (20, [])


def test_a_checkpoint_of_another_version_is_named(tmp_path):
    save(tmp_path, 10)
    for other in ({**tree(0), "new": jnp.zeros(2)}, {**tree(0), "x": jnp.zeros((4, 2))}):
        with pytest.raises(ValueError, match="step_000000010 holds other arrays than this version"):
            checkpoint.load_latest(tmp_path, other, print)


def test_no_checkpoint_at_all(tmp_path):
    assert latest(tmp_path / "none") == (None, [])


def test_replay_that_has_room_for_more_steps_keeps_their_order():
    example = replay.Transition(
        *(jnp.zeros(()) for _ in range(5)), {}, replay.Truth(*(jnp.zeros(()) for _ in range(3))),
        jnp.zeros(()), jnp.zeros(()),
    )  # fmt: skip
    block = lambda *values: jax.tree.map(lambda _: jnp.array(values, jnp.float32)[:, None], example)
    state = replay.init(example, 4, 1)
    for pair in ((1, 2), (3, 4), (5, 6)):  # 1 and 2 are overwritten
        state = replay.add(state, block(*pair))
    larger = replay.init(example, 6, 1)
    seeds = lambda one: SimpleNamespace(seeds=_Seeds(jax.tree.map(lambda x: x[None], one)))
    grown = restore.grow_replay({"state": _State(seeds(state).seeds)}, {"state": seeds(larger)})
    ring = jax.tree.map(lambda x: jnp.asarray(x[0]), grown["state"].seeds.replay)
    assert ring.data.cut[:, 0].tolist() == [3, 4, 5, 6, 0, 0]
    assert (int(ring.cursor), int(ring.size)) == (4, 4)
    ring = replay.add(ring, block(7, 8))
    at = jnp.arange(6)
    assert replay.gather(ring, at, 0 * at).cut.tolist() == [3, 4, 5, 6, 7, 8]
    same = {"state": _State(seeds(larger).seeds)}
    assert restore.grow_replay(same, {"state": seeds(state)}) is same


class _Seeds(SimpleNamespace):
    def __init__(self, replay):
        super().__init__(replay=replay)

    def replace(self, replay):
        return _Seeds(replay)


class _State(SimpleNamespace):
    def __init__(self, seeds):
        super().__init__(seeds=seeds)

    def replace(self, seeds):
        return _State(seeds)


def test_metrics_after_a_cut_line_and_a_resume(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = metrics.MetricsFile(path)
    for step in (100, 200, 300):
        file.write({"env_steps": step})
    file.close()
    path.write_text(path.read_text() + '{"env_steps": 4')  # a kill in the middle of a write
    again = metrics.MetricsFile(path, keep_until=200)
    again.write({"env_steps": 300, "new": True})
    assert [r["env_steps"] for r in again.rows()] == [100, 200, 300]
    assert again.rows()[-1]["new"]
    again.close()


def test_what_is_not_finite_is_null_in_metrics(tmp_path):
    file = metrics.MetricsFile(tmp_path / "metrics.jsonl")
    row = {"env_steps": 1, "q": [math.nan, 1.0], "rewards": {"formal": [math.inf]}, "x": -math.inf}
    file.write(row)
    file.close()
    text = (tmp_path / "metrics.jsonl").read_text()
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert strict == {"env_steps": 1, "q": [None, 1.0], "rewards": {"formal": [None]}, "x": None}


def test_reward_columns_of_rows_of_both_versions():
    new = {"rewards": {"rating": [0.5, 0.25]}, "formal": [9.0]}
    assert files.reward_columns(new) == {"rating": [0.5, 0.25]}
    old = {"formal": [0.5], "residual": [0.0], "dense": [1.0]}
    assert files.reward_columns(old) == {"formal": [0.5], "residual": [0.0]}
    assert files.reward_columns({"dense": [1.0]}) == {}


def row(step, phase="training", **more):
    rewards = {"formal": [0.1, None], "mine": [None, None]}
    truth = {"step_success": [0.1, None], "dense": [0.2, 0.3]}
    return {"env_steps": step, "phase": phase, "rewards": rewards, "events": [], **truth, **more}


def test_phases_last_until_the_boundary_that_names_the_next():
    rows = [row(250, "a"), row(500, "b"), row(750, "b"), row(1_000, "c")]
    assert metrics.phases(rows) == [("a", 0, 500), ("b", 500, 1_000), ("c", 1_000, 1_000)]
    assert metrics.phases([{"env_steps": 250}]) == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(250)],
        [row(250, "a"), row(500, "b", evaluated=True, success=[0.0, 1.0],
                            events=["seed 0: formal reward 1 accepted. x", "y rolled back"])],
        [{"env_steps": 250, "formal": [0.1], "residual": [0.2], "dense": [0.1],
          "step_success": [0.0], "evaluated": True, "success": [0.5]}],
    ],
    ids=["nothing", "no evaluation", "everything", "the version before"],
)  # fmt: skip
def test_a_curve_is_drawn_whatever_the_backend_is(tmp_path, monkeypatch, rows):
    monkeypatch.setenv("MPLBACKEND", "module://not_installed.anywhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        metrics.plot_curve(rows, "title", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert os.environ["MPLBACKEND"] == "module://not_installed.anywhere"


def test_the_live_line_names_the_phase(capsys):
    progress = metrics.Progress(1_000)
    progress.update(250, row(250, "formal reward", labels=4, success=[0.5, 1.0]), force=True)
    shown = capsys.readouterr().err
    assert "250/1,000 steps | formal reward | success 0.75" in shown and "labels 4" in shown
    metrics.Progress(1_000, quiet=True).update(250, row(250), force=True)
    assert capsys.readouterr().err == ""


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


def test_arrays_without_elements_are_kept(tmp_path):
    """An environment without a target or pictures has some; orbax refuses to save them."""
    arrays = {"target": jnp.zeros((2, 0)), "count": jnp.int32(3)}
    checkpoint.save(tmp_path, 10, arrays, {})
    _, found, _ = checkpoint.load_latest(tmp_path, arrays, print)
    assert found["target"].shape == (2, 0) and int(found["count"]) == 3
