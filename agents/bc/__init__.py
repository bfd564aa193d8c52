"""Behaviour cloning: a policy fitted to demonstrations by maximum likelihood.

The policy is PPO's network, so that PPO can refine it (`ppo.from_policy`). `fit` is pure and vmaps
over a leading seed axis.
"""

from core_jax.agents.bc.algorithm import Demonstrations, fit
from core_jax.agents.bc.config import BCConfig

__all__ = ["BCConfig", "Demonstrations", "fit"]
