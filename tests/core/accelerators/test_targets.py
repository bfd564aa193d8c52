"""Devices by name: their compilers, and functions that are traced for them."""

import importlib.util

import jax
import pytest

from core_jax.accelerators import targets
from core_jax.accelerators.targets import TARGETS


def test_functions_are_traced_for_the_device_and_no_longer():
    real = jax.default_backend()
    for name, platform in (("h200", "gpu"), ("v5e", "tpu")):
        with targets.traced_for(TARGETS[name]):
            assert jax.default_backend() == platform
    with pytest.raises(KeyError), targets.traced_for(TARGETS["v5e"]):
        raise KeyError
    assert jax.default_backend() == real


@pytest.mark.parametrize(("name", "package"), [("v5e", "libtpu"), ("h100", "jax-cuda12-plugin")])
def test_a_missing_compiler_is_named(name, package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(ValueError, match=rf"{name} needs {package}: pip install 'core-jax\[aot\]'"):
        targets.sharding(TARGETS[name])


def test_the_figures_of_a_gpu_are_what_its_compiler_is_told():
    for target in TARGETS.values():
        if target.platform == "cuda":
            assert f"device_memory_size: {target.memory}\n" in target.properties
            assert f"memory_bandwidth: {int(target.bandwidth)}\n" in target.properties
        else:
            assert target.accelerator_type and not target.properties
