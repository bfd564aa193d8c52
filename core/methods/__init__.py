"""Methods: one file or folder per paper, registered here by name."""

from __future__ import annotations

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
    """The method of that name.

    Raises:
        KeyError: there is none.
    """
    return _METHODS[name]


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
