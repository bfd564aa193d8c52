"""Devices that XLA can compile for without having them, and their published figures.

A TPU's compiler is the package `libtpu`; a GPU's is `jax-cuda12-plugin`, which has to be told the
device's properties. Both are the extra `core-jax[aot]`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Iterator
from typing import Any, Literal

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

Platform = Literal["cuda", "tpu"]

_PACKAGES = {"cuda": "jax_plugins.xla_cuda12", "tpu": "libtpu"}
_JAX_NAMES = {"cuda": "gpu", "tpu": "tpu"}  # of the platforms in `jax.default_backend()`


@dataclasses.dataclass(frozen=True)
class Target:
    """One device.

    Attributes:
        name: as the command line knows it.
        platform: whose compiler compiles for it.
        topology: one device, or the smallest group of them, in the compiler's words.
        memory: bytes on the device.
        usable: share of the memory that programs get: JAX takes 0.75 of a GPU's by default
            (XLA_PYTHON_CLIENT_MEM_FRACTION).
        bandwidth: of the memory, bytes/s.
        flops: peak per second of what float32 matrix products run as: float32 units on a GPU,
            one bfloat16 pass on a TPU.
        launch: seconds from one kernel to the next; an assumption, not a published figure.
        properties: what a GPU's compiler asks for, as a TargetConfig text; "" for a TPU.
        accelerator_type: what libtpu asks for; "" for a GPU.
    """

    name: str
    platform: Platform
    topology: str
    memory: float
    usable: float
    bandwidth: float
    flops: float
    launch: float
    properties: str = ""
    accelerator_type: str = ""


def _gpu(
    name: str,
    description: str,
    memory: int,
    bandwidth: float,
    flops: float,
    cores: int,
    units: int,
    l2: int,
    clock: float,
    shared: int,
    capability: tuple[int, int],
) -> Target:
    """A GPU.

    Args:
        name, memory, bandwidth, flops: see `Target`.
        description: the driver's name of it.
        cores: streaming multiprocessors.
        units: float32 units of each.
        l2: bytes of the cache.
        clock: GHz.
        shared: bytes of shared memory of a multiprocessor.
        capability: compute capability.
    """
    properties = f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {shared}
  threads_per_core_limit: 2048
  core_count: {cores}
  fpus_per_core: {units}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {int(bandwidth)}
  l2_cache_size: {l2}
  clock_rate_ghz: {clock}
  device_memory_size: {memory}
  shared_memory_per_block_optin: {shared - 1024}
  cuda_compute_capability {{ major: {capability[0]} minor: {capability[1]} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{description}"
"""
    return Target(name, "cuda", "1x1x1", memory, 0.75, bandwidth, flops, 2.5e-6, properties)


def _tpu(
    name: str, kind: str, topology: str, gigabytes: float, bandwidth: float, flops: float
) -> Target:
    memory = gigabytes * 2**30
    return Target(name, "tpu", topology, memory, 0.95, bandwidth, flops, 1e-6, "", kind)


_HOPPER = {"cores": 132, "units": 128, "l2": 52_428_800, "clock": 1.98, "shared": 233_472}
TARGETS = {
    one.name: one
    for one in (
        _gpu("a100", "NVIDIA A100-SXM4-80GB", 84_987_740_160, 2.039e12, 19.5e12,
             cores=108, units=64, l2=41_943_040, clock=1.41, shared=167_936, capability=(8, 0)),
        _gpu("h100", "NVIDIA H100 80GB HBM3", 84_942_979_072, 3.352e12, 67e12,
             capability=(9, 0), **_HOPPER),
        _gpu("h200", "NVIDIA H200 141GB HBM3e", 151_397_597_184, 4.8e12, 67e12,
             capability=(9, 0), **_HOPPER),
        _tpu("v5e", "v5litepod-1", "v5e:1x1", 16, 0.819e12, 197e12),
        _tpu("v5p", "v5p-8", "v5p:2x2x1", 95, 2.765e12, 459e12),
        _tpu("v6e", "v6e-1", "v6e:1x1", 32, 1.64e12, 918e12),
    )
}  # fmt: skip


def sharding(target: Target) -> SingleDeviceSharding:
    """A sharding on the device: arrays' shapes with it are lowered for that device.

    Raises:
        ValueError: the platform's compiler is not installed, or does not know the device.
    """
    if _missing(_PACKAGES[target.platform]):
        package = "libtpu" if target.platform == "tpu" else "jax-cuda12-plugin"
        raise ValueError(
            f"compiling for {target.name} needs {package}: pip install 'core-jax[aot]'"
        )
    if target.platform == "cuda":
        options = {"target_config": target.properties, "topology": target.topology}
        environment = {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
    else:
        options = {}
        environment = {
            "TPU_SKIP_MDS_QUERY": "1",  # no metadata server is asked
            "TPU_ACCELERATOR_TYPE": target.accelerator_type,
            "TPU_WORKER_HOSTNAMES": "localhost",
        }
    try:
        with _environment(environment):
            topology = topologies.get_topology_desc(
                topology_name=target.topology, platform=target.platform, **options
            )
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ValueError(f"the installed compiler cannot describe {target.name}: {error}") from None
    return SingleDeviceSharding(topology.devices[0])


@contextlib.contextmanager
def traced_for(target: Target) -> Iterator[None]:
    """Functions that are made and traced inside take the target's platform for the one that runs.

    JAX has no way to say this, and code asks `jax.default_backend()` which form of a computation
    is fast: this project's, MJX's.
    """
    real = jax.default_backend
    jax.default_backend = lambda: _JAX_NAMES[target.platform]
    try:
        yield
    finally:
        jax.default_backend = real


def _missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:  # not even the package that holds it
        return True


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for a while; those that are set are left as they are."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def with_sharding(tree: Any, where: SingleDeviceSharding) -> Any:
    """The shapes of a tree of arrays, on a device."""
    shape = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where)
    return jax.tree.map(shape, tree)
