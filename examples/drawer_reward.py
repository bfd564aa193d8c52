# A reward for drawer-open, in CoRe's form. It is compiled, never executed:
#
#     python scripts/compile_reward.py examples/drawer_reward.py --task drawer-open
#     python scripts/train.py --method code --formal.file examples/drawer_reward.py
import numpy as np


def compute_reward(observation, action, target_pos):
    hand, handle = observation[0:3], observation[4:7]  # m

    reach = np.exp(-np.linalg.norm(hand - handle) / 0.1)
    opened = 1.0 - np.tanh(5.0 * np.linalg.norm(handle - target_pos))

    return 0.3 * reach + 0.7 * opened, {"reach": 0.3 * reach, "opened": 0.7 * opened}
