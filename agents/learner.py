"""The protocol that every learner implements, and the table of learners.

    config = sac.SACConfig(gamma=0.99)
    learner = make_learner("sac", config, obs_size=39, action_space=ActionSpace(4))
    state = learner.init(key)
    carry = learner.init_carry(key, envs=32)
    action, carry, extras = learner.act(state, obs, carry, key, random=jnp.bool_(False))
    state, metrics = learner.update(state, data, key)
    action = learner.mode(learner.policy(state), obs)

A learner is a frozen dataclass of static values, so it can be closed over or passed as a static
argument; everything that changes is in its state. All its methods are pure and vmap over a leading
seed axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Num, PyTree

from core_jax.agents import ppo, sac
from core_jax.agents.types import ActionSpace, Metrics, Params, Rollout

__all__ = [
    "ActionSpace",
    "Learner",
    "Metrics",
    "Params",
    "Rollout",
    "config_class",
    "make_learner",
    "names",
    "sweepable",
    "values_of",
    "with_values",
]

State = TypeVar("State")
L = TypeVar("L", bound="Learner[Any]")


class Learner(Protocol[State]):
    """A reinforcement learning algorithm with its config, as pure functions of a state."""

    name: ClassVar[str]
    """The name under which `make_learner` knows it."""
    on_policy: ClassVar[bool]
    """True if `update` reads a `Rollout` of the current policy, False if it reads batches that
    are drawn from replay."""
    metric_names: ClassVar[tuple[str, ...]]
    """Names of the scalars that `update` returns."""

    sweepable: ClassVar[tuple[str, ...]]
    """Fields of the config that may be arrays, so that seeds side by side have values of their own
    (`with_values`): numbers on which neither a shape nor the program depends."""

    @property
    def config(self) -> Any:
        """Its settings."""
        ...

    @property
    def obs_size(self) -> int:
        """Entries of an observation."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """What the actions are."""
        ...

    def init(self, key: Key[Array, ""]) -> State:
        """A state with fresh networks and optimisers."""
        ...

    def init_carry(self, key: Key[Array, ""], envs: int) -> PyTree:
        """What `act` keeps from one step to the next, such as correlated noise; () if nothing."""
        ...

    def act(
        self,
        state: State,
        obs: Float[Array, "N O"],
        carry: PyTree,
        key: Key[Array, ""],
        random: Bool[Array, ""],
    ) -> tuple[Num[Array, "N ..."], PyTree, dict[str, Array]]:
        """Exploring actions.

        Args:
            state: the learner's state.
            obs: observations of N environments.
            carry: from `init_carry` or the step before.
            key: PRNG key.
            random: True for uniform random actions, False for the policy's.

        Returns:
            The actions, the carry for the next step, and arrays [N, ...] that an on-policy update
            needs of each step.
        """
        ...

    def update(self, state: State, data: Any, key: Key[Array, ""]) -> tuple[State, Metrics]:
        """Off-policy: one gradient step on a `sac.Batch`. On-policy: every epoch on a `Rollout`."""
        ...

    def reset_value(self, state: State, key: Key[Array, ""]) -> State:
        """A state with fresh critics or value network and the same policy."""
        ...

    def policy(self, state: State) -> Params:
        """Parameters of the policy that evaluations and exports use."""
        ...

    def mode(self, params: Params, obs: Float[Array, "N O"]) -> Num[Array, "N ..."]:
        """Deterministic actions of the policy with these parameters."""
        ...


@dataclasses.dataclass(frozen=True)
class _Entry:
    config: type
    learner: Callable[[Any, int, ActionSpace], Learner[Any]]


_LEARNERS = {
    "sac": _Entry(sac.SACConfig, sac.SAC),
    "ppo": _Entry(ppo.PPOConfig, ppo.PPO),
}


def names() -> tuple[str, ...]:
    """Names of all learners."""
    return tuple(_LEARNERS)


def config_class(name: str) -> type:
    """The config class of the learner with this name.

    Raises:
        ValueError: if there is none.
    """
    return _entry(name).config


def sweepable(name: str) -> tuple[str, ...]:
    """Fields of this learner's config that may differ between seeds side by side.

    Raises:
        ValueError: if there is no such learner.
    """
    return _entry(name).learner.sweepable


def make_learner(name: str, config: Any, obs_size: int, action_space: ActionSpace) -> Learner[Any]:
    """The learner with this name.

    Args:
        name: one of `names()`.
        config: an instance of `config_class(name)`.
        obs_size: entries of an observation.
        action_space: what its actions are.

    Raises:
        ValueError: if there is no such learner, or it cannot act in this space.
        TypeError: if the config is another learner's.
    """
    entry = _entry(name)
    if not isinstance(config, entry.config):
        raise TypeError(
            f"learner {name!r} takes a {entry.config.__name__}, not a {type(config).__name__}"
        )
    return entry.learner(config, obs_size, action_space)


def with_values(learner: L, values: Mapping[str, Any]) -> L:
    """The learner with other values of some fields of its config; inside a trace they may be
    arrays of the trace.

    Args:
        learner: any.
        values: by field; each of them one of `learner.sweepable`.
    """
    if not values:
        return learner
    config = dataclasses.replace(learner.config, **values)
    return dataclasses.replace(learner, config=config)  # pyright: ignore[reportArgumentType]


def values_of(
    learner: Learner[Any], values: Mapping[str, Any], seeds: int
) -> dict[str, Float[Array, " S"]]:
    """Values for `with_values` of seeds side by side, checked.

    Args:
        learner: whose.
        values: by field, one number for each seed.
        seeds: how many.

    Raises:
        ValueError: a field that cannot be swept, or not one value for each seed.
    """
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
    for name, value in arrays.items():
        if name not in learner.sweepable:
            raise ValueError(
                f"{learner.name}.{name} cannot be swept; of {learner.name} there can be: "
                f"{', '.join(learner.sweepable)}"
            )
        if value.shape != (seeds,):
            raise ValueError(
                f"{learner.name}.{name} has values of shape {value.shape}, not one for each of "
                f"{seeds} seeds"
            )
    return arrays


def _entry(name: str) -> _Entry:
    if name not in _LEARNERS:
        raise ValueError(f"no learner named {name!r}; there are {', '.join(names())}")
    return _LEARNERS[name]
