# frames: push
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([45, 100, 50]), np.array([75, 255, 255]))
    M = cv2.moments(mask)
    try:
        cx = M["m10"] / M["m00"]
        cy = M["m01"] / M["m00"]
    except ZeroDivisionError:
        return 0.0
    return (cx + cy) / 128
