"""Proximal policy optimisation with a clipped surrogate (Schulman et al. 2017, arXiv 1707.06347).

For continuous and discrete actions. Two ways to use it: the functions below, which take an
`ActionSpace` and a `PPOConfig`, or `PPO`, which implements `core_jax.agents.learner.Learner` with
them. The estimates and losses are in `core_jax.agents.ppo.losses`.
"""

from core_jax.agents.ppo.algorithm import METRIC_NAMES, act, update
from core_jax.agents.ppo.config import PPOConfig
from core_jax.agents.ppo.learner import PPO
from core_jax.agents.ppo.policies import PolicyParams, distribution, mode
from core_jax.agents.ppo.state import (
    PPOState,
    from_policy,
    init,
    policy,
    reset_value,
    set_reference,
)

__all__ = [
    "METRIC_NAMES",
    "PPO",
    "PPOConfig",
    "PPOState",
    "PolicyParams",
    "act",
    "distribution",
    "from_policy",
    "init",
    "mode",
    "policy",
    "reset_value",
    "set_reference",
    "update",
]
