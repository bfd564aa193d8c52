"""What `core_jax.envs.make` accepts and how it refuses; what a spec says."""

import dataclasses

import numpy as np
import pytest

from core_jax import envs


def test_names_are_makeable_and_sorted():
    assert "drawer-open" in envs.names()
    assert list(envs.names()) == sorted(envs.names())


@pytest.mark.parametrize(
    ("args", "kwargs", "parts"),
    [
        (("drawer-opem",), {}, ("'drawer-opem'", "Did you mean 'drawer-open'", "Valid: ")),
        (("zzz",), {}, ("'zzz'", "drawer-open")),
        (("drawer-open", "papr"), {}, ("'papr'", "Did you mean 'paper'", "paper, random")),
        (("drawer-open",), {"rewrd": "dense"}, ("'rewrd'", "Did you mean 'reward'", "goal_obs")),
        (("drawer-open",), {"reward": "desne"}, ("'desne'", "Did you mean 'dense'", "sparse")),
        (("drawer-open",), {"goal_observable": 1}, ("goal_observable", "True, False")),
    ],
)
def test_errors_name_the_thing_and_suggest(args, kwargs, parts):
    with pytest.raises(ValueError) as error:
        envs.make(*args, **kwargs)
    for part in parts:
        assert part in str(error.value)


def test_a_hopeless_name_gets_no_suggestion():
    with pytest.raises(ValueError) as error:
        envs.make("zzz")
    assert "Did you mean" not in str(error.value)


def test_fields_tile_the_observation(paper_env):
    spec = paper_env.spec
    for fields, size in ((spec.observation_fields, 39), (spec.formal_fields, 11)):
        stops = [0] + [f.stop for f in fields]
        assert [f.start for f in fields] == stops[:-1] and stops[-1] == size
        assert len({f.name for f in fields}) == len(fields)


def test_views_pick_the_documented_numbers(paper_env):
    obs = np.arange(39.0)
    np.testing.assert_array_equal(paper_env.spec.formal_view(obs), np.arange(11))
    np.testing.assert_array_equal(
        paper_env.spec.frame_view(obs), np.concatenate([np.arange(11), [36, 37, 38]])
    )
    batch = np.arange(78.0).reshape(2, 39)
    assert paper_env.spec.frame_view(batch).shape == (2, 14)
    # The hammer's picture also shows the nail.
    two = envs.make("hammer").spec.frame_view(obs)
    np.testing.assert_allclose(two, np.concatenate([np.arange(14), [36, 37, 38]]))


def test_spec_is_frozen_and_carries_the_paper_budget(paper_env):
    with pytest.raises(dataclasses.FrozenInstanceError):
        paper_env.spec.horizon = 1
    budget = paper_env.spec.paper_budget
    assert (budget.env_steps, budget.labels, budget.labels_per_round) == (500_000, 500, 20)
    assert paper_env.spec.horizon == 500
