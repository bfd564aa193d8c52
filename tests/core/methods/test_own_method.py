"""A method from outside the package: no file of the package names it, and runs work with it."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import core_jax
from core_jax import methods
from core_jax.methods.base import BaseMethod, BaseRun
from core_jax.methods.triggers import AfterEvaluation, EachChunk, Every
from core_jax.reward_models.source import StatelessSource
from core_jax.runs import finish, restore
from core_jax.runs.layout import from_dict, to_dict
from core_jax.runs.loop import run
from core_jax.training.plan import Rewards
from core_jax.training.streams import seed_keys

HAND = 2  # the gripper's height, metres, in Meta-World's observation


class GripperHeight(StatelessSource):
    """A device source: pays for the gripper's height."""

    name = "height"
    columns = ("height",)

    def score(self, state, steps, ring=None):
        height = steps.next_obs[..., HAND]
        return {"height": height}, {"height_max": jnp.max(height)}


class Gentle:
    """A host source: pays for small actions."""

    columns = ("gentle",)

    def score(self, steps):
        return {"gentle": -np.mean(np.square(steps.action), axis=-1)}


@dataclasses.dataclass(frozen=True)
class HeightConfig:
    """Settings of the method."""

    gentleness: float = 0.5
    """Weight of small actions, until it is halved."""


class HeightRun(BaseRun):
    """Halves the weight of small actions after 1,000 steps; counts evaluations."""

    def __init__(self, config):
        self.config, self.chunks, self.evaluations = config, 0, 0
        self.triggers = (
            EachChunk(self.count),
            Every(1_000, self.halve, start=1_000),
            AfterEvaluation(self.evaluated),
        )

    def count(self, at):
        self.chunks += 1

    def halve(self, at):
        weights = at.seeds.weights
        at.seeds = at.seeds.replace(weights={**weights, "gentle": 0.5 * weights["gentle"]})
        at.events.append("halved")

    def evaluated(self, at):
        assert len(at.evaluation["success"]) == at.seeds.key.shape[0]
        self.evaluations += 1

    def row(self):
        return {"chunks": self.chunks}

    def summary(self):
        return {"evaluations": self.evaluations}

    def state(self):
        return {"chunks": self.chunks, "evaluations": self.evaluations}

    def restore(self, arrays, state):
        self.chunks, self.evaluations = state["chunks"], state["evaluations"]


class Height(BaseMethod):
    """Lifts the gripper."""

    name: ClassVar[str] = "toy_height"
    summary: ClassVar[str] = "pays for the gripper's height"
    config: ClassVar[type] = HeightConfig

    def rewards(self, config, training, env):
        return Rewards(
            {"height": 1.0, "gentle": config.gentleness}, (GripperHeight(),), hosts=(Gentle(),)
        )

    def start(self, config, context, train):
        return HeightRun(config)


@pytest.fixture(scope="module")
def registered():
    """The method is known during this module, and forgotten after it."""
    before = dict(methods._METHODS)
    methods.register(Height())
    yield
    methods._METHODS.clear()
    methods._METHODS.update(before)


@pytest.fixture(scope="module")
def finished(registered, changed, drawer, tmp_path_factory):
    """A run of 2,000 steps: its config, folder, rows, summary, and its sheet's columns."""
    config = changed(method="toy_height", gentleness=0.25, steps=2_000)
    out, rows, sheets = tmp_path_factory.mktemp("own") / "run", [], []
    draw, patch = finish.draw, pytest.MonkeyPatch()
    patch.setattr(finish, "draw", lambda *args: (sheets.append(args[3]), draw(*args)))
    summary = run(config, out, quiet=True, env=drawer, on_row=rows.append)
    patch.undo()
    return config, out, rows, summary, sheets


@pytest.fixture(scope="module")
def restored(finished):
    """The run as its last checkpoint left it."""
    return restore.load(finished[1])


@pytest.mark.slow
def test_its_columns_are_in_every_row(finished):
    config, _, rows, _, _ = finished
    assert [row["env_steps"] for row in rows] == list(range(250, 2_001, 250))
    for row in rows:
        assert set(row["rewards"]) == {"height", "gentle"}
        assert all(len(v) == config.training.seeds for v in row["rewards"].values())
        weight = 0.25 if row["env_steps"] <= 1_000 else 0.125
        reward = np.array(row["rewards"]["height"]) + weight * np.array(row["rewards"]["gentle"])
        np.testing.assert_allclose(row["reward"], reward, atol=1e-5)
        assert (np.array(row["height_max"]) >= np.array(row["rewards"]["height"])).all()
    assert all(0.0 < h < 0.5 for row in rows for h in row["rewards"]["height"])  # metres


