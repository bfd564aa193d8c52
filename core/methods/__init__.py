"""Methods: one file or folder per paper, registered here by name."""

from __future__ import annotations

import functools

from core_jax.methods.base import Method
from core_jax.methods.clip_score import ClipScore
from core_jax.methods.code import Code
from core_jax.methods.core import Core
from core_jax.methods.env_reward import EnvDense, EnvSparse
from core_jax.methods.erl_vlm import ERLVLM
from core_jax.methods.eureka import Eureka
from core_jax.methods.lrm import LRM
from core_jax.methods.pebble import Pebble
from core_jax.methods.prefvlm import PrefVLM
from core_jax.methods.rl_vlm_f import RLVLMF
from core_jax.methods.text2reward import Text2Reward
from core_jax.methods.vlm_ar3l import VLMAR3L
from core_jax.methods.vlm_car import VLMCaR

_METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Makes a method known by its name; from then on runs and the command line offer it.

    Raises:
        ValueError: another method has that name.
    """
    known = _METHODS.setdefault(method.name, method)
    if type(known) is not type(method):
        raise ValueError(f"a method named {method.name!r} exists already")


def names() -> tuple[str, ...]:
    """The methods there are."""
    return tuple(_METHODS)


def get(name: str) -> Method:
    """The method of that name, or "module:attribute" for one of your own: a class or an instance,
    in a module that can be imported or lies in the current folder.

    Raises:
        KeyError: there is no method of that name.
        ValueError: there is no such module or attribute, or it is no method.
    """
    return _own(name) if ":" in name else _METHODS[name]


def known(name: str) -> bool:
    """Whether `get` finds it; raises a ValueError for a "module:attribute" that is no method."""
    return name in _METHODS or (":" in name and get(name) is not None)


@functools.cache
def _own(name: str) -> Method:
    from core_jax.envs.building import find

    found = find(name, "method")
    made = found() if isinstance(found, type) else found
    lacking = [
        part
        for part in ("name", "summary", "config", "rewards", "start", "asks_teacher")
        if not hasattr(made, part)
    ]
    if lacking:
        raise ValueError(
            f"{name} is no method: it has no {', '.join(lacking)}; see "
            "core_jax.methods.base.BaseMethod"
        )
    return made


for _method in (
    Core(),
    Eureka(),
    Text2Reward(),
    Pebble(),
    RLVLMF(),
    ERLVLM(),
    VLMAR3L(),
    PrefVLM(),
    LRM(),
    VLMCaR(),
    ClipScore(),
    Code(),
    EnvDense(),
    EnvSparse(),
):
    register(_method)
