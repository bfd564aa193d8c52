"""Demonstrations of one seed, and the policy that is cloned from them."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from core_jax import envs
from core_jax.agents import bc
from core_jax.agents.ppo import PPO
from core_jax.envs import graded
from core_jax.methods.lrm.config import DemosConfig, LRMConfig
from core_jax.training.state import SeedState


def demonstrations(
    env: envs.TaskEnv, config: DemosConfig, key: jax.Array
) -> tuple[bc.Demonstrations, jax.Array]:
    """Plays demonstrations of one seed.

    Returns:
        All their steps as one batch [M], those of episodes that are left out with weight 0, and the
        share of successful episodes [].
    """
    deficits = jnp.linspace(config.best, config.worst, config.episodes)
    keys = jax.random.split(key, config.episodes)
    play = lambda key, deficit: graded.episode(env, key, deficit, config.steps)
    played = jax.vmap(play)(keys, deficits)
    done = jnp.max(played.success, axis=1)
    kept = jnp.where(jnp.any(done > 0), done, 1.0) if config.successful else jnp.ones_like(done)
    weight = jnp.broadcast_to(kept[:, None], played.success.shape)
    flat = lambda x: x.reshape(-1, *x.shape[2:])
    demos = bc.Demonstrations(flat(played.obs), flat(played.action), flat(weight))
    return demos, jnp.mean(done)


def clone(
    env: envs.TaskEnv, learner: PPO, config: LRMConfig, seed: SeedState, key: jax.Array
) -> tuple[SeedState, dict[str, jax.Array]]:
    """A seed whose learner continues from a cloned policy, and what was found on the way."""
    demo_key, fit_key = jax.random.split(key)
    demos, done = demonstrations(env, config.demos, demo_key)
    params, metrics = bc.fit(demos, fit_key, learner.action_space, learner.config, config.bc)
    state = learner.from_policy(seed.learner, params)
    found = {"demonstration_success": done, "cloning_loss": metrics["loss"]}
    return seed.replace(learner=state), found
