import numpy as np


def compute_reward(observation, action, target_pos):
    near = np.exp(-np.linalg.norm(observation[:2] - target_pos[:2]))
    return near, {"near": near}
