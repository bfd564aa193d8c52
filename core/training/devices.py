"""Seeds spread over devices: each device trains its share of them, and none waits for another.

On one accelerator all seeds are one vmapped program. With several accelerators the seed axis is
sharded over them. On a CPU the cores are shown to JAX as several devices, because XLA's products
with a batch axis use two cores hardly better than one, and whole seeds use them well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from core_jax.training import cache

AXIS = "seed"
_SEEDS_PER_CORE = 2  # CPU devices may outnumber cores: three seeds on two cores take turns


def prepare_cpu(seeds: int) -> None:
    """Shows a CPU to JAX as up to `seeds` devices, and has XLA compile by its older emitters, which
    take two thirds of the time for a physics step that runs no slower.

    Call it before anything runs; a backend that is running already, flags of the user's own, and
    any accelerator are left as they are.

    Args:
        seeds: seeds (or candidates of seeds) that will train side by side.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if jax.__version_info__ < (0, 11) and "xla_cpu_use_fusion_emitters" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false"  # gone in 0.12
    count = min(seeds, _SEEDS_PER_CORE * (os.cpu_count() or 1))
    if count < 2 or "xla_force_host_platform_device_count" in flags:
        return
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:  # the backend exists: too late, and not wrong, only slower
        return


def configure_jax(seeds: int = 1) -> None:
    """What makes JAX start fast and use a CPU well: the compilation cache on disk, one device for
    each seed that trains side by side, and XLA options.

    `core_jax.run` and `core_jax.make_train` call it. Call it yourself, before anything else runs on
    JAX, to have it for code of your own.

    Args:
        seeds: seeds that will train side by side.

    Raises:
        ValueError: JAX is set to 64-bit numbers.
    """
    if jax.config.read("jax_enable_x64"):
        raise ValueError("JAX_ENABLE_X64 is set, and everything here is float32: unset it")
    cache.enable()
    prepare_cpu(seeds)


def compiler_options() -> dict[str, bool | int] | None:
    """Compiler options for jitted functions that do not render: XLA's older CPU emitters compile a
    physics step in two thirds of the time, and it runs no slower."""
    if jax.default_backend() != "cpu" or jax.__version_info__ >= (0, 11):
        return None
    return {"xla_cpu_use_fusion_emitters": False}


def rendering_options() -> dict[str, bool | int] | None:
    """Compiler options for jitted functions that render: XLA's older CPU emitters, which compile
    physics faster (`prepare_cpu`), run ray casting many times slower, and code that is not
    optimised (tests compile so) slower still."""
    if jax.default_backend() != "cpu":
        return None
    options: dict[str, bool | int] = {"xla_backend_optimization_level": 3}
    if jax.__version_info__ < (0, 11):
        options["xla_cpu_use_fusion_emitters"] = True
    return options


def seed_mesh(seeds: int, devices: Sequence[Any] | None = None) -> Mesh | None:
    """A mesh with one axis over as many devices as share the seeds evenly; None for one device.

    Args:
        seeds: length of the seed axis.
        devices: which to use; this process's by default.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    count = max(n for n in range(1, min(seeds, len(devices)) + 1) if seeds % n == 0)
    return None if count == 1 else Mesh(devices[:count], (AXIS,))


def over_seeds(f: Callable, mesh: Mesh | None, replicated: Sequence[int] = ()) -> Callable:
    """Runs a function of arrays with a leading seed axis on every device's share of the seeds.

    Args:
        f: maps trees of arrays [S, ...] to a tree of arrays [S, ...].
        mesh: from `seed_mesh`.
        replicated: positions of arguments that have no seed axis.
    """
    if mesh is None:
        return f

    def sharded(*args):
        specs = tuple(
            PartitionSpec() if i in replicated else PartitionSpec(AXIS) for i in range(len(args))
        )
        return jax.shard_map(
            f, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
        )(*args)

    return sharded


def place(tree: Any, mesh: Mesh | None) -> Any:
    """Puts arrays [S, ...] (a checkpoint's, say) where their seeds are trained."""
    if mesh is None:
        return jax.tree.map(jnp.asarray, tree)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(AXIS)))


def split(tree: Any, seeds: int, mesh: Mesh | None) -> list[Any]:
    """Returns one tree per seed, each on its own device and without the seed axis."""
    if mesh is None:
        return [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(seeds)]
    local = seeds // mesh.size
    leaves, treedef = jax.tree.flatten(tree)
    shards = [{s.device: s.data for s in x.addressable_shards} for x in leaves]
    return [
        treedef.unflatten([shard[mesh.devices.flat[i // local]][i % local] for shard in shards])
        for i in range(seeds)
    ]


def join(arrays: Sequence[jax.Array], mesh: Mesh | None) -> jax.Array:
    """Stacks one array per seed into one [S, ...]; the inverse of `split`."""
    if mesh is None:
        return jnp.stack(arrays)
    local = len(arrays) // mesh.size
    parts = [
        jax.device_put(jnp.stack(arrays[i * local : (i + 1) * local]), device)
        for i, device in enumerate(mesh.devices.flat)
    ]
    shape = (len(arrays), *arrays[0].shape)
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)
