"""A task of this project with gymnasium's interface: `python examples/gymnasium_task.py`.

Plays random actions in N worlds and collects transitions as a learner should: through a time limit
the value of the episode's last observation counts, not that of the next episode's first.
"""

from __future__ import annotations

import numpy as np
from gymnasium.vector import VectorEnv

from core_jax.envs.gymnasium_env import VectorTask


def play(envs: VectorEnv, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Collects transitions.

    Returns:
        `obs`, `action`, `reward`, `next_obs` and `discount`, each [steps, N, ...]. `next_obs` is
        the observation that the action led to, at the end of an episode too; `discount` is 0 only
        where the world itself ended.
    """
    obs, _ = envs.reset(seed=seed)
    envs.action_space.seed(seed)
    rows = []
    for _ in range(steps):
        action = envs.action_space.sample()
        following, reward, terminated, _, infos = envs.step(action)
        next_obs = following.copy()
        for i in np.flatnonzero(infos.get("_final_obs", np.zeros(envs.num_envs, bool))):
            next_obs[i] = infos["final_obs"][i]
        rows.append((obs, action, reward, next_obs, 1.0 - terminated))
        obs = following
    names = ("obs", "action", "reward", "next_obs", "discount")
    return dict(zip(names, map(np.stack, zip(*rows, strict=True)), strict=True))


if __name__ == "__main__":
    found = play(VectorTask("drawer-open", num_envs=8, protocol="random", episode_length=20), 50)
    print({name: array.shape for name, array in found.items()})
    print(f"mean reward of random actions: {found['reward'].mean():.3f}")
