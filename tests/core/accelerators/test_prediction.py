"""Predictions in closed form."""

import dataclasses

import pytest

from core_jax.accelerators.kernels import Counts, Loop
from core_jax.accelerators.measure import Compiled
from core_jax.accelerators.prediction import predict
from core_jax.accelerators.targets import TARGETS
from core_jax.training.config import TrainingConfig

CONFIG = TrainingConfig(seeds=2, envs=10, rollout=5, updates=4, steps=2_000)
H200 = TARGETS["h200"]


def function(name, kernels, traffic=0, loops=(), peak=0, flops=0.0):
    counts = Counts(kernels, traffic, loops, 0)
    return Compiled(name, 1.0, 1.0, counts=counts, arguments=peak, flops=flops)


def run(collect=1000, update=60, traffic=0, peak=0, flops=0.0):
    burst = Loop("while", update, traffic)
    return [
        function("collect", collect, loops=(Loop("solver", 7, 0),), peak=peak),
        function("insert", 40),
        function("learn", update + 10, traffic, (burst, Loop("inner", 3, 0)), flops=flops),
    ]


def test_launches_bound_a_small_training():
    found = predict(run(), H200, CONFIG, on_policy=False)
    assert (found.kernels_per_step, found.kernels_per_update) == (200, 60)
    seconds = (1000 + 40 + 4 * 60) * H200.launch
    assert found.steps_per_second == pytest.approx(2 * 50 / seconds)
    assert found.bound == "launches"
    assert found.loops == 2  # the burst itself is not counted: its length is an argument


def test_memory_bounds_a_training_with_much_traffic():
    found = predict(run(traffic=int(H200.bandwidth)), H200, CONFIG, on_policy=False)
    assert found.bound == "memory"
    assert found.steps_per_second == pytest.approx(2 * 50 / 4.0)


def test_products_bound_a_training_with_many_flops():
    found = predict(run(flops=H200.flops), H200, CONFIG, on_policy=False)
    assert found.bound == "flops"
    assert found.steps_per_second == pytest.approx(2 * 50 / 4.0)


def test_an_on_policy_update_is_the_whole_function():
    found = predict(run(), H200, CONFIG, on_policy=True)
    assert found.kernels_per_update == 70 and found.loops == 3
    assert found.steps_per_second == pytest.approx(2 * 50 / ((1000 + 40 + 70) * H200.launch))


@pytest.mark.parametrize(("share", "fits"), [(0.99, True), (1.01, False)])
def test_what_programs_get_of_the_memory_decides_whether_it_fits(share, fits):
    peak = int(share * H200.usable * H200.memory)
    found = predict(run(peak=peak), H200, CONFIG, on_policy=False)
    assert (found.peak, found.fits) == (peak, fits)


def test_a_function_that_does_not_compile_does_not_fit():
    collect, insert, learn = run()
    broken = dataclasses.replace(learn, counts=None, problem="RESOURCE_EXHAUSTED")
    found = predict([collect, insert, broken], H200, CONFIG, on_policy=False)
    assert not found.fits and found.steps_per_second is None and found.kernels_per_update is None
    assert found.kernels_per_step == 200
