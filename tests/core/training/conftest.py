"""Reward programs, and the small run's state after six chunks."""

from types import SimpleNamespace

import jax
import pytest

from core_jax.reward_models.formal import compile_reward
from core_jax.training.streams import seed_keys

REACH = compile_reward("""
import numpy as np
def compute_reward(observation, action, target_pos):
    reach = np.exp(-np.linalg.norm(observation[0:3] - observation[4:7]) / 0.1)
    return reach, {"reach": reach}
""")
FLAT = compile_reward("""
def compute_reward(observation, action, target_pos):
    return 0.25, {"flat": 0.25}
""")
HUGE = compile_reward("""
import numpy as np
def compute_reward(observation, action, target_pos):
    return 5.0 * (1.0 + observation[0] ** 2), {"huge": 5.0 * (1.0 + observation[0] ** 2)}
""")


@pytest.fixture(scope="session")
def programs():
    """Rewards: `reach` differs from step to step, `flat` is 0.25, `huge` exceeds every limit."""
    return SimpleNamespace(reach=REACH, flat=FLAT, huge=HUGE)


@pytest.fixture(scope="session")
def after(small, train):
    """The state after six chunks (the first two only explore), each chunk's metrics, and how often
    each function was traced for them.

    Shared and never donated: what changes it works on a copy.
    """
    before = train.traces.copy()
    state, rows = train.init(seed_keys(small.seed, small.training.seeds)), []
    for _ in range(6):
        state, row = train.train_chunk(state, {"formal": [REACH, FLAT]})
        rows.append(jax.device_get(row))
    return state, rows, train.traces - before
