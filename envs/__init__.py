"""Worlds as pure functions: `make(name)` builds one, `names()` lists them.

An environment is a `brax.envs.base.Env` over a single world; vectorise it with `jax.vmap`, with
brax's wrappers, or with `core_jax.envs.wrappers.TrainingWrapper`. Nothing here knows about agents
or reward models.
"""

import contextlib
import difflib
import importlib
import io
from collections.abc import Iterable
from typing import Any

with contextlib.redirect_stdout(io.StringIO()):  # it prints that the optional warp is missing
    import mujoco.mjx  # noqa: F401

from core_jax.envs.task import TaskEnv, TaskSpec

__all__ = ["PROTOCOLS", "SUITES", "TaskEnv", "TaskSpec", "make", "names"]

PROTOCOLS = ("paper", "random")
SUITES = ("metaworld", "softgym")

# Imported only when asked for: building one task must not compile or import another.
_REGISTRY: dict[str, tuple[str, str]] = {
    "soccer": ("core_jax.envs.metaworld.soccer", "Soccer"),
    "sweep-into": ("core_jax.envs.metaworld.sweep_into", "SweepInto"),
    "drawer-open": ("core_jax.envs.metaworld.drawer_open", "DrawerOpen"),
    "button-press-topdown": ("core_jax.envs.metaworld.button_press_topdown", "ButtonPressTopdown"),
    "dial-turn": ("core_jax.envs.metaworld.dial_turn", "DialTurn"),
    "hammer": ("core_jax.envs.metaworld.hammer", "Hammer"),
    "peg-insert-side": ("core_jax.envs.metaworld.peg_insert_side", "PegInsertSide"),
    "fold-cloth": ("core_jax.envs.softgym.fold_cloth", "FoldCloth"),
    "pass-water": ("core_jax.envs.softgym.pass_water", "PassWater"),
    "flatten-rope": ("core_jax.envs.softgym.flatten_rope", "FlattenRope"),
}


def names(suite: str | None = None) -> tuple[str, ...]:
    """Returns the names that `make` accepts, sorted.

    Args:
        suite: only those of `metaworld` or of `softgym`.
    """
    if suite is not None:
        _check("suite", suite, SUITES)
    chosen = (n for n, (m, _) in _REGISTRY.items() if suite is None or m.split(".")[2] == suite)
    return tuple(sorted(chosen))


def make(name: str, protocol: str = "paper", **overrides: Any) -> TaskEnv:
    """Builds an environment.

    Args:
        name: one of `names()`.
        protocol: `paper` (fixed start close to the object, as in every published CoRe number) or
            `random` (the stock benchmark's resets).
        **overrides: the task's own switches, listed in its class's `OVERRIDES`.

    Returns:
        A brax-compatible environment over one world.

    Raises:
        ValueError: for an unknown name, protocol, override or override value; the message names
            it, suggests the nearest valid one and lists them all.
    """
    _check("task", name, names())
    _check("protocol", protocol, PROTOCOLS)
    module, class_name = _REGISTRY[name]
    env_class = getattr(importlib.import_module(module), class_name)
    for key, value in overrides.items():
        _check(f"override of {name}", key, env_class.OVERRIDES)
        valid = env_class.OVERRIDES[key]
        if not any(value is v or (type(value) is type(v) and value == v) for v in valid):
            raise ValueError(_message(f"value of {key}", value, valid))
    return env_class(protocol=protocol, **overrides)


def _check(what: str, value: Any, valid: Iterable[Any]) -> None:
    if value not in tuple(valid):
        raise ValueError(_message(what, value, valid))


def _message(what: str, value: Any, valid: Iterable[Any]) -> str:
    options = [str(v) for v in valid]
    near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}: {value!r}.{hint} Valid: {', '.join(options)}."
