"""Worlds as pure functions: `make(name)` builds one, `spec(name)` describes it, `names()` lists.

An environment is a `brax.envs.base.Env` over a single world; vectorise it with `jax.vmap`, with
brax's wrappers, or with `core_jax.envs.wrappers.TrainingWrapper`. Nothing here knows about agents
or reward models. Importing this package imports neither JAX nor a simulator.
"""

import importlib
from typing import TYPE_CHECKING, Any

from core_jax.envs.camera import Camera
from core_jax.envs.registry import (
    PROTOCOLS,
    expert,
    make,
    names,
    overrides,
    register,
    spec,
    suites,
)
from core_jax.envs.task_spec import Field, PaperBudget, TaskEntry, TaskSpec

if TYPE_CHECKING:
    from core_jax.envs.brax_task import BraxTask
    from core_jax.envs.task import Judgement, TaskEnv

__all__ = [
    "PROTOCOLS",
    "BraxTask",
    "Camera",
    "Field",
    "Judgement",
    "PaperBudget",
    "TaskEntry",
    "TaskEnv",
    "TaskSpec",
    "expert",
    "make",
    "names",
    "overrides",
    "register",
    "spec",
    "suites",
]

_LAZY = {
    "BraxTask": "core_jax.envs.brax_task",
    "Judgement": "core_jax.envs.task",
    "TaskEnv": "core_jax.envs.task",
}


def __getattr__(name: str) -> Any:
    """Imports what needs JAX when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
