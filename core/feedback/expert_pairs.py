"""Pairs of clips to evaluate a teacher on, without a run: scripted experts of all skills."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.envs.metaworld import experts
from core_jax.feedback.queries import Clip, Pair

_STEPS = 150


def expert_questions(
    env: envs.TaskEnv,
    count: int,
    *,
    clip_length: int,
    dense_scale: float,
    seed: int,
    episodes: int = 48,
) -> list[Pair]:
    """Uniform pairs of clips out of episodes of 150 steps, from a perfect expert's to those of one
    that is worse than `experts.POOR`.

    Args:
        env: the environment; its task must have an expert.
        count: number of pairs.
        clip_length: steps of a clip, at most 150.
        dense_scale: the ground-truth dense reward is multiplied by this.
        seed: of the episodes and of the choice of clips.
        episodes: number of episodes. Clips of one episode are alike: while it is stuck, they are
            the same.

    Raises:
        ValueError: there is no expert for the task, or a clip is too long.
    """
    experts.expert(env.spec.name)
    if not 1 <= clip_length <= _STEPS:
        raise ValueError(f"clip_length must be in 1..{_STEPS}, not {clip_length}")
    deficit = jnp.linspace(0.0, 1.3, episodes)  # of skill; POOR's is 1
    poor = experts.POOR
    skills = dataclasses.replace(
        poor, noise=deficit * poor.noise, slip=deficit * poor.slip, stop=deficit * poor.stop
    )
    skills = jax.tree.map(lambda x: jnp.broadcast_to(x, deficit.shape), skills)
    keys = jax.random.split(jax.random.key(seed), episodes)
    play = jax.jit(jax.vmap(lambda key, skill: experts.rollout(env, key, skill, _STEPS)))
    played = jax.device_get(play(keys, skills))
    rng = np.random.default_rng(seed)

    def draw() -> Clip:
        episode, start = rng.integers(episodes), rng.integers(_STEPS - clip_length + 1)
        part = lambda x: x[episode, start : start + clip_length]
        return Clip(
            next_obs=part(played.next_obs),
            action=part(played.action),
            target=np.repeat(played.target[episode][None], clip_length, axis=0),
            snapshot=part(played.snapshot),
            dense=dense_scale * part(played.dense),
            progress=part(played.progress),
        )

    return [Pair(draw(), draw(), env.spec.instruction, seed, 0) for _ in range(count)]
