# frames: grid
import cv2
import numpy as np


def reward(image):
    """1 when the yellow key is no longer on the floor of the left room."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    yellow = cv2.inRange(hsv, np.array([20, 100, 100]), np.array([35, 255, 255]))
    contours, _ = cv2.findContours(yellow, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for c in contours:
        area = cv2.contourArea(c)
        if 2 < area < 20:
            return 0.0
    return 1.0
