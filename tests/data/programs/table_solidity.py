# frames: table
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([5, 40, 40]), np.array([20, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    worst = 1.0
    for c in contours:
        hull_area = cv2.contourArea(cv2.convexHull(c))
        if hull_area > 0:
            worst = min(worst, cv2.contourArea(c) / hull_area)
    return worst
