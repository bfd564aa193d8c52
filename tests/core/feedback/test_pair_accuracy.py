"""How often learned rewards are right: on a replay and rewards that are made up."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.feedback.teachers.scripted import ScriptedConfig
from core_jax.runs.config import Config, FeedbackConfig

ROWS, ENVS, LENGTH = 100, 2, 5


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parents[3] / "scripts" / "tools" / "pair_accuracy.py"
    spec = importlib.util.spec_from_file_location("pair_accuracy", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def restored():
    """One seed whose steps differ in progress; the formal reward says the opposite of it."""
    progress = np.random.default_rng(0).random((ROWS, ENVS)).astype(np.float32)
    fields = dict.fromkeys(replay.Transition._fields, jnp.zeros((ROWS, ENVS)))
    fields |= {"next_obs": jnp.asarray(progress)[..., None], "formal": jnp.asarray(-progress)}
    fields |= {"progress": jnp.asarray(progress), "snapshot": jnp.zeros((ROWS, ENVS, 1))}
    ring = replay.ReplayState(replay.Transition(**fields), jnp.int32(0), jnp.int32(ROWS))
    config = Config(
        scripted=ScriptedConfig("oracle", judge="progress"),
        feedback=FeedbackConfig(clip_length=LENGTH),
    )
    lanes = jax.tree.map(lambda x: x[None], ring)
    return SimpleNamespace(
        config=config, train=SimpleNamespace(env=None), lanes=Lanes(lanes, jnp.zeros(1))
    )


@jax.tree_util.register_pytree_node_class
class Lanes:
    """What the script reads of a lane."""

    def __init__(self, ring, residual):
        self.replay, self.residual = ring, residual

    def tree_flatten(self):
        return (self.replay, self.residual), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


@pytest.fixture
def sees(script, monkeypatch):
    """A residual reward that is `factor` times the progress that it sees."""

    def sees(factor):
        model = SimpleNamespace(predict=lambda _, frames: factor * frames[..., 0])
        sight = SimpleNamespace(model=model, frames=lambda obs, _: obs, compiler_options=None)
        monkeypatch.setattr(script, "make_sight", lambda *_: sight)

    return sees


def test_a_reward_that_knows_is_always_right_and_its_opposite_never(script, restored, sees):
    sees(3.0)
    assert script._of_lanes(restored, [set()], 150) == [(1.0, 0.0, 1.0)]
    sees(-3.0)
    assert script._of_lanes(restored, [set()], 150) == [(0.0, 0.0, 0.0)]


def test_clips_that_were_labelled_and_ties_are_left_out(script, restored, sees):
    sees(1.0)
    frames = np.asarray(restored.lanes.replay.data.next_obs[0])
    seen = {script._name(x) for x in frames.reshape(-1, 1)}
    with pytest.raises(ValueError, match="only 0 pairs of seed 0 are fit to be judged"):
        script._of_lanes(restored, [seen], 10)
    restored.lanes.replay = restored.lanes.replay.replace(
        data=restored.lanes.replay.data._replace(progress=jnp.ones((1, ROWS, ENVS)))
    )
    with pytest.raises(ValueError, match="only 0 pairs"):
        script._of_lanes(restored, [set()], 10)


@pytest.mark.slow
def test_a_fitted_reward_beats_chance_on_other_episodes(script):
    flags = script.Flags(scripted=ScriptedConfig("oracle", judge="progress"), pairs=60, labels=60)
    about, [row] = script.of_task(flags)
    assert about["truth"] == "progress" and about["labels"] == 60
    assert row.residual > 0.75
