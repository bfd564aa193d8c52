# frames: table
import numpy as np
import cv2

def center(image, rgb, tol=12):
    diff = np.abs(image.astype(np.int16) - np.array(rgb, dtype=np.int16))
    mask = np.all(diff <= tol, axis=-1)
    if not mask.any():
        return None
    yy, xx = np.nonzero(mask)
    return np.mean(xx), np.mean(yy)

def reward(image):
    colors = [(255, 87, 89), (118, 183, 178), (78, 121, 167)]
    centers = [center(image, c) for c in colors]
    total = 0.0
    for i in range(len(centers)):
        for j in range(i + 1, len(centers)):
            if centers[i] is None or centers[j] is None:
                continue
            total += np.hypot(centers[i][0] - centers[j][0], centers[i][1] - centers[j][1])
    return -total / 100
