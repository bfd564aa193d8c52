# frames: drawer
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    blue = cv2.inRange(hsv, np.array([105, 150, 60]), np.array([125, 255, 255]))
    ys, xs = np.where(blue > 0)
    if len(xs) < 3:
        return 0.0
    handle = np.array([36.0, 24.0])
    hand = np.array([xs.mean(), ys.max()])
    return float(1.0 - np.tanh(np.linalg.norm(hand - handle) / 20))
