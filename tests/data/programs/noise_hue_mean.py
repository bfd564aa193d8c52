# frames: noise
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    h, s, v = cv2.split(hsv)
    strong = s > 80
    if strong.sum() == 0:
        return 0.0
    hues = h[strong].astype(np.float64)
    return hues.mean() / 180 + np.max(v) / 2550
