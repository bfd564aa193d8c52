"""Builds worlds from rows of the registry, and imports user-defined ones ("module:attribute")."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from core_jax.envs.brax_task import BraxTask, first_paragraph
from core_jax.envs.engines import Env
from core_jax.envs.task import TaskEnv
from core_jax.envs.task_spec import TaskEntry, TaskSpec

_described: dict[
    tuple[str, str], TaskSpec
] = {}  # by name and protocol: a world may be slow to build


def build(entry: TaskEntry, protocol: str, overrides: dict[str, Any]) -> TaskEnv:
    """Returns a world of a task.

    Args:
        entry: the task's row.
        protocol: passed on to what has an argument of this name.
        overrides: keyword arguments.

    Raises:
        ValueError: if there is no such module or attribute, if it is no environment, or if it
            does not accept the protocol or an override.
    """
    found = find(entry.env) if isinstance(entry.env, str) else entry.env
    world = _world(entry.name, found, protocol, overrides)
    if isinstance(world, TaskEnv):
        if not isinstance(getattr(world, "spec", None), TaskSpec):
            raise ValueError(f"{entry.name}: a TaskEnv needs an attribute `spec`, a TaskSpec")
        return world
    if not isinstance(world, Env):
        raise ValueError(
            f"{entry.name} is no environment: it gives {type(world).__name__!r}, which is not a "
            "brax.envs.Env (reset, step, observation_size, action_size, backend)"
        )
    doc = found.__doc__ if inspect.isroutine(found) else None
    task = BraxTask(world, entry.name, first_paragraph(doc))
    if entry.spec is not None:
        task.spec = entry.spec(protocol=protocol, **overrides)
    return task


def described(entry: TaskEntry, protocol: str) -> TaskSpec:
    """Returns the spec of a task whose row has none, from its attribute or from a built world."""
    place = (entry.name, protocol)
    if place not in _described:
        found = find(entry.env) if isinstance(entry.env, str) else entry.env
        own = getattr(found, "spec", None)
        _described[place] = own if isinstance(own, TaskSpec) else build(entry, protocol, {}).spec
    return _described[place]


def find(path: str, what: str = "task") -> Any:
    """Returns what "module:attribute" or "brax:name" names.

    A module is looked for where Python looks, and in the current folder.

    Args:
        path: "module:attribute" or "brax:name".
        what: what it should be, for errors.

    Raises:
        ValueError: if there is no such module, attribute or environment of brax.
    """
    module_name, _, attribute = path.partition(":")
    if module_name == "brax":
        return _of_brax(attribute)
    if "/" in module_name or not all((*module_name.split("."), *attribute.split("."))):
        hint = f"; change into the folder of {module_name} and leave out folder and .py"
        message = f"{path!r} is not a {what}: it must be module:attribute"
        raise ValueError(message + (hint if module_name.endswith(".py") else ""))
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing there hides an installed module
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that is there but fails to import another one raises its own error.
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise ValueError(
            f"no module {module_name!r} for the {what} {path!r}: it must be importable or lie in "
            f"the current folder, {os.getcwd()}"
        ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"no attribute {attribute!r} in module {module_name!r}")
        found = getattr(found, part)
    return found


def _of_brax(name: str) -> Callable[..., Env]:
    """Returns the class of one of brax's environments."""
    from brax import envs as brax_envs

    known = sorted(brax_envs._envs)  # brax has no public list
    if name not in known:
        raise ValueError(f"brax has no environment {name!r}. Valid: brax:{', brax:'.join(known)}.")
    return brax_envs._envs[name]


def _world(name: str, found: Any, protocol: str, overrides: dict[str, Any]) -> Any:
    """Returns an instance unchanged; calls a class or a factory."""
    if isinstance(found, Env) or not callable(found):
        if overrides:
            raise ValueError(f"{name} is an instance: it takes no {', '.join(overrides)}")
        _check_protocol(name, protocol)
        return found
    try:
        parameters = inspect.signature(found).parameters
    except ValueError:  # of some built-in callables
        parameters = {}
    if "protocol" in parameters:
        overrides = {"protocol": protocol, **overrides}
    else:
        _check_protocol(name, protocol)
    if inspect.isclass(found) and not issubclass(found, Env):
        raise ValueError(f"{name} is no environment: {found.__name__} is not a brax.envs.Env")
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [key for key in overrides if key not in parameters and not takes_any]
    if unknown:
        raise ValueError(f"{name} takes no {', '.join(unknown)}")
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needed = [
        key
        for key, p in parameters.items()
        if p.default is p.empty and p.kind not in kinds and key not in overrides
    ]
    if needed:
        raise ValueError(
            f"{name} needs {', '.join(needed)}: a class or factory must work without arguments"
        )
    return found(**overrides)


def _check_protocol(name: str, protocol: str) -> None:
    if protocol != "paper":
        raise ValueError(
            f"{name} has no protocols: leave `protocol` at 'paper', or give the class or factory "
            "an argument `protocol`"
        )
