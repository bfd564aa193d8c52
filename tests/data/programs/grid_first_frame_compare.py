# frames: grid
import numpy as np

def reward(first_image, current_image):
    changed = np.any(first_image != current_image, axis=2)
    left = changed[:, :32].sum()
    right = changed[:, 32:].sum()
    return 1 if right > left else 0
