"""Where seeds are put, and that splitting and joining lose nothing."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.training import cache, devices

TREE = {"a": jnp.arange(24.0).reshape(4, 3, 2), "b": jnp.arange(4)}


@pytest.mark.parametrize(("seeds", "count"), [(1, 1), (2, 2), (3, 1), (4, 2), (12, 2)])
def test_mesh_shares_seeds_evenly(seeds, count):
    mesh = devices.seed_mesh(seeds)
    assert (1 if mesh is None else mesh.size) == count


def test_one_device_needs_no_mesh():
    assert devices.seed_mesh(4, jax.devices()[:1]) is None


@pytest.mark.parametrize("spread", [True, False])
def test_join_undoes_split(spread):
    mesh = devices.seed_mesh(4) if spread else None
    parts = devices.split(devices.place(TREE, mesh), 4, mesh)
    assert [int(p["b"]) for p in parts] == [0, 1, 2, 3]
    homes = [next(iter(p["a"].devices())).id for p in parts]
    assert homes == ([0, 0, 1, 1] if spread else [0] * 4)
    joined = devices.join([p["a"] for p in parts], mesh)
    np.testing.assert_array_equal(joined, TREE["a"])
    assert len(joined.devices()) == (2 if spread else 1)


def test_over_seeds_runs_each_share_on_its_own_device():
    mesh = devices.seed_mesh(4)
    seen = []

    def f(x, scale):
        seen.append(x.shape)
        return x * scale

    out = jax.jit(devices.over_seeds(f, mesh, replicated=(1,)))(TREE["a"], 2.0)
    np.testing.assert_array_equal(out, 2.0 * TREE["a"])
    assert set(seen) == {(2, 3, 2)} and len(out.devices()) == 2


@pytest.mark.parametrize("task", ["drawer-open", "flatten-rope"])
def test_training_spreads_seeds_over_the_cpu(task, tmp_path):
    """Nothing before the run is built may start the backend: the devices are counted before it."""
    scripts = Path(__file__).parents[3] / "scripts"
    program = f"""
import sys
sys.path.insert(0, {str(scripts)!r})
sys.argv = ["train.py", "--task", {task!r}, "--method", "env_dense", "--seeds", "2",
            "--out", {str(tmp_path / "run")!r}]
import jax, train
from core_jax.runs import loop

class Built:
    def __init__(self, *_):
        self.devices = jax.device_count()
    def finish(self):
        return {{"devices": self.devices}}
    def close(self):
        pass

loop._Run = Built
sys.exit(train.main())
"""
    own = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True)
    assert done.stdout.strip().endswith('{"devices": 2}'), done.stderr


def test_64_bit_numbers_are_refused():
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match="JAX_ENABLE_X64 is set"):
            devices.configure_jax()


def test_without_a_home_nothing_is_cached(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    cache.enable()
