"""One compilation cache for all tests and the processes they start: what one has compiled, the
others load. The CPU is shown as two devices, so that two seeds are spread over them. Tests marked
`long` take minutes each and run only where CORE_JAX_FULL is set."""

import os
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "core-jax" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# Tests compile much and run little.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"

from core_jax.training import devices  # noqa: E402  JAX reads its environment when it is imported

devices.prepare_cpu(2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "CORE_JAX_FULL" in os.environ:
        return
    skip = pytest.mark.skip(reason="minutes each: CORE_JAX_FULL=1 runs it")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)
