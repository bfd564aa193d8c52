# frames: push
import cv2
import numpy as np

def reward(image):
    big = cv2.resize(image, (128, 128))
    hsv = cv2.cvtColor(big, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([20, 100, 100]), np.array([30, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    areas = [cv2.contourArea(c) for c in contours]
    if len(areas) == 0:
        return 0.0
    return max(areas) / 1000.0
