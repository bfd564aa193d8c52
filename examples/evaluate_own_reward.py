"""Rewards of your own, judged without a training: on episodes of experts, good to poor.

python examples/evaluate_own_reward.py [FILE] [TASK]
"""

import sys
from pathlib import Path

import jax
import numpy as np
from flax import linen as nn

from core_jax import envs
from core_jax.commands.reward_values import of_formal
from core_jax.report.reward_quality import Scored, measures
from core_jax.visual import trajectories

file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("drawer_reward.py")
env = envs.make(sys.argv[2] if len(sys.argv) > 2 else "drawer-open", "random")
episodes = 20
played, deficit = trajectories.play(env, episodes, seed=0)  # arrays [episode, step, ...]
steps = np.arange(0, played.progress.shape[1], 5)  # every fifth is a frame
frames = trajectories.frames_of(played, deficit, [steps] * episodes, None)

# A function of yours: observations [..., size] -> rewards [...]. This network is untrained.
network = nn.Sequential([nn.Dense(64), nn.relu, nn.Dense(1)])
weights = network.init(jax.random.key(0), played.next_obs[0, 0])
values = np.asarray(network.apply(weights, played.next_obs))[..., 0]

rewards = of_formal(file, env, played, frames)  # the file: an observation, an action, a target
rewards["network"] = Scored(values[frames.episode, frames.step - 1])
for name, scored in rewards.items():
    found = measures(scored, frames)
    shown = ("kendall", "value_order", "success_auc", "near_misses_called_done")
    print(f"{name}:", ", ".join(f"{measure} {found[measure]}" for measure in shown))
