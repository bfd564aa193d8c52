"""Functions of all seeds, jitted.

Stages whose part of the plan is equal are one function: a second run in the same process, of
another method or with other settings of the method, finds physics and learner traced and compiled.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.core import Tracer
from jax.sharding import Mesh

from core_jax.training import devices
from core_jax.training import shared as sharing
from core_jax.training.state import SeedState

_KEPT = 48  # stages, with their worlds and what is compiled for them

Options = tuple[tuple[str, bool | int], ...]


class Jitted:
    """A jitted function of arrays with a leading seed axis.

    Attributes:
        traces: how often it was traced.
    """

    def __init__(
        self,
        f: Callable,
        mesh: Mesh | None,
        shared: Sequence[int] = (),
        donate: bool = False,
        options: Options | None = None,
    ):
        """Jits `f`.

        Args:
            f: pure; of all seeds.
            mesh: the devices that the seeds are spread over; None for one.
            shared: positions of arguments without a seed axis.
            donate: whether the first argument's buffers may be reused.
            options: XLA compiler options; those for physics and learners by default.
        """
        f = devices.over_seeds(f, mesh, tuple(shared))

        def traced(*args):
            self.traces += 1  # Python runs this when it traces, not when it runs
            return f(*args)

        self.traces = 0
        chosen = devices.compiler_options() if options is None else dict(options)
        self._plain, self._nested = traced, bool(chosen)
        donated = 0 if donate else ()
        self._outer = jax.jit(traced, donate_argnums=donated, compiler_options=chosen)

    def __call__(self, *args: Any) -> Any:
        # JAX takes compiler options at the top level only, not inside a jit or an eval_shape.
        nested = self._nested and any(isinstance(x, Tracer) for x in jax.tree.leaves(args))
        return self._plain(*args) if nested else self._outer(*args)

    def lower(self, *args: Any) -> Any:
        """As `jax.jit(f).lower`."""
        return self._outer.lower(*args)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A function of the seeds' state that is given, and changes, some fields of it only.

    Attributes:
        jitted: the function; its first argument is a state, and its only or first result may be.
        fields: of the state that it is given; the others are None.
        changes: whether it returns the state.
    """

    jitted: Jitted
    fields: tuple[str, ...]
    changes: bool = True

    def __call__(self, seeds: SeedState, *args: Any) -> Any:
        found = self.jitted(self._narrowed(seeds), *args)
        if not self.changes:
            return found
        new, *rest = (found,) if isinstance(found, SeedState) else found
        new = seeds.replace(**{name: getattr(new, name) for name in self.fields})
        return (new, *rest) if rest else new

    def lower(self, seeds: SeedState, *args: Any) -> Any:
        """As `jax.jit(f).lower`, of the whole state."""
        return self.jitted.lower(self._narrowed(seeds), *args)

    def _narrowed(self, seeds: SeedState) -> SeedState:
        others = {f.name: None for f in dataclasses.fields(seeds) if f.name not in self.fields}
        return seeds.replace(**others)


def of_each_seed(f: Callable, shared: Sequence[int] = ()) -> Callable:
    """A function of one seed as one of all seeds.

    Args:
        f: its arguments are without a seed axis.
        shared: positions of arguments that all seeds share.
    """

    def vmapped(*args):
        axes = tuple(None if i in shared else 0 for i in range(len(args)))
        return jax.vmap(f, in_axes=axes)(*args)

    return vmapped


def stage(
    f: Callable, part: Any, mesh: Mesh | None, each: bool = True, shared: Sequence[int] = (),
    donate: bool = True, options: Options | None = None,
) -> Jitted:  # fmt: skip
    """`f(part, seeds, ...)` jitted; the same function for equal arguments.

    Args:
        f: a function of a module.
        part: what it depends on, by value.
        mesh: the devices that the seeds are spread over; None for one.
        each: whether `f` is of one seed, not of all.
        shared: positions of arguments, after `part`, that all seeds share.
        donate: whether the state's buffers may be reused.
        options: as of `Jitted`.
    """
    return _stage(f, part, mesh, each, tuple(shared), donate, options)


@sharing.shared(_KEPT)
def _stage(
    f: Callable, part: Any, mesh: Mesh | None, each: bool, shared: tuple[int, ...], donate: bool,
    options: Options | None,
) -> Jitted:  # fmt: skip
    bound = functools.partial(f, part)
    of_all = of_each_seed(bound, shared) if each else bound
    return Jitted(of_all, mesh, shared, donate, options)
