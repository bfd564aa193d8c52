# A formal reward for reacher.py, in CoRe's form: a function of the observation [11], the action [2]
# and the target position (empty here: the target's place is in the observation). It returns the
# reward of a step, in [-1, 1], and a dict of its components. It is compiled, never executed.
#
#     python ../../scripts/train.py --task reacher:Reacher --formal.file my_reward.py
import numpy as np


def compute_reward(observation, action, target_pos):
    to_target = observation[8:11]  # m, from the target to the fingertip
    speed = observation[6:8]  # m/s, of the fingertip

    distance = np.linalg.norm(to_target)
    reach = 1.0 - np.tanh(10.0 * distance)
    slow = np.exp(-np.linalg.norm(speed)) * reach
    effort = np.mean(np.square(action))

    reward = 0.7 * reach + 0.3 * slow - 0.05 * effort
    return reward, {"reach": 0.7 * reach, "slow": 0.3 * slow, "effort": -0.05 * effort}
