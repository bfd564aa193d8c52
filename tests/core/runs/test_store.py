"""What is on disk: checkpoints, metrics, folders."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.runs import checkpoint, metrics, run_folder
from core_jax.runs.config import Config, check


def tree(value):
    return {"key": jax.random.key(value), "x": jnp.full((3, 2), value, jnp.float32),
            "n": jnp.int32(value)}  # fmt: skip


def test_checkpoint_round_trip_keeps_the_newest(tmp_path):
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, tree(step), {"at": step})
    assert len(list(tmp_path.iterdir())) == checkpoint.KEEP
    step, arrays, meta = checkpoint.load_latest(tmp_path, jax.eval_shape(lambda: tree(0)), print)
    assert (step, meta) == (30, {"at": 30})
    np.testing.assert_array_equal(arrays["x"], tree(30)["x"])
    same = jax.random.key_data(arrays["key"]) == jax.random.key_data(tree(30)["key"])
    assert same.all()


@pytest.mark.parametrize("damage", ["truncate", "remove", "manifest", "flip"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    for step in (10, 20):
        path = checkpoint.save(tmp_path, step, tree(step), {"at": step})
    largest = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = largest.read_bytes()
    match damage:
        case "truncate":
            largest.write_bytes(content[:-1])
        case "remove":
            largest.unlink()
        case "manifest":
            (path / "MANIFEST").unlink()
        case "flip":
            largest.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    said = []
    step, _, meta = checkpoint.load_latest(tmp_path, tree(0), said.append)
    assert (step, meta) == (10, {"at": 10})
    assert "step_000000020 is damaged" in said[0]


def test_a_checkpoint_of_another_version_is_named(tmp_path):
    checkpoint.save(tmp_path, 10, tree(10), {"at": 10})
    more = {**tree(0), "new": jnp.zeros(2)}
    with pytest.raises(ValueError, match="step_000000010 holds other arrays than this version"):
        checkpoint.load_latest(tmp_path, more, print)


def test_no_checkpoint_at_all(tmp_path):
    assert checkpoint.load_latest(tmp_path / "none", tree(0), print) is None


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


def test_config_round_trip(tmp_path):
    config = dataclasses.replace(Config(), seeds=3, method="env_dense")
    run_folder.prepare(tmp_path / "run", config, resume=False)
    assert run_folder.load_config(tmp_path / "run") == config


def test_more_steps_are_the_same_run_and_fewer_are_not(tmp_path):
    more = dataclasses.replace(Config(), steps=2 * Config().steps)
    run_folder.prepare(tmp_path / "run", Config(), resume=False)
    run_folder.prepare(tmp_path / "run", more, resume=True)
    assert run_folder.load_config(tmp_path / "run") == more
    with pytest.raises(ValueError, match="steps was 240000, is 120000"):
        run_folder.prepare(tmp_path / "run", Config(), resume=True)
    formal = dataclasses.replace(Config().formal, select="gt_score")  # by trials a tenth as long
    tried, longer = (dataclasses.replace(c, formal=formal) for c in (Config(), more))
    run_folder.prepare(tmp_path / "by_trials", tried, resume=False)
    with pytest.raises(ValueError, match="steps was 120000, is 240000"):
        run_folder.prepare(tmp_path / "by_trials", longer, resume=True)


def test_a_config_of_another_version_is_named(tmp_path):
    run_folder.prepare(tmp_path / "run", check(Config()), resume=False)
    path = tmp_path / "run" / "config.json"
    stored = json.loads(path.read_text())
    stored["sac"]["spice"] = stored["flavour"] = 1
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="does not know: flavour, sac.spice"):
        run_folder.load_config(tmp_path / "run")


def test_a_setting_newer_than_a_run_has_its_default_there(tmp_path):
    run_folder.prepare(tmp_path / "run", Config(), resume=False)
    path = tmp_path / "run" / "config.json"
    stored = json.loads(path.read_text())
    del stored["feedback"]["pairs"]
    path.write_text(json.dumps(stored))
    feedback = dataclasses.replace(Config().feedback, pairs="entropy")
    other = dataclasses.replace(Config(), feedback=feedback)
    with pytest.raises(ValueError, match="feedback.pairs was uniform, is entropy"):
        run_folder.prepare(tmp_path / "run", other, resume=True)
    run_folder.prepare(tmp_path / "run", Config(), resume=True)


def test_a_run_folder_is_never_overwritten(tmp_path):
    out = tmp_path / "run"
    run_folder.prepare(out, Config(), resume=False)
    with pytest.raises(ValueError, match="already holds a run: --resume"):
        run_folder.prepare(out, Config(), resume=False)
    run_folder.prepare(out, Config(), resume=True)
    other = dataclasses.replace(Config(), seed=7)
    with pytest.raises(ValueError, match="another config: seed was 0, is 7"):
        run_folder.prepare(out, other, resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not a run's folder"):
        run_folder.prepare(tmp_path / "full", Config(), resume=True)
    with pytest.raises(ValueError, match="no run's folder"):
        run_folder.load_config(tmp_path / "full")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "drawer-opne"}, "unknown task 'drawer-opne'. Did you mean 'drawer-open'"),
        ({"method": "env_dens"}, "unknown method 'env_dens'. Did you mean 'env_dense'"),
        ({"protocol": "rand"}, "unknown protocol 'rand'. Did you mean 'random'"),
        ({"teacher": "vlmm"}, "unknown teacher 'vlmm'. Did you mean 'vlm'"),
        ({"teacher": "vlm"}, "teacher 'vlm' needs somebody to ask"),
        ({"model": "replya"}, "unknown model 'replya'. Did you mean 'replay'"),
        ({"chunk": 300}, r"chunk \(300\) must be a multiple of envs \* rollout \(500\)"),
        ({"steps": 1500}, r"steps \(1500\) must be a multiple of chunk \(1000\)"),
        ({"seeds": 0}, "seeds must be at least 1, not 0"),
        ({"random_steps": 1000}, r"random_steps \(1000\) must be at least 4000"),
        ({"frm": False, "rrm": False}, "no reward left"),
    ],
)
def test_a_bad_config_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        check(dataclasses.replace(Config(), **fields))


def test_default_config_is_sound():
    config = check(Config())
    assert config.replay_rows * config.envs >= config.steps
    assert json.dumps(dataclasses.asdict(config))
