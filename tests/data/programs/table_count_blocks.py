# frames: table
import cv2
import numpy as np

COLORS = {
    "red": ((0, 120, 120), (8, 255, 255)),
    "cyan": ((85, 60, 120), (95, 255, 255)),
    "blue": ((100, 80, 80), (115, 255, 255)),
}

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    seen = 0
    for name, (lo, hi) in COLORS.items():
        mask = cv2.inRange(hsv, np.array(lo), np.array(hi))
        if cv2.countNonZero(mask) >= 15:
            seen += 1
    return seen / len(COLORS)
