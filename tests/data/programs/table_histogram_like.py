# frames: table
import numpy as np

def reward(image):
    gray = image.mean(axis=2)
    bins = []
    for lo in range(0, 256, 64):
        bins.append(np.mean((gray >= lo) & (gray < lo + 64)))
    p = np.array(bins) + 1e-6
    return float(-np.sum(p * np.log(p)))
