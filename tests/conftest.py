"""One compilation cache for all tests and the processes they start: what one has compiled, the
others load. The CPU is shown as two devices, so that two seeds are spread over them."""

import os
from pathlib import Path

import jax

_OLDER_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "core-jax" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
if jax.__version_info__ < (0, 11):  # what core/devices.py does for a run, for every test
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_OLDER_EMITTERS}"
jax.config.update("jax_num_cpu_devices", 2)
