"""The tasks by name: `make` builds one, `spec` describes one, `names` lists them.

A suite is a folder here with a `tasks.py`, whose `TASKS` are the rows of its tasks. A row names the
module of its environment, which is imported only when a world is built.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from core_jax.envs.task_spec import TaskEntry, TaskSpec

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from core_jax.envs.task import TaskEnv

PROTOCOLS = ("paper", "random")
_SUITES = ("metaworld", "softgym", "minigrid", "panda", "tabletop")
_registered: dict[str, TaskEntry] = {}  # by `register`


def names(suite: str | None = None) -> tuple[str, ...]:
    """Returns the names of the tasks, sorted.

    `make` also accepts "module:attribute" for a user-defined environment and "brax:name" for
    those of brax.

    Args:
        suite: only the tasks of this one of `suites()`.

    Raises:
        ValueError: for an unknown suite.
    """
    if suite is not None:
        _check("suite", suite, suites())
    return tuple(sorted(n for n, e in _entries().items() if suite in (None, e.suite)))


def suites() -> tuple[str, ...]:
    """Returns the names of the groups of tasks, the built-in ones first."""
    return tuple(dict.fromkeys((*_SUITES, *(e.suite for e in _registered.values()))))


def make(name: str, protocol: str = "paper", **overrides: Any) -> TaskEnv:
    """Builds an environment.

    Args:
        name: one of `names()`; "module:attribute", an environment of brax's interface (class,
            factory or instance) in a module that can be imported or lies in the current folder; or
            "brax:name", one of brax's own.
        protocol: `paper` (fixed start close to the object, as in every published CoRe number) or
            `random` (the stock benchmark's resets).
        **overrides: the task's own options; for a user-defined environment, its keyword arguments.

    Returns:
        A brax-compatible environment over one world.

    Raises:
        ValueError: for an unknown name, protocol, override or override value; the message names
            it, suggests the nearest valid one and lists them all. For "module:attribute": if there
            is no such module or attribute, or if it is no environment.
    """
    _check("protocol", protocol, PROTOCOLS)
    entry = _entry(name)
    _check_overrides(entry, overrides)
    from core_jax.envs.building import build  # imports JAX, brax and MuJoCo

    return build(entry, protocol, overrides)


def spec(name: str, protocol: str = "paper", **overrides: Any) -> TaskSpec:
    """Returns what `make(name, protocol, **overrides).spec` is.

    No world is built: no simulator is compiled and JAX is not imported. The exception is a
    user-defined environment ("module:attribute", "brax:name") without an attribute `spec`.

    Raises:
        ValueError: as `make`.
    """
    _check("protocol", protocol, PROTOCOLS)
    entry = _entry(name)
    _check_overrides(entry, overrides)
    if entry.spec is not None:
        return entry.spec(protocol=protocol, **overrides)
    if overrides:
        return make(name, protocol, **overrides).spec
    return _spec_of_built(entry, protocol)


def expert(name: str) -> Callable[[Float[Array, " obs"]], Float[Array, " action"]]:
    """Returns the scripted expert of a task: observation [obs] -> action [action].

    Raises:
        ValueError: for an unknown task, or one without an expert.
    """
    return expert_of(spec(name), name)


def expert_of(
    described: TaskSpec, name: str = ""
) -> Callable[[Float[Array, " obs"]], Float[Array, " action"]]:
    """Returns the scripted expert that a spec names, as `expert` does.

    Args:
        described: the spec.
        name: the task's in errors; the spec's by default.

    Raises:
        ValueError: it names none.
    """
    where = described.expert
    if where is None:
        having = [n for n in names() if spec(n).expert is not None]
        raise ValueError(f"no expert for {name or described.name!r}. Valid: {', '.join(having)}.")
    module, _, function = where.partition(":")
    return getattr(importlib.import_module(module), function)


def overrides(name: str) -> Mapping[str, tuple[Any, ...]]:
    """Returns the keyword arguments that `make(name)` accepts, each with its valid values.

    Raises:
        ValueError: for an unknown task.
    """
    return _entry(name).overrides


def register(
    name: str,
    env: Any,
    *,
    spec: TaskSpec | Callable[..., TaskSpec] | None = None,
    suite: str = "user",
    overrides: Mapping[str, tuple[Any, ...]] | None = None,
) -> None:
    """Adds a task, so that `make`, `spec` and `names` know it.

    Args:
        name: a new name, without a colon.
        env: an environment of brax's interface: a class, a factory, an instance, or
            "module:attribute" of one, which is imported when the first world is built.
        spec: its description, or (protocol, **overrides) -> its description; derived from a built
            world if None.
        suite: the group of tasks that `names(suite)` lists it in.
        overrides: keyword arguments that `make` passes on, each with its valid values.

    Raises:
        ValueError: if the name is taken or holds a colon.
    """
    if ":" in name:
        raise ValueError(f"a task's name has no colon: {name!r}")
    if name in _entries():
        raise ValueError(f"there is a task {name!r} already; choose another name")
    described = _always(spec) if isinstance(spec, TaskSpec) else spec
    _registered[name] = TaskEntry(name, suite, env, described, overrides or {})


@functools.cache
def _built_in() -> dict[str, TaskEntry]:
    """Returns the rows of all suites by name."""
    modules = [importlib.import_module(f"core_jax.envs.{suite}.tasks") for suite in _SUITES]
    return {entry.name: entry for module in modules for entry in module.TASKS}


def _always(spec: TaskSpec) -> Callable[..., TaskSpec]:
    return lambda protocol="paper", **_: spec


def _entries() -> dict[str, TaskEntry]:
    return {**_built_in(), **_registered}


def _entry(name: str) -> TaskEntry:
    if ":" in name:
        return TaskEntry(name, "user", name, None)
    _check("task", name, names(), "; or module:attribute for an environment of your own")
    return _entries()[name]


def _check_overrides(entry: TaskEntry, overrides: dict[str, Any]) -> None:
    if ":" in entry.name:
        return  # they are the keyword arguments of the user's own class
    for key, value in overrides.items():
        _check(f"override of {entry.name}", key, entry.overrides)
        valid = entry.overrides[key]
        if not any(value is v or (type(value) is type(v) and value == v) for v in valid):
            raise ValueError(_message(f"value of {key}", value, valid))


def _spec_of_built(entry: TaskEntry, protocol: str) -> TaskSpec:
    from core_jax.envs.building import described

    return described(entry, protocol)


def _check(what: str, value: Any, valid: Iterable[Any], more: str = "") -> None:
    if value not in tuple(valid):
        raise ValueError(_message(what, value, valid, more))


def _message(what: str, value: Any, valid: Iterable[Any], more: str = "") -> str:
    options = [str(v) for v in valid]
    near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}: {value!r}.{hint} Valid: {', '.join(options)}{more}."
