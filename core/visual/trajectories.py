"""Trajectories of graded skill with pictures: what reward models are trained and evaluated on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.envs import graded
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.training.devices import compiler_options
from core_jax.visual.frames import FrameRenderer

LEVELS = 11  # keyframes at progress 0.0, 0.1 ... 1.0
STEPS = 150  # most steps of an episode


def keyframes(progress: np.ndarray, evenly: int) -> np.ndarray:
    """Steps of an episode to take pictures of, in order: the first, the last, the first that is
    nearest to each tenth of progress between the episode's extremes, and some at equal distances.

    Args:
        progress: [T].
        evenly: number of steps at equal distances.
    """
    levels = np.linspace(0.0, 1.0, LEVELS)
    levels = levels[(levels >= progress.min() - 0.05) & (levels <= progress.max() + 0.05)]
    nearest = np.abs(progress[None] - levels[:, None]).argmin(axis=1)
    spread = np.linspace(0, len(progress) - 1, max(evenly, 2)).round().astype(int)
    return np.unique(np.concatenate([nearest, spread]))


def record(
    env: envs.TaskEnv,
    episodes: int,
    seed: int,
    renderer: FrameRenderer,
    evenly: int = 8,
    worst: float = graded.WORST,
) -> GradedFrames:
    """Plays episodes from the expert's skill to the worst one and renders their keyframes.

    Args:
        env: its task must have an expert.
        episodes: how many; their deficits are evenly spaced from 0 to `worst`.
        seed: of resets and errors.
        renderer: of the same task.
        evenly: see `keyframes`.
        worst: the largest deficit.
    """
    steps = min(env.spec.horizon, STEPS)
    deficit = jnp.linspace(0.0, worst, episodes)
    keys = jax.random.split(jax.random.key(seed), episodes)
    play = jax.jit(
        jax.vmap(lambda key, d: graded.episode(env, key, d, steps)),
        compiler_options=compiler_options(),
    )
    played = jax.device_get(play(keys, deficit))
    chosen = [keyframes(one, evenly) for one in played.progress]
    at = np.repeat(np.arange(episodes), [len(c) for c in chosen]), np.concatenate(chosen)
    return GradedFrames(
        picture=renderer.render(played.snapshot[at]),
        episode=at[0],
        step=at[1] + 1,
        progress=played.progress[at],
        success=played.success[at],
        deficit=np.asarray(deficit),
        snapshot=played.snapshot[at],
    )
