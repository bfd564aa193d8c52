"""SAC behind the `Learner` protocol."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from core_jax.agents.sac import algorithm
from core_jax.agents.sac.algorithm import Batch, SACState
from core_jax.agents.sac.config import SACConfig
from core_jax.agents.types import ActionSpace, Metrics, Params


@dataclasses.dataclass(frozen=True)
class SAC:
    """`Learner` whose carry is the exploration noise `[N, A]` and whose acting policy is the
    average actor.

    Raises:
        ValueError: if the action space is discrete.
    """

    config: SACConfig
    obs_size: int
    action_space: ActionSpace

    name: ClassVar[str] = "sac"
    on_policy: ClassVar[bool] = False
    metric_names: ClassVar[tuple[str, ...]] = algorithm.METRIC_NAMES
    sweepable: ClassVar[tuple[str, ...]] = (
        "actor_lr",
        "critic_lr",
        "temperature_lr",
        "init_temperature",
        "gamma",
        "tau",
        "actor_average",
        "noise_correlation",
        "target_entropy",
    )

    def __post_init__(self) -> None:
        if self.action_space.discrete:
            raise ValueError(
                f"sac acts in continuous spaces, not in a choice of {self.action_space.size}; "
                "ppo acts in both"
            )

    def init(self, key: Key[Array, ""]) -> SACState:
        return algorithm.init(key, self.obs_size, self.action_space.size, self.config)

    def init_carry(self, key: Key[Array, ""], envs: int) -> Float[Array, "N A"]:
        return jax.random.normal(key, (envs, self.action_space.size))

    def act(
        self,
        state: SACState,
        obs: Float[Array, "N O"],
        carry: Float[Array, "N A"],
        key: Key[Array, ""],
        random: Bool[Array, ""],
    ) -> tuple[Float[Array, "N A"], Float[Array, "N A"], dict[str, Array]]:
        noise = algorithm.correlated_noise(carry, key, self.config)
        actor = algorithm.with_normalisation(state.actor, state.obs_stats)
        policy = algorithm.act(actor, obs, noise, self.config)
        # The distribution function makes the noise uniform and keeps its correlation in time.
        uniform = 2.0 * jax.scipy.stats.norm.cdf(noise) - 1.0
        return jnp.where(random, uniform, policy), noise, {}

    def update(self, state: SACState, data: Batch, key: Key[Array, ""]) -> tuple[SACState, Metrics]:
        return algorithm.update(state, data, key, self.config)

    def reset_value(self, state: SACState, key: Key[Array, ""]) -> SACState:
        size = self.action_space.size
        return algorithm.reset_critic(state, key, self.obs_size, size, self.config)

    def policy(self, state: SACState) -> Params:
        return algorithm.with_normalisation(state.average_actor, state.obs_stats)

    def mode(self, params: Params, obs: Float[Array, "N O"]) -> Float[Array, "N A"]:
        noise = jnp.zeros((obs.shape[0], self.action_space.size))
        return algorithm.act(params, obs, noise, self.config)
