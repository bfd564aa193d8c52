"""One compilation cache for all tests and the processes they start: what one has compiled, the
others load. The CPU is shown as two devices, so that two seeds are spread over them."""

import os
from pathlib import Path

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "core-jax" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# Tests compile much and run little.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"

from core import devices  # noqa: E402  JAX reads its environment when it is imported

devices.prepare_cpu(2)
