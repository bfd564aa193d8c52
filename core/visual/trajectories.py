"""Trajectories of graded skill with pictures: what reward models are trained and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.envs import graded
from core_jax.envs.metaworld.experts import Trajectory
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


def play(
    env: envs.TaskEnv, episodes: int, seed: int, worst: float = graded.WORST
) -> tuple[Trajectory, np.ndarray]:
    """Plays episodes from the expert's skill to the worst one.

    Args:
        env: its task must have an expert.
        episodes: how many; their deficits are evenly spaced from 0 to `worst`.
        seed: of resets and errors.
        worst: the largest deficit.

    Returns:
        The episodes, arrays [E, T, ...] on the host, and their deficits [E].
    """
    steps = min(env.spec.horizon, STEPS)
    deficit = jnp.linspace(0.0, worst, episodes)
    keys = jax.random.split(jax.random.key(seed), episodes)
    one = lambda key, deficit: graded.episode(env, key, deficit, steps)
    played = jax.jit(jax.vmap(one), compiler_options=compiler_options())(keys, deficit)
    return jax.device_get(played), np.asarray(deficit)


def frames_of(
    played: Trajectory,
    deficit: np.ndarray,
    chosen: Sequence[np.ndarray],
    renderer: FrameRenderer | None,
) -> GradedFrames:
    """Some steps of episodes as frames.

    Args:
        played, deficit: from `play`.
        chosen: steps of each episode, in order.
        renderer: of the same task; without one the pictures are empty.
    """
    episode = np.repeat(np.arange(len(chosen)), [len(c) for c in chosen])
    at = episode, np.concatenate(chosen)
    snapshot = np.asarray(played.snapshot)[at]
    nothing = np.zeros((len(episode), 0, 0, 3), np.uint8)
    return GradedFrames(
        picture=nothing if renderer is None else renderer.render(snapshot),
        episode=episode,
        step=at[1] + 1,
        progress=np.asarray(played.progress)[at],
        success=np.asarray(played.success)[at],
        deficit=deficit,
        snapshot=snapshot,
    )


def record(
    env: envs.TaskEnv, episodes: int, seed: int, renderer: FrameRenderer, evenly: int = 8
) -> GradedFrames:
    """Plays episodes of graded skill and renders their keyframes; see `play` and `keyframes`."""
    played, deficit = play(env, episodes, seed)
    chosen = [keyframes(one, evenly) for one in np.asarray(played.progress)]
    return frames_of(played, deficit, chosen, renderer)
