"""Tasks with gymnasium's interface: `VectorTask` over N worlds and `SingleTask` over one.

They need the extra `core-jax[gymnasium]`. Observations, rewards and flags are numpy arrays; every
step is one call of a compiled function for all worlds, so choose many worlds and few steps.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from core_jax.envs.brax_task import BraxTask
from core_jax.envs.engines import Env, State
from core_jax.envs.registry import make
from core_jax.envs.task import TaskEnv
from core_jax.envs.wrappers import TrainingWrapper


class VectorTask(VectorEnv):
    """N worlds of a task that restart within the step that ends their episode.

    Where `terminations` or `truncations` is true, the observation is the first one of the next
    episode; the last one of the episode that ended is `infos["final_obs"]` (an object array, None
    elsewhere), and `infos["final_info"]` holds that step's values. Masks `_final_obs` and
    `_final_info` say where. This is gymnasium's `AutoresetMode.SAME_STEP`.

    `infos` has the task's metrics as float64 [N]: `success` and `progress` of the step, `dense` and
    `sparse` rewards, `nonfinite` (the episode ended because the physics was not finite), and
    `episode_success` (successful at any step so far). They are ground truth. In worlds whose
    episode ended they are in `final_info`, and their masks (`_success`, ...) are False.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # pyright: ignore

    def __init__(
        self,
        task: str | Env,
        num_envs: int = 1,
        *,
        protocol: str = "paper",
        episode_length: int | None = None,
    ):
        """Builds the worlds; the first reset and the first step compile them.

        Args:
            task: a name of `core_jax.envs.names()`, or an environment over one world with brax's
                interface.
            num_envs: N.
            protocol: of a named task's resets: `paper` or `random`.
            episode_length: steps before truncation; the task's horizon if None.

        Raises:
            ValueError: an unknown task or protocol, or `num_envs` below 1.
        """
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        env = make(task, protocol=protocol) if isinstance(task, str) else task
        self.task = env if isinstance(env, TaskEnv) else BraxTask(env)
        self.num_envs = num_envs
        worlds = TrainingWrapper(self.task, episode_length)
        self._reset, self._step = jax.jit(worlds.reset), jax.jit(worlds.step)
        self._state: State | None = None
        size = self.task.observation_size
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.single_action_space = (
            gymnasium.spaces.Discrete(self.task.action_size)
            if self.task.spec.discrete
            else gymnasium.spaces.Box(-1.0, 1.0, (self.task.action_size,), np.float32)
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts all worlds.

        Args:
            seed: of all resets from here on, those at the ends of episodes included. None continues
                the random stream of the last seed.
            options: none exist.

        Returns:
            Observations [N, obs], float32, and no infos.

        Raises:
            ValueError: options.
        """
        super().reset(seed=seed)
        if options:
            raise ValueError(f"options {sorted(options)} have no effect: there are none")
        key = jax.random.key(int(self.np_random.integers(2**31)))
        state = self._reset(jax.random.split(key, self.num_envs))
        self._state = state
        return np.array(state.obs), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Steps all worlds.

        Args:
            actions: [N, action], in [-1, 1], or integers [N] where actions are discrete.

        Returns:
            Observations [N, obs] float32, rewards [N] float64, terminations [N] and truncations
            [N] bool, infos.

        Raises:
            ValueError: before the first reset, or actions of another shape.
        """
        if self._state is None:
            raise ValueError("call reset before step")
        actions = np.asarray(actions, self.single_action_space.dtype)
        if actions.shape != self.action_space.shape:
            raise ValueError(
                f"actions have shape {actions.shape}; they must have {self.action_space.shape}"
            )
        state = self._step(self._state, actions)
        self._state, info = state, state.info
        values = {**state.metrics, "episode_success": info["episode_success"]}
        done, truncated = np.asarray(state.done) > 0, np.asarray(info["truncation"]) > 0
        infos = _infos({k: np.array(v, np.float64) for k, v in values.items()}, ~done)
        if done.any():
            infos |= _final(np.array(info["last_obs"]), values, done)
        reward = np.array(state.reward, np.float64)
        return np.array(state.obs), reward, done & ~truncated, truncated, infos


class SingleTask(gymnasium.Env):
    """One world of a task; it does not restart by itself. `info` has what `VectorTask` has."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # pyright: ignore

    def __init__(
        self, task: str | Env, *, protocol: str = "paper", episode_length: int | None = None
    ):
        """Builds the world; see `VectorTask`."""
        self._worlds = VectorTask(task, 1, protocol=protocol, episode_length=episode_length)
        self.observation_space = self._worlds.single_observation_space
        self.action_space = self._worlds.single_action_space

    @property
    def task(self) -> TaskEnv:
        """The environment over one world, with its `TaskSpec` (`task.spec`)."""
        return self._worlds.task

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; see `VectorTask.reset`."""
        super().reset(seed=seed)
        own = int(self.np_random.integers(2**31))
        obs, _ = self._worlds.reset(seed=own, options=options)
        return obs[0], {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Steps the world; after an episode's end, reset it."""
        obs, reward, terminated, truncated, infos = self._worlds.step(np.asarray(action)[None])
        ended = bool(terminated[0] or truncated[0])
        values = infos["final_info"] if ended else infos
        info = {name: float(values[name][0]) for name in values if f"_{name}" in values}
        last = infos["final_obs"][0] if ended else obs[0]
        return last, float(reward[0]), bool(terminated[0]), bool(truncated[0]), info


def _infos(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Values [N] with gymnasium's masks; 0 where there is none."""
    masks = {f"_{name}": mask.copy() for name in values}
    return {name: np.where(mask, value, 0.0) for name, value in values.items()} | masks


def _final(last_obs: np.ndarray, values: dict[str, Any], done: np.ndarray) -> dict[str, Any]:
    final_obs = np.full(len(done), None, dtype=object)
    for i in np.flatnonzero(done):
        final_obs[i] = last_obs[i]
    info = _infos({k: np.array(v, np.float64) for k, v in values.items()}, done)
    return {
        "final_obs": final_obs,
        "_final_obs": done.copy(),
        "final_info": info,
        "_final_info": done.copy(),
    }
