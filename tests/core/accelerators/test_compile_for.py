"""The functions of a training, compiled: here for the CPU, in the long test for an H200 and a
v5e."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from small_run import POINT, small_config

from core_jax.accelerators import kernels, measure
from core_jax.runs import setup

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    config = small_config(task=POINT, seeds=1, frm=False, formal={})
    parts = setup.make_parts(config, tmp_path_factory.mktemp("parts"), print)
    yield parts
    parts.close()


def test_every_function_of_a_training_is_there_with_its_arguments(parts):
    calls = measure.functions(parts.train)
    assert list(calls) == ["collect", "insert", "learn", "evaluate", "rescore_residual"]
    state = calls["collect"][1][0]
    for name, (function, arguments) in calls.items():
        found = jax.eval_shape(function, *arguments)
        seeds = found[0] if isinstance(found, tuple) else found
        if name != "evaluate":  # all others take the state of all seeds and return it
            assert jax.tree.map(lambda x: x.shape, seeds) == jax.tree.map(lambda x: x.shape, state)


def test_the_fit_of_a_learned_reward_is_there_too(parts):
    fit, arguments = parts.method.fit_call()
    seeds = measure.functions(parts.train)["collect"][1][0]
    after, metrics = jax.eval_shape(fit, seeds, *arguments)
    assert jax.tree.structure(after) == jax.tree.structure(seeds)
    assert {x.shape for x in metrics.values()} == {(1,)}


def test_the_state_that_a_function_does_not_read_is_memory_too(parts):
    state = measure.functions(parts.train)["collect"][1][0]
    sizes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
    whole = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(sizes))
    lowered = jax.jit(lambda seeds: 2 * seeds.replay.data.obs).lower(sizes)
    found = measure.with_memory(measure.Compiled("f", 1.0), lowered.compile(), (sizes,))
    read = sizes.replay.data.obs.size * 4
    assert found.arguments == found.outputs == read
    assert found.held == whole - read > 0
    assert found.peak == whole + read + found.temporaries


def test_an_update_is_one_iteration_of_the_only_open_loop(parts):
    function, arguments = measure.functions(parts.train)["learn"]
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    lowered = jax.jit(lambda *args: function(*args)).lower(*shapes)
    found = kernels.count(lowered.compile().as_text())
    assert len(found.loops) == 1 and found.callbacks == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("device", "package"), [("h200", "jax_plugins.xla_cuda12"), ("v5e", "libtpu")]
)
def test_a_config_compiles_for_a_device_that_is_not_here(device, package):
    try:
        missing = importlib.util.find_spec(package) is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        pytest.skip(f"needs {package}: pip install 'core-jax[aot]'")
    command = [sys.executable, ROOT / "scripts/compile_for.py", "--on", device]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])["devices"][device]
    assert found["fits"] and found["callbacks"] == 0 and found["steps_per_second"] > 0
    names = {one["name"] for one in found["functions"]}
    assert names == {"collect", "insert", "learn", "evaluate", "rescore_residual", "fit"}
    assert all(one["problem"] == "" and one["kernels"] > 0 for one in found["functions"])
