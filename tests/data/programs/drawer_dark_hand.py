# frames: drawer
import numpy as np

def reward(image):
    dark = np.max(image, axis=2) < 45
    cols = np.any(dark, axis=0)
    rows = np.any(dark, axis=1)
    if not cols.any():
        return 0.0
    left = int(np.argmax(cols))
    right = len(cols) - 1 - int(np.argmax(cols[::-1]))
    return (left + right) / 2 / 64 + rows.sum() / 640
