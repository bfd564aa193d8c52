"""Runs of one process share the functions in which they are equal, and no others."""

import dataclasses
import gc
import sys
import types
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from point_world import Point

from core_jax.runs.setup import make_functions, make_world
from core_jax.training import jitted
from core_jax.training.shared import shared
from core_jax.training.state import SeedState
from core_jax.training.streams import seed_keys


def functions(train):
    """The jitted functions of stages, by name."""
    stages = ("collect", "insert", "learn_function", "evaluate", "reset_value")
    return {name: getattr(train, name).jitted for name in stages}


def same(first, second):
    """The stages that two runs share."""
    one, other = functions(first), functions(second)
    return {name for name in one if one[name] is other[name]}


def test_runs_that_differ_in_the_seed_share_all(train, changed, drawer):
    assert same(train, make_functions(changed(seed=7), drawer)) == set(functions(train))


def test_methods_share_physics_and_learner(train, changed, drawer):
    other = make_functions(changed(method="env_dense"), drawer)
    assert same(train, other) == {"collect", "learn_function", "evaluate", "reset_value"}


@pytest.mark.parametrize(("values", "expected"), [
    ({"sac": {"gamma": 0.9}}, set()),
    ({"envs": 5, "rollout": 10}, {"learn_function", "evaluate", "reset_value"}),
    ({"eval_episodes": 3}, {"collect", "learn_function", "reset_value"}),
    ({"residual": {"hidden": [8]}}, {"collect", "learn_function", "evaluate", "reset_value"}),
])  # fmt: skip
def test_what_differs_is_not_shared(train, changed, drawer, values, expected):
    assert same(train, make_functions(changed(**values), drawer)) == expected


def test_a_second_run_of_another_method_traces_no_physics(changed, point):
    runs = []
    for method in ("env_dense", "env_sparse"):
        train = make_functions(changed(method=method, task="point_world:Point"), point)
        before = train.traces.copy()
        state, _ = train.train_chunk(train.init(seed_keys(0, 2)))
        train.evaluate(state.seeds, jax.random.split(jax.random.key(0), 2))
        runs.append((train.traces - before, state))
    first, second = (traces for traces, _ in runs)
    assert max(first.values()) <= 1 and second["insert"] <= 1
    assert second["collect"] == second["evaluate"] == 0
    # What is shared is no state: the same keys give the same worlds, and rewards of their own.
    one, other = (state.seeds.replay.data for _, state in runs)
    np.testing.assert_array_equal(one.obs, other.obs)
    assert set(one.rewards) == {"dense"} and set(other.rewards) == {"sparse"}


def test_a_task_of_the_package_is_one_world(changed, monkeypatch):
    module = types.ModuleType("shared_world")
    module.World = type("World", (Point,), {})
    monkeypatch.setitem(sys.modules, "shared_world", module)
    config = changed()
    assert make_world(config) is make_world(dataclasses.replace(config, seed=3))
    assert make_world(config) is not make_world(dataclasses.replace(config, protocol="random"))
    own = changed(task="shared_world:World")
    assert make_world(own) is not make_world(own)  # its module may be edited and loaded again


class Thing:
    pass


@shared(2)
def made(value, more=()):
    return Thing()


def test_equal_arguments_have_one_object():
    assert made(1) is made(1) and made(1) is not made(2)
    first = weakref.ref(made(3))
    made(4), made(5)
    gc.collect()
    assert first() is None  # only those used last are kept
    assert made([1]) is not made([1])  # without a hash


def test_the_backend_is_an_argument(monkeypatch):
    here = made(6)
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert made(6) is not here


def test_errors_are_not_kept():
    calls = []

    @shared(2)
    def fails(value):
        calls.append(value)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError):
            fails(1)
    assert calls == [1, 1]


def counted(part, seed, more):
    """A stage that sees `key` alone."""
    assert seed.carry is None and seed.learner is None
    return seed.replace(key=seed.key + part), more


def test_a_stage_is_given_and_changes_its_fields_only():
    fields = {f.name: jnp.arange(2.0) for f in dataclasses.fields(SeedState)}
    seeds = SeedState(**fields)
    stage = jitted.Stage(jitted.stage(counted, 3.0, None), ("key",))
    new, more = stage(seeds, jnp.ones(2))
    np.testing.assert_array_equal(new.key, [3.0, 4.0])
    np.testing.assert_array_equal(new.learner, fields["learner"])
    np.testing.assert_array_equal(more, 1.0)
    assert stage.jitted.traces == 1
    assert jitted.stage(counted, 3.0, None) is stage.jitted
    assert jitted.stage(counted, 4.0, None) is not stage.jitted
