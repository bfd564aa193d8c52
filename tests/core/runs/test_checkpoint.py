"""Checkpoints: what is kept, passed over and restored."""

import errno
import itertools
import shutil
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from core_jax.agents import replay
from core_jax.runs import checkpoint, restore


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


def test_arrays_without_elements_are_kept(tmp_path):
    """An environment without a target or pictures has some; orbax refuses to save them."""
    arrays = {"target": jnp.zeros((2, 0)), "count": jnp.int32(3)}
    checkpoint.save(tmp_path, 10, arrays, {})
    _, found, _ = checkpoint.load_latest(tmp_path, arrays, print)
    assert found["target"].shape == (2, 0) and int(found["count"]) == 3


def test_parts_without_arrays_may_have_been_added_since(tmp_path):
    """As settings that a run does not use add to a state; added arrays are refused."""
    old = {"seed": SimpleNode(3.0 * jnp.arange(2.0)), "opt": (jnp.int32(4), {"w": jnp.ones(2)})}
    checkpoint.save(tmp_path, 10, old, {})
    like = {"seed": LaterNode(jnp.zeros(2)), "opt": (jnp.int32(0), {"w": jnp.zeros(2)})}
    _, found, _ = checkpoint.load_latest(tmp_path, like, print)
    np.testing.assert_array_equal(found["seed"].x, [0.0, 3.0])
    assert isinstance(found["seed"], LaterNode) and found["seed"].values == {}
    assert found["opt"][0] == 4 and found["opt"][1]["w"].sum() == 2.0
    more = {**like, "seed": LaterNode(jnp.zeros(2), {"gamma": jnp.zeros(1)})}
    with pytest.raises(ValueError, match="other arrays than this version"):
        checkpoint.load_latest(tmp_path, more, print)


class SimpleNode(struct.PyTreeNode):
    x: jax.Array


class LaterNode(struct.PyTreeNode):
    x: jax.Array
    values: dict[str, jax.Array] = struct.field(default_factory=dict)
    stats: jax.Array | None = None


def test_a_checkpoint_that_cannot_be_saved_is_named_and_costs_no_other(tmp_path, monkeypatch):
    save(tmp_path, 10)
    for error, reason in (
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (ValueError('RESOURCE_EXHAUSTED: "x": No space left on device [spec]'), "No space left"),
        (ValueError("first line\nsecond line"), "first line$"),
    ):
        monkeypatch.setattr(checkpoint, "_hashes", _raises(error))
        with pytest.raises(checkpoint.SaveError, match=f"step_000000020 cannot be saved: {reason}"):
            checkpoint.save(tmp_path, 20, tree(20), {"at": 20})
        monkeypatch.undo()
        assert latest(tmp_path) == (10, [])
        assert [p.name for p in tmp_path.iterdir()] == ["step_000000010"]


def _clock(clock, readings):
    seen = itertools.count()
    return lambda: clock() + 600_000.0 * (next(seen) > readings)


def _raises(error):
    def raises(*_):
        raise error

    return raises


def test_a_wall_clock_that_is_set_anew_stops_no_checkpoint(tmp_path, monkeypatch):
    for readings in (5, 10, 20, 40, 80):  # until it is set to a week later
        monkeypatch.setattr(time, "time", _clock(time.time, readings))
        save(tmp_path, readings)
        monkeypatch.undo()
        assert latest(tmp_path) == (readings, [])


def test_what_a_killed_run_left_unfinished_is_deleted(tmp_path):
    for name in ("step_000000005.8a66ed11.tmp", "step_000000007.0a1b2c3d.tmp", "notes.tmp"):
        (tmp_path / name).mkdir(parents=True)
    save(tmp_path, 10)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.tmp", "step_000000010"]
