"""Policies of files and of the package: they act as numpy's, and their cards are true."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

import core_jax
from core_jax import envs, policies

ROOT = Path(__file__).parents[3]
CARD = {
    "task", "protocol", "method", "teacher", "seed", "env_steps", "labels", "settings",
    "episodes", "success", "first_success", "success_in_the_original",
}  # fmt: skip


@pytest.fixture(scope="module")
def numpy_policy():
    spec = importlib.util.spec_from_file_location("numpy_policy", ROOT / "scripts/numpy_policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Policy


def write(path, rng, sizes=(4, 8, 4), **values):
    """A file as `scripts/export.py` writes it, with random weights."""
    arrays = {"task": "drawer-open", "protocol": "random", "action_size": 2, "activation": "relu",
              "head": "tanh"}  # fmt: skip
    for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
        arrays[f"kernel_{i}"] = rng.normal(size=(a, b)).astype(np.float32)
        arrays[f"bias_{i}"] = rng.normal(size=b).astype(np.float32)
    np.savez(path, **{k: v for k, v in {**arrays, **values}.items() if v is not None})
    return path


@pytest.mark.parametrize("head", ["tanh", "clip", "argmax"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("normalised", [False, True])
def test_a_file_acts_as_the_numpy_policy(numpy_policy, head, activation, normalised, tmp_path):
    rng = np.random.default_rng(0)
    stats = {"obs_mean": np.full(4, 0.5), "obs_std": np.full(4, 0.1), "obs_limit": 5.0}
    values = {"head": head, "activation": activation, **(stats if normalised else {})}
    path = write(tmp_path / "p.npz", rng, **values)
    policy, obs = core_jax.load_policy(path), rng.normal(size=(3, 7, 4)).astype(np.float32)
    expected = numpy_policy(path)(obs)
    np.testing.assert_allclose(jax.jit(policy)(obs), expected, atol=1e-5)
    assert (policy.task, policy.protocol, policy.env_steps) == ("drawer-open", "random", None)
    assert expected.shape == ((3, 7) if head == "argmax" else (3, 7, 2))


def test_a_file_that_is_no_policy_is_named(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "p.npz"
    path.write_text("no zip")
    with pytest.raises(ValueError, match=r"policy .*p\.npz cannot be read"):
        core_jax.load_policy(path)
    with pytest.raises(ValueError, match=r"policy .*none\.npz cannot be read"):
        core_jax.load_policy(tmp_path / "none.npz")
    for values in ({"head": None}, {"kernel_0": None}, {"bias_1": None}):
        write(path, rng, **values)
        with pytest.raises(ValueError, match="is no policy of scripts/export.py: it lacks"):
            core_jax.load_policy(path)
    with pytest.raises(ValueError, match="seed=1 chooses one of a run's seeds"):
        core_jax.load_policy(write(path, rng), seed=1)
    with pytest.raises(ValueError, match=r"no policy 'drawer-opn' comes with the package.*drawer"):
        policies.path("drawer-opn")
    with pytest.raises(
        ValueError, match=r"no policy 'drawer-opn': it is no run's folder.*drawer-open"
    ):
        core_jax.load_policy("drawer-opn")


@pytest.mark.parametrize("name", policies.names())
def test_a_policy_of_the_package_fits_its_task_and_has_a_card(name):
    card, policy = policies.card(name), core_jax.load_policy(name)
    assert set(card) == CARD and card["task"] == policy.task == name
    assert card["protocol"] == policy.protocol
    spec = envs.spec(name)
    assert policy(np.zeros(spec.observation_size)).shape == (spec.action_size,)


@pytest.mark.long
@pytest.mark.parametrize("name", policies.names())
def test_a_policy_of_the_package_succeeds_as_often_as_its_card_says(name):
    card = policies.card(name)
    played = core_jax.load_policy(name).evaluate(50, seed=1)
    assert abs(played.success.mean() - card["success"]) <= 0.1
