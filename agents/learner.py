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
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

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
]

State = TypeVar("State")


class Learner(Protocol[State]):
    """A reinforcement learning algorithm with its config, as pure functions of a state."""

    name: ClassVar[str]
    """The name under which `make_learner` knows it."""
    on_policy: ClassVar[bool]
    """True if `update` reads a `Rollout` of the current policy, False if it reads batches that
    are drawn from replay."""
    metric_names: ClassVar[tuple[str, ...]]
    """Names of the scalars that `update` returns."""

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
    make: Callable[[Any, int, ActionSpace], Learner[Any]]


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
    return entry.make(config, obs_size, action_space)


def _entry(name: str) -> _Entry:
    if name not in _LEARNERS:
        raise ValueError(f"no learner named {name!r}; there are {', '.join(names())}")
    return _LEARNERS[name]
