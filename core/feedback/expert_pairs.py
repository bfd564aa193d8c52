"""Pairs of clips to try a teacher on, without a run: scripted experts of all skills play a task."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.envs.metaworld import experts
from core_jax.feedback.queries import Clip, Pair
from core_jax.runs.config import Config

_STEPS = 150


def expert_questions(
    config: Config, env: envs.TaskEnv, count: int, episodes: int = 48
) -> list[Pair]:
    """Uniform pairs of clips out of episodes of 150 steps, from a perfect expert's to those of one
    that is worse than `experts.POOR`.

    Args:
        config: gives the length of a clip, the scale of the dense reward and the seed.
        env: the world; its task must have an expert.
        count: how many.
        episodes: of how many. Clips of one episode are alike: where it is stuck, they are the same.

    Raises:
        ValueError: there is no expert for the task.
    """
    experts.expert(env.spec.name)
    length = config.feedback.clip_length
    lack = jnp.linspace(0.0, 1.3, episodes)  # of skill, in units of what POOR lacks
    poor = experts.POOR
    skills = poor.replace(noise=lack * poor.noise, slip=lack * poor.slip, stop=lack * poor.stop)
    skills = jax.tree.map(lambda x: jnp.broadcast_to(x, lack.shape), skills)
    keys = jax.random.split(jax.random.key(config.seed), episodes)
    play = jax.jit(jax.vmap(lambda key, skill: experts.rollout(env, key, skill, _STEPS)))
    played = jax.device_get(play(keys, skills))
    rng = np.random.default_rng(config.seed)

    def draw() -> Clip:
        episode, start = rng.integers(episodes), rng.integers(_STEPS - length + 1)
        part = lambda x: x[episode, start : start + length]
        return Clip(
            next_obs=part(played.next_obs),
            action=part(played.action),
            target=np.repeat(played.target[episode][None], length, axis=0),
            snapshot=part(played.snapshot),
            dense=config.dense_scale * part(played.dense),
            progress=part(played.progress),
        )

    return [Pair(draw(), draw(), env.spec.instruction, config.seed, 0) for _ in range(count)]
