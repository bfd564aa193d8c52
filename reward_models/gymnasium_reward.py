"""Formal and learned rewards around any gymnasium environment: numpy in, numpy out.

    reward = compile_reward(text, observation_size=4, action_size=1, target_shape=(0,))
    env = ModelReward(env, {"formal": formal_column(reward)}, {"formal": 1.0})

It needs the extra `core-jax[gymnasium]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, SupportsFloat

import gymnasium
import jax
import numpy as np

from core_jax.reward_models.combine import combine
from core_jax.reward_models.formal import FormalReward
from core_jax.reward_models.preference import PreferenceModel, PreferenceState

Column = Callable[[np.ndarray, np.ndarray], SupportsFloat]
ENV = "env"
"""The column of the environment's own reward."""


class ModelReward(gymnasium.Wrapper):
    """Replaces an environment's reward by a weighted sum of reward columns.

    `info["rewards"]` has every column of the step, the environment's own as `env`. A value that is
    not finite counts as 0, as it does in training.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        columns: Mapping[str, Column],
        weights: Mapping[str, float],
        view: Callable[[Any], np.ndarray] = np.asarray,
    ):
        """Wraps an environment.

        Args:
            env: the environment.
            columns: name -> `(observation, action) -> reward of one step`, where the observation is
                the one that the action led to.
            weights: column -> weight. A column without one is computed and not optimised; with a
                weight of `env` the environment's own reward is part of the sum.
            view: an observation of the environment -> what the columns are called with, a vector.

        Raises:
            ValueError: a column named `env`, or a weight without a column.
        """
        if ENV in columns:
            raise ValueError(f"column {ENV!r} is the environment's own reward: name it otherwise")
        super().__init__(env)
        self._columns, self._view = dict(columns), view
        self._weights: dict[str, Any] = dict(weights)
        nothing: dict[str, Any] = dict.fromkeys([ENV, *columns], 0.0)
        combine(self._weights, nothing)  # refuses a weight without a column

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment; the reward is the weighted sum."""
        observation, own, terminated, truncated, info = self.env.step(action)
        seen, acted = self._view(observation), np.atleast_1d(action)
        rewards: dict[str, Any] = {ENV: _finite(own)}
        for name, column in self._columns.items():
            rewards[name] = _finite(column(seen, acted))
        total = float(combine(self._weights, rewards))
        return observation, total, terminated, truncated, {**info, "rewards": rewards}


def formal_column(reward: FormalReward, target: Any = ()) -> Column:
    """A compiled reward file as a column.

    Args:
        reward: compiled for the lengths of the environment's observation and action, and the
            target's shape.
        target: the target that it is called with.
    """
    goal = np.asarray(target, np.float32)
    run = jax.jit(lambda observation, action: reward(observation, action, goal)[0])
    return lambda observation, action: float(run(*map(_float32, (observation, action))))


def learned_column(model: PreferenceModel, state: PreferenceState) -> Column:
    """A reward learned from preferences between clips of observations, as a column.

    Args:
        model: of `make_preference`.
        state: fitted, with frames that are observations.
    """
    run = jax.jit(model.predict)
    return lambda observation, action: float(run(state, _float32(observation)))


def _float32(x: Any) -> np.ndarray:
    return np.asarray(x, np.float32)


def _finite(value: SupportsFloat) -> float:
    value = float(value)
    return value if np.isfinite(value) else 0.0
