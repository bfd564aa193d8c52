# frames: grid
import numpy as np

def reward(image):
    r = image[:, :, 0].astype(int)
    g = image[:, :, 1].astype(int)
    b = image[:, :, 2].astype(int)
    agent = (r > 150) & (g < 60) & (b < 60)
    goal = (g > 150) & (r < 60) & (b < 60)
    ys, xs = np.where(agent)
    gy, gx = np.where(goal)
    if len(xs) == 0 or len(gx) == 0:
        return 0.0
    d = abs(xs.mean() - gx.mean()) + abs(ys.mean() - gy.mean())
    return float(np.exp(-d / 20.0))
