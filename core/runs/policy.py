"""A policy as a function of observations: a run's, a file's, or one of the package."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from core_jax import envs, policies
from core_jax.agents import evaluation
from core_jax.agents.learner import Learner
from core_jax.runs import members, policy_file, restore, run_folder


@dataclasses.dataclass(frozen=True, eq=False)  # hashed by identity: jit takes it as a function
class Policy:
    """A deterministic policy, a pure function: `jax.jit(policy)` and `jax.vmap(policy)` work.

    Attributes:
        task: what it was trained on.
        protocol: of its resets.
        learner: what its parameters belong to.
        params: of the policy.
        env_steps: environment steps that it was trained for; None for a file of your own, which
            does not say.
    """

    task: str
    protocol: str
    learner: Learner[Any] | policy_file.Exported
    params: Any
    env_steps: int | None

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

    def make_env(self, protocol: str | None = None) -> envs.TaskEnv:
        """One world of its task, with its own protocol by default."""
        return envs.make(self.task, protocol=protocol or self.protocol)

    def evaluate(
        self, episodes: int = 50, seed: int = 0, protocol: str | None = None
    ) -> evaluation.Episodes:
        """Plays whole episodes in parallel.

        Args:
            episodes: how many.
            seed: of the resets.
            protocol: of the resets; its own by default.

        Returns:
            One number for each episode, of each quantity.
        """
        env = self.make_env(protocol)
        play = jax.jit(
            lambda key: evaluation.rollout(
                env.reset, env.step, lambda obs, _: self(obs), key, episodes, env.spec.horizon
            )[0]
        )
        return jax.device_get(play(jax.random.key(10_000 + 1_000 * seed)))


def load(source: Path | str, seed: int | None = None) -> Policy:
    """Loads a policy.

    Args:
        source: a run's folder, whose newest sound checkpoint is read; a file that
            `scripts/export.py` wrote; or the name of a policy that comes with the package
            (`core_jax.policies.names()`).
        seed: which of a run's seeds; the first one by default.

    Raises:
        ValueError: no run there, no sound checkpoint in it, no such seed, or a sweep, whose members
            have no number of their own; a file that is no policy.
    """
    if Path(source).is_dir():
        return _of_run(Path(source), seed)
    if not (_is_file(source) or str(source) in policies.names()):
        known = ", ".join(policies.names())
        raise ValueError(
            f"no policy {str(source)!r}: it is no run's folder, no file .npz, and none of those "
            f"that come with the package ({known})"
        )
    if seed is not None:
        raise ValueError(f"seed={seed} chooses one of a run's seeds; {source} is no run's folder")
    path = Path(source) if _is_file(source) else policies.path(str(source))
    task, protocol, network, layers = policy_file.read(path)
    steps = policies.card(str(source))["env_steps"] if not _is_file(source) else None
    return Policy(task, protocol, network, layers, steps)


def _is_file(source: Path | str) -> bool:
    return Path(source).suffix == ".npz"


def _of_run(out: Path, seed: int | None) -> Policy:
    config = run_folder.load_config(out)
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
