"""PPO behind the `Learner` protocol."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jaxtyping import Array, Bool, Float, Key, Num

from core_jax.agents.ppo import algorithm, policies
from core_jax.agents.ppo import state as states
from core_jax.agents.ppo.config import PPOConfig
from core_jax.agents.ppo.policies import PolicyParams
from core_jax.agents.ppo.state import PPOState
from core_jax.agents.types import ActionSpace, Metrics, Rollout


@dataclasses.dataclass(frozen=True)
class PPO:
    """`Learner` without a carry, for continuous and discrete actions; its extras are `raw_action`,
    `log_prob` and `value`."""

    config: PPOConfig
    obs_size: int
    action_space: ActionSpace

    name: ClassVar[str] = "ppo"
    on_policy: ClassVar[bool] = True
    metric_names: ClassVar[tuple[str, ...]] = algorithm.METRIC_NAMES
    sweepable: ClassVar[tuple[str, ...]] = ("actor_lr", "value_lr", "gamma", "gae_lambda", "clip")

    def init(self, key: Key[Array, ""]) -> PPOState:
        return states.init(key, self.obs_size, self.action_space, self.config)

    def init_carry(self, key: Key[Array, ""], envs: int) -> tuple[()]:
        return ()

    def act(
        self,
        state: PPOState,
        obs: Float[Array, "N O"],
        carry: tuple[()],
        key: Key[Array, ""],
        random: Bool[Array, ""],
    ) -> tuple[Num[Array, "N ..."], tuple[()], dict[str, Array]]:
        action, extras = algorithm.act(state, obs, key, random, self.action_space, self.config)
        return action, carry, extras

    def update(
        self, state: PPOState, data: Rollout, key: Key[Array, ""]
    ) -> tuple[PPOState, Metrics]:
        return algorithm.update(state, data, key, self.action_space, self.config)

    def reset_value(self, state: PPOState, key: Key[Array, ""]) -> PPOState:
        return states.reset_value(state, key, self.obs_size, self.config)

    def set_reference(self, state: PPOState, params: PolicyParams) -> PPOState:
        """A state whose KL penalty compares with the policy with these parameters."""
        return states.set_reference(state, params)

    def from_policy(self, state: PPOState, params: PolicyParams) -> PPOState:
        """A state that continues from a policy, such as a cloned one, which is also what the KL
        penalty compares with."""
        return states.from_policy(state, params, self.config)

    def policy(self, state: PPOState) -> PolicyParams:
        return states.policy(state)

    def mode(self, params: PolicyParams, obs: Float[Array, "N O"]) -> Num[Array, "N ..."]:
        return policies.mode(params, obs, self.action_space, self.config)
