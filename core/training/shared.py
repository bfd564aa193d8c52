"""What runs of one process share: for equal arguments, one object with its traces and programs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable[..., Any])


def shared(most: int) -> Callable[[F], F]:
    """Decorates a pure function that makes something: calls with equal arguments give one object.

    JAX's backend counts as an argument, as what is traced depends on it. Arguments without a hash,
    such as a world of one's own that defines equality, give a new object.

    Args:
        most: objects kept, those used last.
    """

    def decorate(make: F) -> F:
        kept = functools.lru_cache(most)(lambda _, *args: make(*args))

        @functools.wraps(make, updated=())
        def call(*args: Any) -> Any:
            try:
                hash(args)
            except TypeError:
                return make(*args)
            return kept(jax.default_backend(), *args)

        return call  # pyright: ignore[reportReturnType]

    return decorate
