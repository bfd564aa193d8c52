"""How often learned rewards are right: on a replay and rewards that are made up."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import replay
from core_jax.feedback.teachers.scripted_config import ScriptedConfig
from core_jax.training.reward_input import NetworkSource
from core_jax.training.state import SeedState

ROWS, ENVS, LENGTH = 100, 2, 5


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parents[3] / "scripts" / "tools" / "pair_accuracy.py"
    spec = importlib.util.spec_from_file_location("pair_accuracy", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def seed_of(progress, weights):
    """A seed whose steps differ in progress; the formal reward says the opposite of it."""
    wide = jnp.asarray(progress)[..., None]
    zero = jnp.zeros((ROWS, ENVS))
    data = replay.Transition(
        obs=wide,
        action=wide,
        next_obs=wide,
        target=wide,
        snapshot=wide,
        rewards={"formal": -jnp.asarray(progress), "residual": zero},
        truth=replay.Truth(zero, jnp.asarray(progress), zero),
        discount=zero,
        cut=zero,
    )
    ring = replay.ReplayState(data, jnp.int32(0), jnp.int32(ROWS))
    weights = {name: jnp.float32(w) for name, w in weights.items()}
    return SeedState(None, None, None, None, ring, {"residual": jnp.float32(3.0)}, weights)


def reads(factor):
    """A learned reward that is `factor` times its state times the progress that it reads."""
    model = SimpleNamespace(predict=lambda state, frames: factor * state * frames[..., 0])
    read = SimpleNamespace(frames=lambda obs, _: obs, every=1, compiler_options=None)
    return (NetworkSource("residual", model, read, 1),)


@pytest.fixture
def progress():
    return np.random.default_rng(0).random((ROWS, ENVS)).astype(np.float32)


@pytest.mark.parametrize(
    ("factor", "weights", "expected"),
    [
        (1.0, {"formal": 0.5, "residual": 0.5}, {"formal": 0.0, "residual": 1.0, "sum": 1.0}),
        (-1.0, {"formal": 0.5, "residual": 0.5}, {"formal": 0.0, "residual": 0.0, "sum": 0.0}),
        # The sum is of rewards of size 1 and 3: only the weights decide.
        (1.0, {"formal": 0.9, "residual": 0.1}, {"formal": 0.0, "residual": 1.0, "sum": 0.0}),
        (1.0, {"formal": 1.0, "residual": 0.0}, {"formal": 0.0, "residual": 1.0, "sum": 0.0}),
    ],
)
def test_a_reward_that_knows_is_always_right_and_its_opposite_never(
    script, progress, factor, weights, expected
):
    draw = script.clip_drawer(reads(factor), LENGTH)
    assert script.accuracy(draw, seed_of(progress, weights), set(), 150, "progress") == expected


def test_clips_that_were_labelled_and_ties_are_left_out(script, progress):
    draw, weights = script.clip_drawer(reads(1.0), LENGTH), {"formal": 1.0}
    labelled = {script.frame_name(x) for x in progress.reshape(-1, 1)}
    with pytest.raises(ValueError, match="only 0 pairs can be evaluated"):
        script.accuracy(draw, seed_of(progress, weights), labelled, 10, "progress")
    with pytest.raises(ValueError, match="only 0 pairs can be evaluated"):  # dense is 0 everywhere
        script.accuracy(draw, seed_of(progress, weights), set(), 10, "reward")


@pytest.mark.long
def test_a_fitted_reward_beats_chance_on_other_episodes(script):
    flags = script.Flags(scripted=ScriptedConfig("oracle", judge="progress"), pairs=60, labels=60)
    about, [row] = script.of_task(flags)
    assert about["truth"] == "progress" and about["labels"] == 60
    assert row["residual"] > 0.75
