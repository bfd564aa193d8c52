# frames: drawer
import numpy as np

def reward(image):
    r, g, b = [image[..., i].astype(float) for i in range(3)]
    total = r + g + b + 1e-6
    redness = r / total
    window = redness[24:40, 8:40]
    return float(window.std() * 10 + np.clip(window.mean(), 0, 1))
