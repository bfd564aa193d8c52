"""A run's policy as a function of observations."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from core_jax import envs
from core_jax.agents.learner import Learner
from core_jax.runs import members, restore, run_folder


@dataclasses.dataclass(frozen=True, eq=False)  # hashed by identity: jit takes it as a function
class Policy:
    """A deterministic policy, a pure function: `jax.jit(policy)` and `jax.vmap(policy)` work.

    Attributes:
        task: what it was trained on.
        protocol: of its resets.
        learner: what its parameters belong to.
        params: of the policy.
        env_steps: environment steps that it was trained for.
    """

    task: str
    protocol: str
    learner: Learner[Any]
    params: Any
    env_steps: int

    def __call__(self, obs: Float[Array, "... O"]) -> Num[Array, "... A"]:
        """Actions in [-1, 1] for observations with any leading axes; the numbers of the actions,
        without the last axis, where they are discrete.

        Raises:
            ValueError: the last axis has another size than the task's observations.
        """
        obs = jnp.asarray(obs, jnp.float32)
        size = self.learner.obs_size
        if obs.ndim == 0 or obs.shape[-1] != size:
            raise ValueError(f"observations of {self.task} are [..., {size}], not {obs.shape}")
        action = self.learner.mode(self.params, obs.reshape(-1, size))
        return action.reshape(*obs.shape[:-1], *action.shape[1:])

    def make_env(self) -> envs.TaskEnv:
        """One world of its task."""
        return envs.make(self.task, protocol=self.protocol)


def load(out: Path | str, seed: int | None = None) -> Policy:
    """Loads a run's policy from its newest sound checkpoint.

    Args:
        out: the run's folder.
        seed: which of the run's seeds; the first one by default.

    Raises:
        ValueError: no run there, no sound checkpoint in it, no such seed, or a sweep, whose members
            have no number of their own.
    """
    config = run_folder.load_config(Path(out))
    if config.sweep:
        raise ValueError(f"{out} is a sweep of {', '.join(config.sweep)}: use core_jax.load_run")
    seeds = [member.seed for member in members.of(config)]
    if seed is not None and seed not in seeds:
        raise ValueError(f"{out} has no seed {seed}; it has {', '.join(map(str, seeds))}")
    at = 0 if seed is None else seeds.index(seed)
    restored = restore.load(out)
    learner = restored.train.plan.learner
    state = jax.tree.map(lambda x: x[at], jax.device_get(restored.seeds.learner))
    params = learner.policy(state)
    return Policy(config.task, config.protocol, learner, params, restored.env_steps)
