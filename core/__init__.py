"""CoRe-JAX: reinforcement learning from rewards that nobody wrote by hand.

    import core_jax

    config = core_jax.make_config(task="drawer-open", method="core", seeds=3)
    summary = core_jax.run(config, "runs/drawer")
    policy = core_jax.load_policy("runs/drawer")  # observations -> actions
    restored = core_jax.load_run("runs/drawer")

The folders of the repository are one package: `core_jax` is `core/`, and `core_jax.envs`,
`core_jax.agents` and `core_jax.reward_models` are the folders of those names; each can be used
alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core_jax.envs import names as task_names
    from core_jax.methods import names as method_names
    from core_jax.methods import register as register_method
    from core_jax.runs.checks import check
    from core_jax.runs.config import Config
    from core_jax.runs.loop import run
    from core_jax.runs.policy import load as load_policy
    from core_jax.runs.presets import make_config
    from core_jax.runs.restore import load as load_run
    from core_jax.runs.setup import make_train
    from core_jax.training.devices import configure_jax

__version__ = "0.1.0"

__all__ = [
    "Config",
    "__version__",
    "check",
    "configure_jax",
    "load_policy",
    "load_run",
    "make_config",
    "make_train",
    "method_names",
    "register_method",
    "run",
    "task_names",
]

# Imported when first asked for: `core_jax.envs` alone must not import the rest.
_PUBLIC = {
    "Config": ("core_jax.runs.config", "Config"),
    "check": ("core_jax.runs.checks", "check"),
    "configure_jax": ("core_jax.training.devices", "configure_jax"),
    "load_policy": ("core_jax.runs.policy", "load"),
    "load_run": ("core_jax.runs.restore", "load"),
    "make_config": ("core_jax.runs.presets", "make_config"),
    "make_train": ("core_jax.runs.setup", "make_train"),
    "method_names": ("core_jax.methods", "names"),
    "register_method": ("core_jax.methods", "register"),
    "run": ("core_jax.runs.loop", "run"),
    "task_names": ("core_jax.envs", "names"),
}

_PACKAGES = ("agents", "envs", "methods", "policies", "reward_models")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"core_jax.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'core_jax' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_PACKAGES})
