"""One compilation cache for all tests and the processes they start: what one has compiled, the
others load. The CPU is shown as two devices, so that two seeds are spread over them. Tests marked
`long` take minutes each and run only where CORE_JAX_FULL is set."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "core-jax" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# Tests compile much and run little.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"

import jax  # noqa: E402  JAX reads its environment when it is imported

from core_jax import envs  # noqa: E402
from core_jax.training import devices  # noqa: E402

devices.prepare_cpu(2)
# Traced programs are many objects that live on: to look for garbage among them every 700 objects
# took 6% of the time of two folders of tests.
gc.set_threshold(200_000, 50, 100)


@pytest.fixture(autouse=True, scope="session")
def one_world_of_each_task() -> Iterator[None]:
    """`envs.make` builds a task of the package once, and the tests' point world: tracing physics
    takes seconds, and runs share what is traced for the same world."""
    build, own, worlds = envs.make, frozenset([*envs.names(), "point_world:Point"]), {}

    def make(name: str, protocol: str = "paper", **overrides: Any) -> envs.TaskEnv:
        if name not in own or protocol not in envs.PROTOCOLS or overrides:
            return build(name, protocol, **overrides)
        if (name, protocol) not in worlds:
            worlds[name, protocol] = build(name, protocol)
        return worlds[name, protocol]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envs, "make", make)
        yield


# Compiled programs stay in memory: some 5 GB by the end of the suite, in each worker. What is
# forgotten, the next file that shares it traces again.
_LARGEST, _GROWTH = 4_000_000_000, 1_500_000_000


@pytest.fixture(scope="session")
def memory_limit() -> dict[str, int]:
    """Bytes above which a process forgets what is compiled."""
    return {"bytes": _LARGEST}


@pytest.fixture(autouse=True, scope="module")
def bounded_memory(memory_limit: dict[str, int]) -> Iterator[None]:
    """Forgets what is compiled, after a file of tests that leaves its process large."""
    yield
    if _resident() > memory_limit["bytes"]:
        jax.clear_caches()
        gc.collect()
        # The allocator keeps some of what was freed.
        memory_limit["bytes"] = max(_LARGEST, _resident() + _GROWTH)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "CORE_JAX_FULL" in os.environ:
        return
    skip = pytest.mark.skip(reason="minutes each: CORE_JAX_FULL=1 runs it")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)
