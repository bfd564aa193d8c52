"""Soft actor-critic with a learned temperature (Haarnoja et al. 2018, arXiv 1812.05905).

Two ways to use it: the functions below, which take a `SACConfig` as their last argument, or `SAC`,
which implements `core_jax.agents.learner.Learner` with them.
"""

from core_jax.agents.sac.algorithm import (
    METRIC_NAMES,
    Batch,
    SACState,
    act,
    correlated_noise,
    init,
    reset_critic,
    update,
    with_normalisation,
)
from core_jax.agents.sac.config import SACConfig
from core_jax.agents.sac.learner import SAC

__all__ = [
    "METRIC_NAMES",
    "SAC",
    "Batch",
    "SACConfig",
    "SACState",
    "act",
    "correlated_noise",
    "init",
    "reset_critic",
    "update",
    "with_normalisation",
]
