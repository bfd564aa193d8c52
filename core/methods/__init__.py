"""Methods: one small file each, saying which parts of the loop it switches on."""

from __future__ import annotations

from core.methods import core, env_dense, env_sparse
from core.methods.base import Method

_METHODS: dict[str, Method] = {m.METHOD.name: m.METHOD for m in (core, env_dense, env_sparse)}


def names() -> tuple[str, ...]:
    """The methods there are."""
    return tuple(_METHODS)


def get(name: str) -> Method:
    """The method of that name; KeyError if there is none (`core.config.check` says it kindly)."""
    return _METHODS[name]
