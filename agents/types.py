"""Types that every learner shares: parameters, action spaces, and what an on-policy update reads.

Shapes are written for one seed: N environments, T time steps, O observation entries, A action
entries. Learners vmap over a leading seed axis and do not know about it.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Num

Params = Any  # a pytree of arrays; flax and optax each have their own type for it
Metrics = dict[str, Float[Array, ""]]  # scalars by name


@dataclasses.dataclass(frozen=True)
class ActionSpace:
    """`size` numbers in [-1, 1] as float32 `[size]`; or, if `discrete`, one of `size` choices as
    int32 `[]`, from 0 to `size - 1`.

    Raises:
        ValueError: if there are no actions, or only one to choose from.
    """

    size: int
    discrete: bool = False

    def __post_init__(self) -> None:
        least = 2 if self.discrete else 1
        if self.size < least:
            kind = "discrete" if self.discrete else "continuous"
            raise ValueError(
                f"action_space.size is {self.size}; a {kind} space has {least} or more"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return () if self.discrete else (self.size,)


class Rollout(NamedTuple):
    """T consecutive steps of N environments, acted by the policy that is to be updated.

    `next_obs` is the true successor, also where an episode was cut and `obs` of the next row is
    the first observation of a new one. A time limit has `cut` 1 and `discount` 1.
    """

    obs: Float[Array, "T N O"]
    action: Num[Array, "T N ..."]
    reward: Float[Array, "T N"]
    next_obs: Float[Array, "T N O"]
    discount: Float[Array, "T N"]  # 0 where the world ended, else 1
    cut: Float[Array, "T N"]  # 1 where the episode ended for whatever reason, else 0
    extras: dict[str, Array]  # what `act` returned beside the actions, each [T, N, ...]