@pytest.mark.slow
def test_its_triggers_ran_and_its_state_is_kept(finished, restored):
    _, out, rows, summary, _ = finished
    halved = [row["env_steps"] for row in rows if "halved" in row["events"]]
    assert halved == [1_000, 2_000]
    assert [row["chunks"] for row in rows] == list(range(1, 9))
    assert summary["evaluations"] == 2 and summary["method"] == "toy_height"
    assert summary == json.loads((out / "summary.json").read_text())
    assert restored.meta["method"] == {"chunks": 8, "evaluations": 2}
    np.testing.assert_allclose(restored.seeds.weights["gentle"], 0.25 / 4)


@pytest.mark.slow
def test_its_columns_are_in_the_episode_sheet(finished, restored):
    config, out, _, _, [columns] = finished
    assert set(columns) == {"height", "gentle"}
    assert (out / "episode.png").stat().st_size > 10_000
    train, seeds = restored.train, restored.seeds
    _, record = train.evaluate(seeds, seed_keys(0, config.training.seeds))
    scored = train.score_record(seeds, jax.device_get(record), restored.programs)
    np.testing.assert_allclose(scored["height"], record.next_obs[..., HAND], rtol=1e-6)
    np.testing.assert_allclose(scored["gentle"], -np.mean(record.action**2, axis=-1), rtol=1e-5)


@pytest.mark.slow
def test_replay_holds_what_its_sources_say(restored):
    data = restored.seeds.replay.data
    np.testing.assert_array_equal(data.rewards["height"], data.next_obs[..., HAND])
    np.testing.assert_allclose(
        data.rewards["gentle"], -np.mean(np.square(data.action), axis=-1), rtol=1e-5
    )
    assert (np.asarray(restored.seeds.learner.updates) > 0).all()


@pytest.mark.slow
def test_resumed_it_is_the_run_that_was_not_interrupted(finished, drawer, tmp_path, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *args: None)
    config, out, rows, summary, _ = finished
    again = tmp_path / "resumed"
    shutil.copytree(out, again)
    (again / "summary.json").unlink()
    for folder in (again / "checkpoints").iterdir():
        if int(folder.name.split("_")[-1]) > 1_500:
            shutil.rmtree(folder)
    resumed = []
    found = run(config, again, resume=True, quiet=True, env=drawer, on_row=resumed.append)
    wall = ("wall_seconds", "steps_per_second")
    plain = lambda row: {k: v for k, v in row.items() if k not in wall}
    assert [plain(r) for r in resumed] == [plain(r) for r in rows[6:]]
    for name in ("success", "episode_return", "evaluations"):
        assert found[name] == summary[name]


def test_a_name_is_registered_once(registered):
    assert "toy_height" in methods.names()
    methods.register(Height())  # the same class again: as when a module is imported twice

    class Other(Height):
        pass

    with pytest.raises(ValueError, match="a method named 'toy_height' exists already"):
        methods.register(Other())
    assert type(methods.get("toy_height")) is Height


def test_its_settings_have_names_and_are_checked(registered, changed):
    config = changed(method="toy_height", gentleness=0.25)
    assert config.settings == HeightConfig(0.25)
    stored = to_dict(config)
    assert stored["gentleness"] == 0.25 and "feedback" not in stored
    assert from_dict(stored) == config
    with pytest.raises(ValueError, match="unknown setting 'gentlenes'"):
        changed(method="toy_height", gentlenes=0.25)


def test_a_method_is_named_by_its_module(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "examples"))
    config = core_jax.make_config(method="own_method:Lift", steps=2000)
    assert config.recipe.name == "lift" and config.settings.halve_every == 10_000
    assert "own_method:Lift" not in core_jax.method_names()
    for name, reason in (
        ("own_metod:Lift", "no module 'own_metod' for the method"),
        ("own_method:Lift2", "no attribute 'Lift2' in module 'own_method'"),
        ("own_method:Height", "own_method:Height is no method: it has no summary, config"),
        ("lift", "or module:attribute, or core_jax.register_method"),
    ):
        with pytest.raises(ValueError, match=reason):
            core_jax.make_config(method=name)
