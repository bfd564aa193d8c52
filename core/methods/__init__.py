"""Methods: one small file each, saying which parts of the loop it switches on."""

from __future__ import annotations

from core_jax.methods import core, env_dense, env_sparse, eureka, text2reward
from core_jax.methods.base import Method

_MODULES = (core, eureka, text2reward, env_dense, env_sparse)
_METHODS: dict[str, Method] = {module.METHOD.name: module.METHOD for module in _MODULES}


def names() -> tuple[str, ...]:
    """The methods there are."""
    return tuple(_METHODS)


def get(name: str) -> Method:
    """The method of that name; KeyError if there is none (`core_jax.runs.config.check` says it
    kindly)."""
    return _METHODS[name]
